"""`--tune`: at start-up the ways to compute a step are timed, and the fastest is kept for good.

One switch after the other is tried on top of what is fastest so far, and taken where it gains more
than MARGIN, which is noise. What has no memory or no compiler is lost, not an error. On several
ranks each times its own device, and the slowest one counts. Some ten steps a switch on a GPU, three
on a CPU, and what compiling takes.

Whatever changes numbers beyond rounding is tried only where the options leave it open
(`--precision auto`), and on a CPU not at all: bf16 is not repeatable there.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from manifests.console import Ui
from model.world import World
from train.options import Options
from train.speed.ways import Ways

MARGIN = 0.02
_MICROSECONDS = 1_000_000
_LOST = 1 << 40
Switch = Callable[[Ways], Ways]


@dataclass(frozen=True, slots=True)
class Timed:
    """One candidate: what was switched, the seconds of a step (None: it was lost, and why)."""

    what: str
    ways: Ways
    seconds: float | None
    why: str = ""


def switches(options: Options, device: torch.device) -> list[tuple[str, Switch]]:
    """Return what is tried in turn, each with its name."""
    names = ["channels_last", "fused", "padded"]
    if device.type == "cuda":
        names.append("searched")
    if not options.recompute and (options.compile or device.type == "cuda"):
        names.append("compiled")
    found: list[tuple[str, Switch]] = [(name, partial(_switched, name)) for name in names]
    if device.type == "cuda" and options.precision == "auto":
        found.insert(0, ("precision", _other_precision))
    return found


def _switched(name: str, ways: Ways) -> Ways:
    return dataclasses.replace(ways, **{name: not getattr(ways, name)})


def _other_precision(ways: Ways) -> Ways:
    return dataclasses.replace(ways, precision="fp32" if ways.precision == "bf16" else "bf16")


def tune(
    usual: Ways, options: Options, seconds: Callable[[Ways], float], world: World, ui: Ui
) -> list[Timed]:
    """Return what was timed, the usual way first; `seconds` are those of a step in one way."""
    tried = switches(options, world.device)
    with ui.progress(len(tried) + 1, "timing ways to compute a step") as progress:
        timed = [_timed("usual", usual, seconds, world)]
        progress.advance(words="usual")
        for what, switched in tried:
            ways = switched(best(timed).ways)
            name = f"{what} {getattr(ways, what)}".replace("True", "on").replace("False", "off")
            timed.append(_timed(name, ways, seconds, world))
            progress.advance(words=what)
    return timed


def best(timed: list[Timed]) -> Timed:
    """Return the candidate that was kept: each has to beat the one before it by MARGIN."""
    kept = timed[0]
    for one in timed[1:]:
        if (one.seconds or math.inf) < (kept.seconds or math.inf) * (1 - MARGIN):
            kept = one
    return kept


def _timed(what: str, ways: Ways, seconds: Callable[[Ways], float], world: World) -> Timed:
    why = ""
    try:
        micros = max(1, round(seconds(ways) * _MICROSECONDS))
    except Exception as error:  # torch, its compiler and drivers raise what they like
        lines = [line for line in str(error).splitlines() if line.strip()]
        why = f"{type(error).__name__}: {lines[0][:200] if lines else ''}"
        micros = _LOST
    slowest = world.most(micros)
    if slowest >= _LOST:
        return Timed(what, ways, None, why or "lost on another rank")
    return Timed(what, ways, slowest / _MICROSECONDS)


def show(timed: list[Timed], clips: int, ui: Ui) -> None:
    """Print what was timed, and which was kept."""
    kept = best(timed)
    rows = [
        (
            one.what,
            one.why if one.seconds is None else f"{1000 * one.seconds:,.1f}",
            "" if one.seconds is None else f"{clips / one.seconds:,.1f}",
            "kept" if one is kept else "",
        )
        for one in timed
    ]
    ui.table("ways to compute a step", ("switched", "ms a step", "clips/s", ""), rows)


def record(timed: list[Timed], clips: int, window: tuple[int, ...], device: str) -> dict[str, Any]:
    """Return what a run keeps of it: what was chosen, on what, and all that was timed."""
    return {
        "chosen": best(timed).ways.as_dict(),
        "device": device,
        "torch": torch.__version__,
        "clips": clips,
        "window": list(window),
        "timed": [
            {"what": one.what, "seconds": one.seconds, "why": one.why, **one.ways.as_dict()}
            for one in timed
        ],
    }
