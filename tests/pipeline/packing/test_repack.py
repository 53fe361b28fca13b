"""Shards made of shards: the same pixels, another size or codec, damage never copied on."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests import tables
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline import running
from pipeline.packing.repacking import repack
from pipeline.publishing.drop import drop
from pipeline.reporting.acquired import acquired
from pipeline.reporting.states import states
from pipeline.verifying.mending import fix
from pipeline.verifying.verify import Wish, verify

SPEC = ClipSpec(frames=4, rate=2, height=16, width=16, views=2)


@pytest.fixture(scope="module")
def packed(
    tmp_path_factory: pytest.TempPathFactory, annotated: Any, run_stages: Callable[..., Any]
) -> Path:
    """A packed root with two views of its test clips; read it, never change it."""
    root = tmp_path_factory.mktemp("packed") / "root"
    annotated(root, SPEC)
    run_stages(root, "download", "pack")
    return root


def run(root: Path, out: Path, codec: str | None = None, mb: float = 0.04) -> dict[str, Any]:
    ui = Ui(quiet=True)
    repack(str(root), str(out), codec, running.Options(jobs=1, shard_mb=mb), ui)
    return ui.result


def digests(root: Path) -> dict[str, str]:
    rows = Dataset.open(str(root)).parts("samples").to_pylist()
    return {row["key"]: row["xxh3"] for row in rows}


def problems(root: Path) -> list[Any]:
    return verify(Dataset.open(str(root)), Ui(quiet=True))["problems"]


def hashes(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "shards").iterdir()}


def test_another_size_holds_the_same_pixels(packed: Path, tmp_path: Path) -> None:
    [done] = run(packed, tmp_path / "out")["stages"]
    assert (done["planned"], done["done"]) == (10, 10)
    assert digests(tmp_path / "out") == digests(packed)
    assert len(hashes(tmp_path / "out")) < len(hashes(packed))
    assert problems(tmp_path / "out") == []
    before = hashes(tmp_path / "out")
    [done] = run(packed, tmp_path / "out")["stages"]
    assert done["planned"] == 0 and hashes(tmp_path / "out") == before


def test_jpeg_strips_are_those_of_pack_and_are_copied(
    packed: Path, tmp_path: Path, annotated: Any, run_stages: Callable[..., Any]
) -> None:
    run(packed, tmp_path / "jpeg", "jpeg")
    assert problems(tmp_path / "jpeg") == []
    annotated(tmp_path / "packed", dataclasses.replace(SPEC, codec="jpeg"))
    run_stages(tmp_path / "packed", "download", "pack")
    assert digests(tmp_path / "jpeg") == digests(tmp_path / "packed")
    run(tmp_path / "jpeg", tmp_path / "again", mb=1)
    assert digests(tmp_path / "again") == digests(tmp_path / "jpeg")
    assert problems(tmp_path / "again") == []
    with pytest.raises(ClipmillError, match="pack from the videos"):
        run(tmp_path / "jpeg", tmp_path / "raw", "raw")
    assert not (tmp_path / "raw").exists()


def test_damage_is_a_row_and_is_not_copied(packed: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(packed, tmp_path / "root"))
    row = Dataset.open(str(root)).parts("samples").to_pylist()[0]
    with (root / "shards" / row["shard"]).open("r+b") as file:
        file.seek(row["offset"])
        byte = file.read(1)
        file.seek(row["offset"])
        file.write(bytes([byte[0] ^ 1]))
    [done] = run(root, tmp_path / "out")["stages"]
    assert (done["done"], done["failed"], done["reasons"]) == (9, 1, {"corrupt": 1})
    lost = {key for key in digests(packed) if key.partition("@")[0] == row["clip_id"]}
    assert {*digests(packed)} - {*digests(tmp_path / "out")} == lost


def test_what_was_lost_in_between_is_done_again(packed: Path, tmp_path: Path) -> None:
    run(packed, tmp_path / "whole")
    run(packed, tmp_path / "out")
    for table in ("shards", "samples", "pack"):
        shutil.rmtree(tmp_path / "out" / "manifests" / table)
    run(packed, tmp_path / "out")
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")
    assert problems(tmp_path / "out") == []


def test_videos_that_stay_under_the_old_root_are_not_missed(
    tmp_path: Path, archived: Callable[..., Path], annotate_mine: Callable[..., None],
    run_stages: Callable[..., Any],
) -> None:  # fmt: skip
    root, out = tmp_path / "root", tmp_path / "out"
    archive = archived("mine.zip")
    annotate_mine(root, archive)
    run_stages(root, "download", "pack")
    run(root, out)
    assert digests(out) == digests(root) and problems(out) == []
    assert acquired(states(Dataset.open(str(out)), "mine"))["files"] == 0
    annotate_mine(out, archive)  # looks at the rows of videos
    [summary] = run_stages(out, "pack")["stages"]
    assert summary["planned"] == 0 and problems(out) == []


def test_what_the_source_packs_later_is_repacked_later(
    packed: Path, tmp_path: Path, annotated: Any, run_stages: Callable[..., Any]
) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    dataset = annotated(root, SPEC)
    run_stages(root, "download")
    lost = Path(dataset.videos) / dataset.clips["source"][0].as_py().removeprefix("file:")
    away = [
        row | {"path": "nowhere.avi"}
        for row in dataset.parts("download").to_pylist()
        if lost.name == Path(row["path"] or "").name
    ]
    dataset.append("download", [row | {"attempt": 2} for row in away])
    run_stages(root, "pack")
    run(root, out)
    missing = digests(packed).keys() - digests(out).keys()
    assert missing
    again = [row | {"attempt": 3, "path": lost.name} for row in away]
    dataset.append("download", again)
    run_stages(root, "pack", retry="failed")
    [done] = run(root, out)["stages"]
    assert done["done"] == len(away) and digests(out) == digests(packed) and problems(out) == []
    [done] = run(root, out)["stages"]
    assert done["planned"] == 0
    before = Dataset.open(str(out)).parts("shards").to_pylist()
    assert {row["generation"] for row in before} == {0, 1}
    shutil.rmtree(out / "manifests" / "shards")
    fix(str(out), Wish(), Ui(quiet=True), dry_run=False)
    assert Dataset.open(str(out)).parts("shards").to_pylist() == before


def test_a_shard_that_was_taken_out_is_made_again(packed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(packed, out)
    sorted((out / "shards").iterdir())[0].unlink()
    fix(str(out), Wish(), Ui(quiet=True), dry_run=False)
    assert digests(out) != digests(packed)
    run(packed, out)
    assert digests(out) == digests(packed) and problems(out) == []


def test_clips_that_the_source_loses_stay(packed: Path, tmp_path: Path) -> None:
    root, out = Path(shutil.copytree(packed, tmp_path / "root")), tmp_path / "out"
    run(root, out)
    dataset = Dataset.open(str(root))
    row = next(row for row in dataset.parts("pack").to_pylist() if row["status"] == "done")
    reason = {"status": "failed", "reason": "missing", "shard": None}
    dataset.append("pack", [row | reason | {"attempt": row["attempt"] + 1}])
    run(root, out)
    last = tables.latest(Dataset.open(str(out)).parts("pack"))
    ends = dict(zip(last["clip_id"].to_pylist(), last["status"].to_pylist(), strict=True))
    assert ends[row["clip_id"]] == "done"


def test_dropped_clips_are_not_carried_over(packed: Path, tmp_path: Path) -> None:
    root, out = Path(shutil.copytree(packed, tmp_path / "root")), tmp_path / "out"
    first, second = sorted({key.partition("@")[0] for key in digests(packed)})[:2]
    drop(Dataset.open(str(root)), [first])
    run(root, out)
    drop(Dataset.open(str(root)), [second])
    run(root, out)
    ids = {key.partition("@")[0] for key in digests(out)}
    assert ids == {key.partition("@")[0] for key in digests(packed)} - {first, second}
    assert problems(out) == []


def test_a_folder_of_others_is_refused(packed: Path, tmp_path: Path, built: Path) -> None:
    with pytest.raises(ClipmillError, match="expected another one"):
        run(packed, packed)
    other = Path(shutil.copytree(built, tmp_path / "other"))
    with pytest.raises(ClipmillError, match="views"):
        run(packed, other)


def test_the_verb(packed: Path, tmp_path: Path, cli: Callable[..., Any]) -> None:
    given = ["repack", "--root", packed, "--out", tmp_path / "out", "--keep-free", 0]
    ended = cli(*given, "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "out").exists()
    ended = cli(*given[:-1], 10**9)
    assert ended.returncode == 3 and "--limit" not in ended.stderr, "no option of this verb"
    assert cli(*given, "--jobs", 1).returncode == 0
    ended = cli(*given, "--dry-run", "--json")
    assert json.loads(ended.stdout)["repack"]["clips"] == 0, "they are there"
    assert cli("pack", "--root", tmp_path / "out", "--json", "--keep-free", 0).returncode == 0
    assert digests(tmp_path / "out") == digests(packed)
