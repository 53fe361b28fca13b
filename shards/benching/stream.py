"""`clipmill bench stream`: one's own shards read by clipmill and in other ways, in turn.

Batches are uint8 windows of clips, delivered to one consumer, from the page cache. For each batch
size and number of workers some ten seconds a way to begin with, and a second or two for each round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from manifests.console import Ui
from manifests.errors import ClipmillError
from shards.benching.compare import Arena, Entry, ours, summary, waiting
from shards.benching.decoding import DECODERS
from shards.benching.rounds import PYTHON_S
from shards.benching.setup import Setup, require_clips
from shards.benching.ways import BARE, MINE, ORDINARY, WAYS, YARDSTICK

DEVICES = (500, 2000, 4000)  # clips a second
_NEEDED = (YARDSTICK, BARE, MINE)


def compare(
    setup: Setup,
    batches: Sequence[int],
    workers: Sequence[int],
    rounds: int,
    seconds: float,
    ui: Ui,
    others: Callable[[Setup], Sequence[Entry]] = lambda _: (),
) -> dict[str, Any]:
    """Return what each way reached for each batch size and number of workers; see `Setup`.

    Of jpeg shards simplejpeg alone takes part too. `others` says who does besides, for a batch
    size and a number of workers.

    Raises:
        ClipmillError: a remote root, a split with too few clips, or clipmill itself cannot read.
    """
    clips = require_clips(replace(setup, batch=max(batches)))
    settings: list[dict[str, Any]] = []
    missing: dict[str, str] = {}
    for batch in batches:
        for count in workers:
            chosen = replace(setup, batch=batch, workers=count)
            names = [*WAYS, *(DECODERS if clips.spec.codec == "jpeg" else ())]
            entries = [*(ours(name, chosen) for name in names), *others(chosen)]
            found, lost = _setting(entries, chosen, len(clips), rounds, seconds, ui)
            settings.append(found)
            missing |= lost
    return {
        "clips": len(clips),
        "codec": clips.spec.codec,
        "stored": list(clips.spec.shape),
        "window": list(clips.shape),
        "rounds": rounds,
        "settings": settings,
        "missing": missing,
    }


def _setting(
    entries: Sequence[Entry], setup: Setup, clips: int, rounds: int, seconds: float, ui: Ui
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the ways of one batch size and number of workers, and those that are missing."""
    title = f"batch {setup.batch}, {setup.workers} workers"
    with (
        ui.progress(rounds * len(entries), title) as progress,
        Arena(entries, clips) as arena,
    ):
        _require(arena)
        found = arena.rounds(rounds, seconds, progress)
        _require(arena)
        ways = summary(found)
        for name in ways:
            ways[name] |= {key: arena.about[name][key] for key in ("kind",)}
        return {"batch": setup.batch, "workers": setup.workers, "ways": ways}, arena.missing


def devices(setup: Setup, rounds: int, seconds: float, ui: Ui) -> dict[str, Any]:
    """Return how much of its time a trainer waits for data, for devices of several speeds.

    Raises:
        ClipmillError: as `compare`.
    """
    clips, names = len(require_clips(setup)), [MINE, ORDINARY]
    with (
        ui.progress(rounds * len(names) * len(DEVICES), "a simulated device") as progress,
        Arena([ours(name, setup) for name in names], clips) as arena,
    ):
        _require(arena, [MINE])
        waits: dict[str, dict[str, float]] = {name: {} for name in arena.names}
        for rate in DEVICES:
            for name, found in arena.rounds(rounds, seconds, progress, rate).items():
                waits[name][str(rate)] = waiting(found)
    about = {"batch": setup.batch, "workers": setup.workers, "python_ms": 1000 * PYTHON_S}
    return about | {"waiting": waits}


def _require(arena: Arena, needed: Sequence[str] = _NEEDED) -> None:
    for name in needed:
        if name in arena.missing:
            raise ClipmillError(
                f"{name} cannot read these shards: {arena.missing[name]}. "
                "Run `clipmill verify --root DIR`."
            )


def show(report: dict[str, Any], ui: Ui) -> None:
    """Print a report: a table for each batch size and number of workers, and the device's."""
    window = "x".join(map(str, report["window"][:3]))
    ui.note(f"{report['clips']:,} clips, {report['codec']}, windows of {window}, uint8")
    for setting in report["settings"]:
        ways = sorted(setting["ways"].items(), key=lambda item: -item[1]["clips_per_s"])
        rows = [
            (
                name,
                f"{way['clips_per_s']:,.0f}",
                f"{way['to_memcpy']:.3f}",
                f"{way['cpu_ms_a_clip']:.3f}",
                "" if name == MINE else f"{way['clipmill_to_it']:.2f} x",
            )
            for name, way in ways
        ]
        title = f"batch {setting['batch']}, {setting['workers']} workers"
        names = ("way", "clips/s", "to memcpy", "CPU ms a clip", "clipmill is faster by")
        ui.table(title, names, rows)
    if "device" in report:
        show_devices(report["device"], ui)
    for name, why in report["missing"].items():
        ui.note(f"{name} is missing: {why}")


def show_devices(device: dict[str, Any], ui: Ui) -> None:
    """Print how much of its time a trainer waits."""
    rows = [
        (name, *(f"{100 * found[str(rate)]:.1f}%" for rate in DEVICES))
        for name, found in device["waiting"].items()
    ]
    title = f"waiting for data: {device['python_ms']:.0f} ms of Python a step, batch "
    title += f"{device['batch']}, {device['workers']} workers"
    ui.table(title, ("way", *(f"{rate:,} clips/s" for rate in DEVICES)), rows)
