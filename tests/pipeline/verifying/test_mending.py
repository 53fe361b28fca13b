"""`verify --fix`: damage is made again, what is sound stays, and it may be killed anywhere."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from manifests import leftovers
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import StoppedError
from pipeline.lock import holding
from pipeline.verifying.mending import fix
from pipeline.verifying.verify import Wish, verify

Stages = Callable[..., dict[str, Any]]
UI = Ui(quiet=True)
WISH = Wish(videos=True)


@pytest.fixture
def root(tmp_path: Path, built: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "root"))


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "shards").glob("*.tar")}


def digests(root: Path) -> dict[str, str]:
    rows = Dataset.open(str(root)).parts("samples").to_pylist()
    assert len(rows) == len({row["clip_id"] for row in rows})
    return {row["clip_id"]: row["xxh3"] for row in rows}


def problems(root: Path) -> list[dict[str, str]]:
    return verify(Dataset.open(str(root)), UI, WISH)["problems"]


def mended(root: Path) -> dict[str, str]:
    """Fix a root and return what was done to what; nothing may stay."""
    _, made = fix(str(root), WISH, UI, dry_run=False)
    assert made.left == []
    return {step.name: step.kind for step in made.steps}


def test_damaged_and_missing_shards_are_packed_again(
    root: Path, built: Path, run_stages: Stages
) -> None:
    damaged, missing, *_ = sorted((root / "shards").iterdir())
    flip(damaged, 3000)
    missing.unlink()
    others = {name: data for name, data in contents(root).items() if name != damaged.name}
    before = contents(root)
    _, made = fix(str(root), WISH, UI, dry_run=True)
    assert contents(root) == before and len(problems(root)) > 1, "--dry-run does nothing"
    assert {step.name for step in made.steps} == {damaged.name, missing.name}
    assert mended(root) == {damaged.name: "shard", missing.name: "shard"}
    assert problems(root) == []
    assert not damaged.exists()
    lost = len(digests(built)) - len(digests(root))
    [summary] = run_stages(root, "pack")["stages"]
    assert summary["done"] == lost > 0
    assert problems(root) == [] and digests(root) == digests(built)
    after = contents(root)
    assert others.items() < after.items(), "shards that exist keep their bytes"
    assert not {damaged.name, missing.name} & set(after), "names are not used twice"
    generations = {
        row["shard"]: row["generation"]
        for row in Dataset.open(str(root)).parts("shards").to_pylist()
    }
    assert {generations[name] for name in set(after) - set(others)} == {1}
    attempts = [row["attempt"] for row in Dataset.open(str(root)).parts("pack").to_pylist()]
    assert attempts.count(2) == lost
    assert run_stages(root, "pack")["stages"][0]["planned"] == 0


def test_compaction_keeps_the_rows_of_both_shards_apart(
    root: Path, built: Path, run_stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    from manifests import tables

    monkeypatch.setattr(tables, "COMPACT_AT", 2)
    flip(sorted((root / "shards").iterdir())[0], 3000)
    mended(root)
    run_stages(root, "pack")
    assert len([*(root / "manifests" / "samples").iterdir()]) == 1
    assert problems(root) == [] and digests(root) == digests(built)


@pytest.mark.parametrize("gone", ["shards", "samples", "both"])
def test_rows_that_were_lost_are_made_again_from_whole_shards(
    root: Path, built: Path, gone: str
) -> None:
    before = contents(root)
    for name in ("shards", "samples") if gone == "both" else (gone,):
        shutil.rmtree(root / "manifests" / name)
    assert set(mended(root).values()) == {"rows"}
    assert problems(root) == [] and contents(root) == before
    for name in ("shards", "samples"):
        rows = [Dataset.open(str(one)).parts(name).to_pylist() for one in (root, built)]
        assert rows[0] == rows[1]


def test_a_damaged_shard_without_rows_is_packed_again(
    root: Path, built: Path, run_stages: Stages
) -> None:
    flip(sorted((root / "shards").iterdir())[0], 3000)
    shutil.rmtree(root / "manifests" / "shards")
    kinds = sorted(mended(root).values())
    assert kinds.count("shard") == 1 and kinds.count("rows") == len(kinds) - 1 > 0
    run_stages(root, "pack")
    assert problems(root) == [] and digests(root) == digests(built)


def test_a_damaged_shard_stays_while_its_videos_are_away(
    tmp_path: Path, videos: Path, run_stages: Stages, annotated: Callable[..., Dataset]
) -> None:
    from manifests import annotations
    from pipeline.annotate.folder import read_folder

    own = Path(shutil.copytree(videos, tmp_path / "videos"))
    found = read_folder(own, csv=own / "clips.csv", val=0, test=0, seed=3, name="own")
    spec = annotated(tmp_path / "other").spec
    annotations.annotate(str(tmp_path / "root"), found, spec, 3, str(own))
    root = tmp_path / "root"
    run_stages(root, "download", "pack")
    shard = sorted((root / "shards").iterdir())[0]
    flip(shard, 3000)
    own.rename(tmp_path / "away")
    _, made = fix(str(root), WISH, UI, dry_run=False)
    assert made.steps == [] and shard.exists()
    assert all("videos are not here" in why for _, why in made.left) and made.left
    (tmp_path / "away").rename(own)
    assert mended(root) == {shard.name: "shard"}
    run_stages(root, "pack")
    assert problems(root) == []


def test_damaged_tensors_go_and_pack_decodes_from_the_video(
    tmp_path: Path, annotated: Callable[..., Dataset], built: Path, run_stages: Stages
) -> None:
    root = tmp_path / "root"
    annotated(root)
    run_stages(root, "download", "decode")
    flipped, missing, *_ = sorted(root.glob("clips/*/*.tar"))
    flip(flipped, 2500)
    missing.unlink()
    assert set(mended(root).values()) == {"tensor"}
    assert problems(root) == [] and not flipped.exists()
    run_stages(root, "pack")
    assert digests(root) == digests(built)
    [summary] = run_stages(root, "decode")["stages"]
    assert summary["done"] == 2, "without --retry"
    assert problems(root) == []


def test_damaged_videos_of_the_root_are_downloaded_again(
    tmp_path: Path, archived: Callable[..., Path], annotate_mine: Callable[..., None],
    run_stages: Stages,
) -> None:  # fmt: skip
    root = tmp_path / "root"
    annotate_mine(root, archived("mine.zip"))
    run_stages(root, "download")
    good = {path.name: path.read_bytes() for path in root.glob("videos/*/*")}
    flipped, missing, *_ = sorted(root.glob("videos/*/*"))
    flip(flipped, 900)
    missing.unlink()
    assert len(verify(Dataset.open(str(root)), UI)["problems"]) == 1, "only --videos hashes them"
    assert len(problems(root)) == 2
    assert set(mended(root).values()) == {"video"}
    assert problems(root) == []
    [summary] = run_stages(root, "download")["stages"]
    assert summary["done"] == 2
    assert {path.name: path.read_bytes() for path in root.glob("videos/*/*")} == good
    assert problems(root) == []


def test_what_is_in_no_table_goes_and_what_somebody_has_stays(root: Path, built: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    host, folder = leftovers.host(), root / "shards"
    names = [f".tmp-{host}-{ended.pid}-0123abcd", "train-999999.tar", "train-000077.tar"]
    stays = [f".tmp-{host}-{os.getppid()}-0123abcd", "notes.txt"]
    for name in (*names[:2], *stays):
        (folder / name).write_bytes(b"x")
    shutil.copy(sorted((built / "shards").iterdir())[0], folder / names[2])
    (root / "mine.txt").write_text("mine")
    _, made = fix(str(root), WISH, UI, dry_run=False)
    assert {step.name for step in made.steps} == {f"shards/{name}" for name in names}
    assert [found.where for found, _ in made.left] == ["shards/notes.txt"]
    assert all((folder / name).exists() for name in stays) and (root / "mine.txt").exists()
    assert not any((folder / name).exists() for name in names)
    assert digests(root) == digests(built)


def test_a_whole_shard_that_waits_for_its_rows_stays(root: Path, run_stages: Stages) -> None:
    for name in ("shards", "samples", "pack"):
        shutil.rmtree(root / "manifests" / name)
    before = contents(root)
    _, made = fix(str(root), WISH, UI, dry_run=False)
    assert made.steps == [] and contents(root) == before
    assert all("takes it over" in why for _, why in made.left)
    run_stages(root, "pack")
    assert problems(root) == [] and contents(root) == before


def test_a_damaged_table_is_not_guessed(root: Path, cli: Callable[..., Any]) -> None:
    part = next((root / "manifests" / "samples").iterdir())
    flip(part, 40)
    before = part.read_bytes()
    ended = cli("verify", "--root", root, "--fix")
    assert ended.returncode == 1 and "from a copy" in ended.stdout, ended.stderr
    assert part.read_bytes() == before
    part.unlink()
    ended = cli("verify", "--root", root, "--fix")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert problems(root) == []


def test_it_does_not_work_beside_a_stage(root: Path) -> None:
    with (
        holding(Dataset.open(str(root)).storage, "pack"),
        pytest.raises(StoppedError, match="pack is already running"),
    ):
        fix(str(root), WISH, UI, dry_run=False)


@pytest.mark.slow
def test_killed_at_every_operation_it_goes_on(
    tmp_path: Path, built: Path, run_stages: Stages, recorded: Any, faults: ModuleType
) -> None:
    root, spoilt = tmp_path / "root", tmp_path / "spoilt"
    shutil.copytree(built, spoilt)
    run_stages(spoilt, "decode")
    damaged, missing, *_ = sorted((spoilt / "shards").iterdir())
    flip(damaged, 3000)
    missing.unlink()
    flip(sorted(spoilt.glob("clips/*/*.tar"))[0], 2500)
    (spoilt / "shards" / "train-999999.tar").write_bytes(b"x")
    shutil.rmtree(spoilt / "manifests" / "samples")
    wanted = digests(built)
    at = 0
    while True:
        at += 1
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(spoilt, root)
        ended = faults.trial(lambda: fix(str(root), WISH, UI, False), at, "KILL")
        mended(root)
        assert problems(root) == [], f"killed at operation {at}"
        if at % 4 == 0 or ended.code == 0:
            run_stages(root, "pack")
            assert problems(root) == [] and digests(root) == wanted, f"killed at operation {at}"
        if ended.code == 0:
            break
        assert ended.code == faults.KILLED, ended.trace
    assert at > 20
