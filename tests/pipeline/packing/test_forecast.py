"""Size and time are told before a pack begins, and one that cannot fit writes nothing."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import StoppedError
from manifests.spec import ClipSpec
from pipeline import plans, running, stage
from pipeline.clip import Settings
from pipeline.crew import Crew
from pipeline.pack import Pack
from pipeline.packing import costs
from pipeline.packing.choosing import Choice
from pipeline.packing.forecast import Forecast
from pipeline.video.decoder import Limits

Stages = Callable[..., dict[str, Any]]
REAL = ClipSpec(frames=8, rate=2, height=64, width=64)


@pytest.fixture
def begun(tmp_path: Path, annotated: Callable[..., Dataset], run_stages: Stages) -> Any:
    """A maker of roots that were downloaded and not packed."""

    def make(spec: ClipSpec) -> Path:
        annotated(tmp_path / "root", spec)
        run_stages(tmp_path / "root", "download")
        return tmp_path / "root"

    return make


def packing(root: Path) -> Pack:
    dataset = Dataset.open(str(root))
    return Pack(dataset, Settings(dataset.spec, "pyav", Limits()), 60_000)


def coming(root: Path, workers: int = 2) -> Forecast:
    pack = packing(root)
    left, number = stage.remaining(pack.dataset, "pack")
    return pack.forecast(left if len(left) else pack.plan("none", number), workers)


def in_shards(root: Path) -> list[int]:
    return [path.stat().st_size for path in (root / "shards").iterdir()]


def test_raw_sizes_are_exact_but_for_the_json(begun: Any, run_stages: Stages) -> None:
    root = begun(REAL)
    said = coming(root)
    assert (said.clips, said.seconds) == (11, None), "too few to try any"
    run_stages(root, "pack", shard_mb=0.35)
    one = sum(in_shards(root)) / 10
    assert said.bytes == pytest.approx(11 * one, rel=0.06), "one of eleven cannot be decoded"


def test_jpeg_sizes_come_from_clips_tried(
    begun: Any, run_stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "MANY", 2)
    root = begun(dataclasses.replace(REAL, codec="jpeg"))
    said = coming(root)
    assert said.seconds is not None and 0 < said.seconds < 60
    run_stages(root, "pack", shard_mb=0.06)
    sizes = sorted(in_shards(root))
    assert said.shards == len(sizes) > 1
    assert said.bytes == pytest.approx(sum(sizes), rel=0.25)
    assert 60_000 / 2 < sizes[-1] < 60_000 * 1.25


def test_jpeg_sizes_and_times_come_from_what_was_packed(begun: Any, run_stages: Stages) -> None:
    root = begun(dataclasses.replace(REAL, codec="jpeg"))
    run_stages(root, "pack", choice=Choice(limit=5))
    done = Dataset.open(str(root)).parts("pack").to_pylist()
    taken = [row["seconds"] for row in done if row["status"] == "done"]
    said = coming(root, workers=1)
    assert said.clips == 11 - len(done) == 6
    assert said.seconds == pytest.approx(6 * sum(taken) / len(taken))
    one = sum(in_shards(root)) / len(taken)
    assert said.bytes == pytest.approx(6 * one, rel=0.15)


def test_what_is_written_is_not_wanted_again(begun: Any, run_stages: Stages) -> None:
    root = begun(REAL)
    run_stages(root, "pack")
    for table in ("shards", "samples", "pack"):
        for part in (root / "manifests" / table).iterdir():
            part.unlink()
    said = coming(root)
    assert said.clips == 11
    assert said.bytes < 2 * REAL.nbytes


def test_more_workers_than_shards_gain_nothing() -> None:
    rows = [Forecast(8, 2, 10, None if workers == 0 else 8.0, workers, 9) for workers in (0, 1)]
    assert rows[0].words() == "about 10 B in 2 new shards; 9 B free"
    assert rows[1].words() == "about 10 B in 2 new shards, about 8s with 1 worker; 9 B free"


def test_a_cluster_s_workers_are_not_this_machine_s_cores(
    begun: Any, run_stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Crew(backend="dask", address="tcp://10.0.0.1:8786")
    monkeypatch.setattr(costs, "MANY", 2)
    pack = packing(begun(REAL))
    todo = pack.plan("none", 0)
    said = [pack.forecast(todo, crew.known) for crew in (Crew(1), Crew(2), there)]
    assert said[0].seconds and said[2].seconds == said[0].seconds == 2 * (said[1].seconds or 0)
    assert "one worker, divided among the cluster's" in said[2].words()
    assert dataclasses.replace(there, jobs=4).known == 4


def test_too_little_room_stops_before_anything_is_written(begun: Any) -> None:
    root = begun(REAL)
    before = sorted(path.relative_to(root) for path in root.rglob("*") if path.suffix != ".lock")
    options = running.Options(jobs=1, shard_mb=0.1, keep_free=1 << 60)
    with pytest.raises(StoppedError, match=r"free; the 11 clips to pack take about 1\.\d MB, and"):
        running.run(str(root), ["pack"], options, Ui(quiet=True))
    after = sorted(path.relative_to(root) for path in root.rglob("*") if path.suffix != ".lock")
    assert [path for path in after if path not in before] == []


def test_the_verb_says_it_before_and_in_a_dry_run(begun: Any, cli: Callable[..., Any]) -> None:
    root = begun(REAL)
    ended = cli("pack", "--root", root, "--dry-run", "--split", "train,val", "--limit", 3)
    assert ended.returncode == 0, ended.stderr
    assert "about 3" in ended.stderr and "GB free" in ended.stderr
    assert not os.listdir(root / "shards") if (root / "shards").exists() else True
    ended = cli("pack", "--root", root, "--split", "test", "--jobs", 1)
    assert ended.returncode == 0, ended.stderr
    assert "in 1 new shards" in ended.stderr
    dataset = Dataset.open(str(root))
    assert set(dataset.parts("shards")["split"].to_pylist()) == {"test"}
    assert cli("pack", "--root", root, "--split", "tests").returncode == 2


def test_a_limit_run_again_takes_no_further_clip(begun: Any, run_stages: Stages) -> None:
    root = begun(REAL)
    for limit, planned in ((4, 4), (4, 0), (6, 2), (2, 0)):
        [summary] = run_stages(root, "pack", choice=Choice(limit=limit))["stages"]
        assert summary["planned"] == planned
    [summary] = run_stages(root, "pack")["stages"]
    assert summary["planned"] == 5
    assert len(set(Dataset.open(str(root)).parts("samples")["clip_id"].to_pylist())) == 10


def test_a_dry_run_counts_what_is_left_once(begun: Any) -> None:
    pack = packing(begun(REAL))
    plans.write(pack.dataset, "pack", pack.plan("none", 0), 0)
    left, new = stage.coming(pack.dataset, pack, "none")
    assert (len(left), len(new)) == (11, 0)
