"""`clipmill bench`: what this machine does with one's own videos, beside other libraries."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import Jobs, Root, Say, app, ends
from pipeline.spec_options import SpecOptions

bench = app()
verbs = app()
verbs.add_typer(bench, name="bench")


@bench.callback()
def _bench() -> None:
    """Measure this machine on your own data, side by side with other libraries."""


@bench.command()
def decode(
    *,
    videos: Annotated[Path, typer.Option(metavar="DIR", help="A folder of videos.")],
    clips: Annotated[int, typer.Option(min=1, help="At most so many of them.")] = 32,
    rounds: Annotated[int, typer.Option(min=1, help="How often each has its turn.")] = 3,
    clip_spec: SpecOptions,
    jobs: Jobs = 0,
    say: Say,
) -> None:
    """Decode videos with clipmill and with every other library that is installed, in turn."""
    from pipeline.benching import decoding
    from pipeline.crew import Crew

    with ends(say) as ui:
        asked = clip_spec.resolve()
        spec = dataclasses.replace(asked, fit="crop", views=1)
        if spec != asked:
            ui.note(f"measured with one view and fit crop, not {asked.views} and {asked.fit}")
        report = decoding.compare(decoding.found(videos, clips), spec, rounds, Crew(jobs), ui)
        decoding.show(report, ui)
        ui.finish(report)


@bench.command()
def stream(
    *,
    root: Root,
    split: Annotated[str, typer.Option(help="Which clips are read.")] = "train",
    split_set: Annotated[str | None, typer.Option(help="Of which split set (the first).")] = None,
    batch: Annotated[list[int], typer.Option(min=1, help="Clips a batch; may be repeated.")] = [  # noqa: B006
        8,
        32,
    ],
    workers: Annotated[
        list[int], typer.Option(min=1, help="Worker processes; may be repeated.")
    ] = [1, 2],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=1, help="How often each has its turn.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.01, help="How long a turn is.")] = 1.0,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames taken of the stored.")] = None,
    crop: Annotated[
        str | None, typer.Option(help="Pixels taken, as SIDE or HEIGHTxWIDTH (7/8 of stored).")
    ] = None,
    say: Say,
) -> None:
    """Read shards with clipmill, webdataset and plain loaders, beside memcpy, in turn."""
    from dataclasses import replace

    from manifests.sizes import pair
    from shards.benching import stream as streaming
    from shards.benching.setup import setup_of

    with ends(say) as ui:
        asked = setup_of(
            root, split, split_set, frames, None if crop is None else pair("--crop", crop)
        )
        report = streaming.compare(asked, batch, workers, rounds, seconds, ui)
        last = replace(asked, batch=max(batch), workers=max(workers))
        report["device"] = streaming.devices(last, rounds, seconds, ui)
        streaming.show(report, ui)
        ui.finish(report)
