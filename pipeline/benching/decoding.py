"""`clipmill bench decode`: one's own videos decoded by clipmill and by other libraries, in turn.

Every way goes over the same clips with the same workers, one after the other, as many rounds as are
asked for; what counts are ratios inside a round, for machines are noisy. Before that each way
decodes each clip once, and its pixels are compared with those of decoding everything.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.console import Ui
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.benching.likeness import Likeness, liken, reference
from pipeline.benching.ways import MINE, WAYS, YARDSTICK
from pipeline.crew import Crew

VIDEOS = frozenset({".avi", ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv"})
EXTRA = "not installed: pip install 'clipmill[bench]'"


@dataclass(frozen=True, slots=True)
class Once:
    """Decodes one clip in one way, in a worker, and says how: the pixels stay there."""

    way: str
    spec: ClipSpec

    def __call__(self, path: Path) -> None:
        """Decode and forget."""
        WAYS[self.way][0](path, self.spec)


def found(folder: Path, most: int) -> list[Path]:
    """Return at most so many of a folder's videos, spread evenly over their sorted names.

    Raises:
        ClipmillError: there is none.
    """
    every = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in VIDEOS]
    if not every:
        endings = ", ".join(sorted(VIDEOS))
        raise ClipmillError(f"{folder} holds no video; expected files that end in {endings}.")
    count = min(most, len(every))
    return [every[place * len(every) // count] for place in range(count)]


def compare(
    paths: Sequence[Path], spec: ClipSpec, rounds: int, crew: Crew, ui: Ui
) -> dict[str, Any]:
    """Return what each way reached: clips a second and worker, ratios, pixels; or why it did not.

    Raises:
        ClipmillError: none of the videos can be decoded.
    """
    usable = [path for path in paths if reference(path, spec) is not None]
    if not usable:
        raise ClipmillError(
            f"none of the {len(paths)} videos can be decoded, {paths[0]} among them; expected "
            "whole and upright videos that PyAV and clipmill decode. `clipmill annotate folder` "
            "says what is wrong with each."
        )
    missing = {name: EXTRA for name, (_, module) in WAYS.items() if not importable(module)}
    likeness = {name: Likeness() for name in WAYS if name not in {YARDSTICK, *missing}}
    with ui.progress(len(usable), "comparing pixels") as progress:
        for path in usable:
            liken(path, spec, likeness)
            progress.advance()
    missing |= {name: found.failure for name, found in likeness.items() if found.failure}
    seconds = _in_turn([way for way in WAYS if way not in missing], usable, spec, rounds, crew, ui)
    share = len(usable) / crew.workers
    return {
        "clips": len(usable),
        "left_out": len(paths) - len(usable),
        "rounds": rounds,
        "workers": crew.workers,
        "spec": spec.as_dict(),
        "ways": {
            name: _result(name, seconds, share) | {"pixels": str(likeness.get(name, "none"))}
            for name in seconds
        },
        "missing": missing,
    }


def _in_turn(
    ways: list[str], paths: Sequence[Path], spec: ClipSpec, rounds: int, crew: Crew, ui: Ui
) -> dict[str, list[float]]:
    """Return each way's seconds in each round; another one begins every time."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with (
        # Plain processes that stay: loky would end those that libraries make large.
        ProcessPoolExecutor(
            crew.workers,
            multiprocessing.get_context("spawn"),
            initializer=_prepare,
            initargs=(ways, paths[0], spec),
        ) as pool,
        ui.progress(rounds * len(ways) * len(paths), "decoding in turn") as progress,
    ):
        for _ in pool.map(time.sleep, [0.5] * crew.workers):
            pass  # each has started when its nap is over
        for number in range(rounds):
            first = number % len(ways)
            for name in ways[first:] + ways[:first]:
                started = time.monotonic()
                for _ in pool.map(Once(name, spec), paths):
                    progress.advance()
                seconds[name].append(time.monotonic() - started)
    return seconds


def importable(module: str | None) -> bool:
    """Whether a library is there and loads; torchcodec needs FFmpeg's own libraries besides."""
    try:
        return module is None or importlib.import_module(module) is not None
    except (ImportError, OSError, RuntimeError):
        return False


def _prepare(ways: Sequence[str], path: Path, spec: ClipSpec) -> None:
    """Import what a worker will need, and start its decoder child; one thread for all."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for way in ways:
        Once(way, spec)(path)


def _result(name: str, seconds: dict[str, list[float]], share: float) -> dict[str, float]:
    def ratio(other: str) -> float:
        pairs = zip(seconds[other], seconds[name], strict=True)
        return statistics.median(theirs / mine for theirs, mine in pairs)

    return {
        "clips_per_s_and_worker": round(share / statistics.median(seconds[name]), 3),
        "to_decoding_only": round(ratio(YARDSTICK), 3),
        "clipmill_to_it": round(1 / ratio(MINE), 3),
    }


def show(report: dict[str, Any], ui: Ui) -> None:
    """Print the report as a table, the fastest first."""
    ways = sorted(report["ways"].items(), key=lambda item: -item[1]["to_decoding_only"])
    rows = [
        (
            name,
            f"{way['clips_per_s_and_worker']:.2f}",
            f"{way['to_decoding_only']:.2f}",
            "" if name == MINE else f"{way['clipmill_to_it']:.2f} x",
            way["pixels"],
        )
        for name, way in ways
    ]
    rows += [(name, "", "", "", why) for name, why in report["missing"].items()]
    title = f"{report['clips']:,} clips, {report['workers']} workers, {report['rounds']} rounds"
    names = ("way", "clips/s a worker", f"to {YARDSTICK}", "clipmill is faster by", "pixels")
    ui.table(title, names, rows)
    if report["left_out"]:
        ui.note(f"{report['left_out']:,} videos left out: not whole, not upright, or no video")
