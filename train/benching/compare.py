"""`clipmill bench train`: training steps on one's own shards, ours and others', in turn.

Four networks are in memory at once, two of them clipmill's. Costs two steps a way to warm up, then
`rounds` turns of `seconds` for each of seven ways.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from manifests.console import Ui
from manifests.dataset import Dataset
from model.world import World
from shards.benching.setup import require_clips, setup_of
from train.benching import jpegs, ways
from train.benching.roofline import copy_rate, layers, matrix_rate, roofline
from train.benching.turns import alternate, ratio
from train.options import Options
from train.session import Session

OURS, SHARDS = "clipmill, constant batch", "clipmill, from shards"
OURS_18, SHARDS_18 = "clipmill r2plus1d_18, constant batch", "clipmill r2plus1d_18, from shards"
SEED, JPEGS = "the seed's step, constant batch", "the seed's way, from JPEG frames"
PLAIN = "plain PyTorch r2plus1d_18, constant batch"
RATIOS = {
    "step_to_seed": (OURS, SEED),
    "with_loading_to_seed": (SHARDS, JPEGS),
    "r2plus1d_18_to_seed": (OURS_18, SEED),
    "r2plus1d_18_with_loading_to_seed": (SHARDS_18, JPEGS),
    "r2plus1d_18_to_plain": (OURS_18, PLAIN),
    "loading": (SHARDS, OURS),
    "r2plus1d_18_loading": (SHARDS_18, OURS_18),
}
FEW_JPEGS = 64  # clips whose frames are written: from the page cache, more tell nothing else


def compare(
    root: str, options: Options, world: World, workers: int, rounds: int, seconds: float, ui: Ui
) -> dict[str, Any]:
    """Return what each way to train reached, their ratios, and a roofline of both networks.

    `options` are those of a run; its model is not looked at.

    Raises:
        ClipmillError: a remote root, clips that fill no batch, a window that does not fit.
    """
    window = options.window(Dataset.open(root).spec)
    setup = setup_of(root, "train", options.split_set, window.frames, (window.height, window.width))
    clips = require_clips(setup)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        jpegs.write(clips, folder / "jpegs", max(FEW_JPEGS, options.batch))
        sessions = {
            name: stack.enter_context(
                contextlib.closing(_session(name, root, options, world, workers, folder, ui))
            )
            for name in (ways.SEED, ways.PLAIN)
        }
        mine, other = sessions[ways.SEED], sessions[ways.PLAIN]
        seed = ways.Plain(mine, partial(torch.optim.Adam, lr=1e-4, weight_decay=5e-4))
        plain = ways.Plain(other, partial(torch.optim.SGD, lr=1e-2, momentum=0.9))
        taking_part = [
            ways.clipmill(mine, OURS),
            seed.alone(SEED),
            ways.clipmill(other, OURS_18),
            plain.alone(PLAIN),
            ways.from_shards(mine, workers, SHARDS),
            seed.from_jpegs(folder / "jpegs", mine, workers, JPEGS),
            ways.from_shards(other, workers, SHARDS_18),
        ]
        total = (rounds + 1) * len(taking_part)
        with ui.progress(total, f"batch {options.batch} on {world.device}") as progress:
            rates = alternate(taking_part, rounds, seconds, world.device, progress)
        bounds = {name: _bound(one, _median(rates, name)) for name, one in sessions.items()}
    return {
        "device": _named(world.device),
        "threads": torch.get_num_threads(),
        "window": list(window),
        "batch": options.batch,
        "width": options.width or 64,
        "workers": workers,
        "ways": {name: one.ways.as_dict() for name, one in sessions.items()},
        "clips_per_s": {name: round(statistics.median(found), 3) for name, found in rates.items()},
        "ratios": {name: ratio(rates, *pair) for name, pair in RATIOS.items()},
        "roofline": bounds,
    }


def _session(
    name: str, root: str, options: Options, world: World, workers: int, folder: Path, ui: Ui
) -> Session:
    chosen = dataclasses.replace(options, model=name)
    return ways.session_of(root, chosen, world, workers, folder / name, ui)


def _median(rates: Mapping[str, Sequence[float]], network: str) -> float:
    return statistics.median(rates[OURS if network == ways.SEED else OURS_18])


def _bound(session: Session, clips_per_s: float) -> dict[str, float]:
    """Return the roofline of a network at the precision it was trained with."""
    device, kind = session.world.device, session.ways.precision
    pixels = ways.constant(session).pixels
    clips = session.normalise(pixels).contiguous(memory_format=session.ways.layout)
    work = layers(session.network.train(), clips, kind)
    return roofline(
        work, session.options.batch, clips_per_s, matrix_rate(kind, device), copy_rate(device)
    )


def _named(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def show(report: Mapping[str, Any], ui: Ui) -> None:
    """Print the report: clips a second, ratios, and what the device could do."""
    window = "x".join(map(str, report["window"]))
    title = f"batch {report['batch']} of {window}, width {report['width']}, {report['device']}"
    rates = sorted(report["clips_per_s"].items(), key=lambda item: -item[1])
    ui.table(title, ("way", "clips/s"), [(name, f"{rate:,.2f}") for name, rate in rates])
    rows = [(one, other, f"{report['ratios'][key]:.3f} x") for key, (one, other) in RATIOS.items()]
    ui.table("in the same round", ("this", "to that", "is faster by"), rows)
    for name, found in report["roofline"].items():
        ui.note(
            f"{name}: {found['gflop_a_clip']:,.0f} GFLOP a clip, {found['gflop_per_s']:,.0f} "
            f"GFLOP/s of {found['matrix_gflop_per_s']:,.0f} in a large matrix product; "
            f"{found['flop_a_byte']:.0f} FLOP a byte (the device's ridge is at "
            f"{found['ridge_flop_a_byte']:.0f}); {found['of_possible']:.0%} of what memory and "
            "matrix rate allow its convolutions"
        )
