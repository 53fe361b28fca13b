"""Verify finds what was done to a root, and names the shard and the clip."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests import leftovers, tables
from manifests.console import Ui
from manifests.dataset import Dataset
from pipeline.verifying import verify as checking
from pipeline.verifying.mending import fix
from pipeline.verifying.subset import subset
from pipeline.verifying.verify import Wish, verify


@pytest.fixture
def root(tmp_path: Path, built: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "root"))


def problems(root: Path) -> list[dict[str, str]]:
    return verify(Dataset.open(str(root)), Ui(quiet=True))["problems"]


def shards(root: Path) -> list[Path]:
    return sorted((root / "shards").iterdir())


def samples(root: Path) -> list[dict[str, Any]]:
    return Dataset.open(str(root)).parts("samples").to_pylist()


def test_a_root_that_nobody_touched_is_clean(root: Path) -> None:
    report = verify(Dataset.open(str(root)), Ui(quiet=True))
    assert report["problems"] == []
    assert report["samples"] == 10
    assert report["bytes"] == sum(path.stat().st_size for path in shards(root))


def test_every_flipped_bit_is_found(root: Path) -> None:
    chance = random.Random(2)
    for _ in range(100):
        path = chance.choice(shards(root))
        good = path.read_bytes()
        bad = bytearray(good)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        found = problems(root)
        assert any(path.name in one["where"] for one in found)
        path.write_bytes(good)
    assert problems(root) == []


def test_a_flipped_pixel_names_its_clip(root: Path) -> None:
    row = samples(root)[3]
    path = root / "shards" / row["shard"]
    bad = bytearray(path.read_bytes())
    bad[row["offset"] + 5] ^= 1
    path.write_bytes(bad)
    found = problems(root)
    assert [one["where"] for one in found] == [
        f"shards/{row['shard']}", f"shards/{row['shard']}#{row['clip_id']}"
    ]  # fmt: skip
    assert "xxh3" in found[1]["what"]
    assert all(one["cure"] for one in found)


def test_cut_missing_and_unknown_shards(root: Path) -> None:
    cut, missing, *_ = shards(root)
    cut.write_bytes(cut.read_bytes()[:-1])
    missing.unlink()
    (root / "shards" / "train-999999.tar").write_bytes(b"x")
    whats = {one["where"]: one["what"] for one in problems(root)}
    assert "bytes, not" in whats[f"shards/{cut.name}"]
    assert whats[f"shards/{missing.name}"] == "is missing"
    assert whats["shards/train-999999.tar"] == "in no table"


def test_leftovers_are_seen_and_those_of_the_living_are_none(root: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    host, folder = leftovers.host(), root / "shards"
    with leftovers.temporary_name() as mine:
        (folder / mine).write_bytes(b"half")
        (folder / f".tmp-{host}-{os.getppid()}-0123abcd").write_bytes(b"half")
        assert problems(root) == []
        (folder / f".tmp-{host}-{ended.pid}-0123abcd").write_bytes(b"half")
        assert [one["what"] for one in problems(root)] == ["left by a process that died"]
        (folder / f".tmp-{host}-{ended.pid}-0123abcd").unlink()
        (folder / ".tmp-somewhere-123-0123abcd").write_bytes(b"half")
        assert [one["what"] for one in problems(root)] == ["a temporary file of another machine"]


def test_damaged_and_missing_tensors_are_seen(root: Path, run_stages: Callable[..., Any]) -> None:
    run_stages(root, "decode")
    assert problems(root) == []
    flipped, cut, missing, *_ = sorted(root.glob("clips/*/*.tar"))
    data = bytearray(flipped.read_bytes())
    data[data.index(b"NUMPY") + 300] ^= 1
    flipped.write_bytes(data)
    cut.write_bytes(cut.read_bytes()[:-600])
    missing.unlink()
    whats = {Path(one["where"]).name: one["what"] for one in problems(root)}
    assert len(whats) == 3
    assert "xxh3" in whats[flipped.name]
    assert "bytes, not" in whats[cut.name]
    assert whats[missing.name] == "is missing"


def test_lost_rows_are_seen(root: Path) -> None:
    for part in (root / "manifests" / "samples").iterdir():
        part.unlink()
    whats = [one["what"] for one in problems(root)]
    assert sum("has no row in samples" in what for what in whats) == 10
    assert sum(what == "in no table" for what in whats) == 10
    for part in (root / "manifests" / "shards").iterdir():
        part.unlink()
    assert len(problems(root)) == 10 + len(shards(root))


def test_a_sample_that_is_not_in_its_shard_or_has_another_label(root: Path) -> None:
    dataset = Dataset.open(str(root))
    rows = samples(root)
    more = rows[0] | {"clip_id": "nobody-asked", "key": "nobody-asked"}
    for part in (root / "manifests" / "samples").iterdir():
        part.unlink()
    rows[1]["label_id"] = 1 - rows[1]["label_id"]
    dataset.append("samples", [*rows, more])
    whats = [one["what"] for one in problems(root)]
    assert "packed but not in clips" in whats
    assert "is not in the shard" in whats
    assert any("packed as label" in what for what in whats)
    assert "differs from its row in ['label_id']" in whats


def test_another_xxh3_is_seen_and_rows_of_before_have_none(root: Path) -> None:
    dataset = Dataset.open(str(root))
    rows = dataset.parts("shards").to_pylist()
    for part in (root / "manifests" / "shards").iterdir():
        part.unlink()
    rows[0]["xxh3"], rows[1]["xxh3"] = None, "0" * 16
    dataset.append("shards", rows)
    [found] = problems(root)
    assert found["where"] == f"shards/{rows[1]['shard']}" and "its xxh3 is not" in found["what"]


def test_two_rows_of_one_shard_that_differ_are_seen_and_nothing_is_merged(root: Path) -> None:
    dataset = Dataset.open(str(root))
    row = dataset.parts("shards").to_pylist()[0]
    dataset.append("shards", [row | {"sha256": "0" * 64, "bytes": row["bytes"] + 512}])
    found = problems(root)
    assert {"where": f"shards/{row['shard']}", "what": "has two rows that differ"} in [
        {key: one[key] for key in ("where", "what")} for one in found
    ]
    _, made = fix(str(root), Wish(), Ui(quiet=True), dry_run=True)
    assert not made.steps


def test_a_changed_spec_is_named(root: Path) -> None:
    path = root / "dataset.toml"
    path.write_text(path.read_text().replace("rate = 2.0", "rate = 3.0"))
    toml, *found = problems(root)
    assert toml["where"] == "dataset.toml" and "not as `annotate` wrote it" in toml["what"]
    assert len(found) == len(shards(root))
    assert all("packed with ClipSpec" in one["what"] for one in found)


def test_a_damaged_part_is_a_problem_and_the_rest_is_checked(
    root: Path, cli: Callable[..., Any]
) -> None:
    part = next((root / "manifests" / "samples").iterdir())
    part.write_bytes(part.read_bytes()[:-9])
    shard = shards(root)[0]
    shard.write_bytes(shard.read_bytes()[::-1])
    ended = cli("verify", "--root", root, "--json")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    found = {one["where"]: one["what"] for one in json.loads(ended.stdout)["problems"]}
    assert set(found) == {f"manifests/samples/{part.name}", f"shards/{shard.name}"}
    assert tables.COMPACT_AT > 1


@pytest.mark.parametrize("name", ["clips", "labels", "splits"])
def test_damaged_and_missing_single_tables(root: Path, name: str) -> None:
    path = root / "manifests" / f"{name}.parquet"
    good = path.read_bytes()
    path.write_bytes(good[:-20] + bytes([good[-20] ^ 1]) + good[-19:])
    [found] = problems(root)
    assert found["where"] == f"manifests/{name}.parquet" and "annotate" in found["cure"]
    path.unlink()
    [found] = problems(root)
    assert found["what"] == "is missing"


def test_a_damaged_dataset_toml_is_a_problem(root: Path, cli: Callable[..., Any]) -> None:
    path = root / "dataset.toml"
    path.write_text(path.read_text().replace("schema = 1", "schema = ["))
    shard = shards(root)[0]
    shard.write_bytes(shard.read_bytes()[::-1])
    ended = cli("verify", "--root", root, "--json")
    found = {one["where"]: one["what"] for one in json.loads(ended.stdout)["problems"]}
    assert ended.returncode == 1 and set(found) == {"dataset.toml", f"shards/{shard.name}"}
    path.unlink()
    assert cli("verify", "--root", root).returncode == 2


def test_a_lost_part_names_what_it_held(root: Path) -> None:
    part, *_ = (root / "manifests" / "pack").iterdir()
    part.unlink()
    found = problems(root)
    assert found and all("pack has no outcome of it" in one["what"] for one in found)
    for part in (root / "manifests" / "shards").iterdir():
        part.unlink()
    whats = {one["what"] for one in problems(root)}
    assert "in no table" in whats and any("has no row" in what for what in whats)


def test_shares_cover_everything_and_are_told(root: Path) -> None:
    shard = shards(root)[-1]
    data = bytearray(shard.read_bytes())
    data[700] ^= 4
    shard.write_bytes(data)
    dataset, found = Dataset.open(str(root)), []
    for number in range(1, 5):
        wish = Wish(subset(f"{number}/4", 0))
        report = verify(dataset, Ui(quiet=True), wish)
        assert report["complete"] and report["read"]["shards"] < len(shards(root))
        found.append(len(report["problems"]))
    assert sorted(found)[:3] == [0, 0, 0] and sum(found) > 0


def test_when_the_time_is_over_tables_and_lengths_were_checked(
    root: Path, cli: Callable[..., Any]
) -> None:
    ended = cli("verify", "--root", root, "--time-limit", 0.001)
    assert ended.returncode == 0 and "time limit was over" in ended.stderr
    cut = shards(root)[0]
    cut.write_bytes(cut.read_bytes()[:-1])
    report = verify(Dataset.open(str(root)), Ui(quiet=True), Wish(seconds=0.0))
    assert not report["complete"] and report["read"]["shards"] == 0
    assert [one["where"] for one in report["problems"]] == [f"shards/{cut.name}"]


@pytest.mark.slow
def test_workers_find_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in shards(root)[:2]:
        data = bytearray(path.read_bytes())
        data[-3000] ^= 1
        path.write_bytes(data)
    alone = problems(root)
    monkeypatch.setattr(checking, "WORKER_BYTES", 1)
    report = verify(Dataset.open(str(root)), Ui(quiet=True), Wish(jobs=2))
    assert report["problems"] == alone != []
