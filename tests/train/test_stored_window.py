"""benchmarks/stored_window.py and recipes.py in small: windows of whole videos, one run of each."""

import dataclasses
import importlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from manifests import annotations
from manifests.dataset import Dataset
from manifests.spec import ClipSpec, Window
from pipeline.annotate.folder import read_folder
from shards.reading import Reading
from shards.stream import Stream

REPO = Path(__file__).resolve().parents[2]
LENGTHS = {"a.avi": 15, "b.avi": 20, "c.avi": 33, "d.avi": 24, "e.avi": 30, "f.avi": 22}
EVERY = ClipSpec(frames=40, rate=1, height=16, width=20, fit="stretch")
TINY = "--model c3d --width 4 --frames 4 --crop 16x16 --epochs 1 --batch 4"

Maker = Callable[[Path, ClipSpec], Path]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """An importer of benchmarks, with what they measure by on the path for this test."""
    monkeypatch.syspath_prepend(str(REPO / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def root_of(
    tmp_path: Path, make_video: Callable[..., Path], run_stages: Callable[..., Any]
) -> Maker:
    """A maker of packed roots of six videos of 15 to 33 frames, the last two of them test."""
    listed = ["path,label,split"]
    for number, (name, frames) in enumerate(LENGTHS.items()):
        path = make_video(name, frames=frames, hue=50 * number)
        split = "test" if number > 3 else "train"
        listed.append(f"{path.name},{'run' if number % 2 else 'jump'},{split}")
        (tmp_path / "videos").mkdir(exist_ok=True)
        (tmp_path / "videos" / path.name).symlink_to(path)
    csv = tmp_path / "clips.csv"
    csv.write_text("\n".join(listed))

    def make(root: Path, spec: ClipSpec) -> Path:
        videos = tmp_path / "videos"
        found = read_folder(videos, csv=csv, val=0, test=0, seed=0, name="six")
        annotations.annotate(str(root), found, spec, 0, str(videos))
        run_stages(root, "download", "pack")
        return root

    return make


def stored(root: Path) -> dict[str, np.ndarray]:
    """Each training clip with every frame that is stored."""
    dataset = Dataset.open(str(root))
    whole = Window(EVERY.frames, EVERY.height, EVERY.width)
    with Stream(
        dataset, "train", whole, global_batch=1, train=False, reading=Reading(workers=0)
    ) as stream:
        return {
            stream.clip_ids[int(batch.rows[0])]: batch.pixels[0].numpy().copy() for batch in stream
        }


def test_windows_come_from_the_whole_video_and_no_further(
    tmp_path: Path,
    root_of: Maker,
    benchmark: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = root_of(tmp_path / "root", EVERY)
    clips, whole_video = stored(root), benchmark("whole_video")
    lengths = whole_video.lengths(str(root))
    law = partial(whole_video.WholeVideo, lengths=lengths)
    monkeypatch.setattr("shards.stream.Windows", law)
    seen: dict[str, set[int]] = {clip: set() for clip in clips}
    with Stream(
        Dataset.open(str(root)),
        "train",
        Window(4, EVERY.height, EVERY.width),
        global_batch=2,
        train=True,
        reading=Reading(workers=0),
    ) as stream:
        for _ in range(100):
            for batch in stream:
                for row, pixels in zip(batch.rows, batch.pixels.numpy(), strict=True):
                    name = stream.clip_ids[int(row)]
                    clip = clips[name]
                    [first] = [
                        first
                        for first in range(len(clip) - 12)
                        if np.array_equal(clip[first : first + 13 : 4], pixels)
                    ]
                    seen[name].add(first)
    found = sorted((max(firsts), len(firsts)) for firsts in seen.values())
    assert found == [(2, 3), (7, 8), (11, 12), (20, 21)]  # a window spans 13 frames of video


def test_a_root_that_cuts_videos_is_refused(
    tmp_path: Path, root_of: Maker, benchmark: Callable[[str], ModuleType]
) -> None:
    whole_video = benchmark("whole_video")
    with pytest.raises(whole_video.ClipmillError, match="more --frames"):
        whole_video.lengths(str(root_of(tmp_path / "few", ClipSpec(16, rate=1, height=16))))
    with pytest.raises(whole_video.ClipmillError, match="stride:1"):
        whole_video.lengths(str(root_of(tmp_path / "other", ClipSpec(4, rate=4, height=16))))


def test_one_run_of_each(
    tmp_path: Path, root_of: Maker, benchmark: Callable[[str], ModuleType]
) -> None:
    """Windows of whole videos, scored on other roots, and a recipe; a run made before is read."""
    stored_window, recipes = benchmark("stored_window"), benchmark("recipes")
    root_of(tmp_path / stored_window.WHOLE, EVERY)
    few = ClipSpec(frames=4, rate=3, height=16, width=20, fit="stretch")
    root_of(tmp_path / "test clip", few)
    root_of(tmp_path / "test video", dataclasses.replace(few, views=3))
    line = stored_window.one_run(tmp_path, stored_window.WHOLE, 0, TINY)
    assert line["top1"].keys() == {"clip", "video"}
    assert stored_window.one_run(tmp_path, stored_window.WHOLE, 0, "--not read") == line
    views = json.loads((tmp_path / "runs" / "whole video 0" / "video" / "metrics.json").read_text())
    assert views["views"] == 3 and views["asked"] == 2
    (tmp_path / "root").symlink_to(tmp_path / stored_window.WHOLE)
    name, arguments = next(iter(recipes.RECIPES.items()))
    found = recipes.one_run(tmp_path, name, f"{arguments} --batch 4", 0, TINY)
    means = stored_window.summary([line, line | {"seed": 1}, found])
    assert means[stored_window.WHOLE]["clip"]["seeds"] == 2
    assert means[stored_window.WHOLE]["clip"]["spread"] == 0
    assert means[name]["video"] == {"mean": found["top1"]["video"], "spread": None, "seeds": 1}


def test_what_has_ended_is_kept(
    tmp_path: Path, benchmark: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that fails loses nothing of those before it."""
    monkeypatch.setattr(benchmark("machine"), "RESULTS", tmp_path)

    def lines(arm: str, seed: int) -> dict[str, Any]:
        if arm == "broken":
            raise OSError("no more")
        return {"arm": arm, "seed": seed, "top1": {"clip": 0.5 + seed / 10}}

    runs = [partial(lines, *which) for which in (("b", 0), ("a", 1), ("a", 0), ("broken", 0))]
    with pytest.raises(OSError, match="no more"):
        benchmark("stored_window").all_runs("named", {}, runs, ["a", "b"], 1)
    kept = json.loads((tmp_path / "named.json").read_text())
    assert [(run["arm"], run["seed"]) for run in kept["runs"]] == [("a", 0), ("a", 1), ("b", 0)]
    assert kept["top1"]["a"]["clip"]["mean"] == pytest.approx(0.55)
    assert kept["top1"]["a"]["clip"]["spread"] == pytest.approx(0.1 / 2**0.5)
