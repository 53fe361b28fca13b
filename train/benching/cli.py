"""`clipmill bench train`: what this machine trains a second, beside other ways."""

from __future__ import annotations

from typing import Annotated

import typer

from manifests.cli import Root, Say, app, ends

verbs = app()


@verbs.command()
def train(
    *,
    root: Root,
    batch: Annotated[int, typer.Option(min=1, help="Clips a step.")] = 8,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes that read.")] = 1,
    width: Annotated[
        int | None, typer.Option(min=4, help="Planes of the first stage (64).")
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames taken of the stored.")] = None,
    crop: Annotated[
        str | None, typer.Option(help="Pixels taken, as SIDE or HEIGHTxWIDTH (7/8 of stored).")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each has its turn.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.01, help="How long a turn is.")] = 5.0,
    precision: Annotated[str, typer.Option(help="Of clipmill's steps, as in train.")] = "auto",
    tune: Annotated[bool, typer.Option("--tune", help="Of clipmill's steps, as in train.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    say: Say,
) -> None:
    """Train with clipmill, in the seed's way and with a plain loop, in turn; and a roofline."""
    from manifests.sizes import pair
    from model.world import joined
    from train.benching import compare
    from train.options import Options

    with ends(say) as ui, joined(device) as world:
        options = Options(
            batch=batch,
            width=width,
            frames=frames,
            crop=None if crop is None else pair("--crop", crop),
            precision=precision,
            tune=tune,
        )
        report = compare.compare(root, options, world, workers, rounds, seconds, ui)
        compare.show(report, ui)
        ui.finish(report)
