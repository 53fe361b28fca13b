"""The verb `train`."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Annotated, Literal

import typer

from manifests.cli import Root, Say, app, ends
from shards.reading_options import ReadingOptions

verbs = app()


@verbs.command()
def train(
    *,
    root: Root,
    run: Annotated[str, typer.Option(metavar="DIR", help="Where checkpoints and log go.")],
    model: Annotated[
        str, typer.Option(help="r2plus1d, c3d, r2plus1d_18 or r2plus1d_34.")
    ] = "r2plus1d",
    width: Annotated[int, typer.Option(help="Planes of the first stage; 16 for a CPU.")] = 64,
    dropout: Annotated[float | None, typer.Option(help="Before the head (c3d: 0.5).")] = None,
    modality: Annotated[
        str,
        typer.Option(help="rgb, or motion: what deviates from the mean picture of the clip."),
    ] = "rgb",
    frames: Annotated[int | None, typer.Option(help="Frames taken of the stored ones.")] = None,
    crop: Annotated[
        str | None, typer.Option(help="Pixels taken, as SIDE or HEIGHTxWIDTH (7/8 of stored).")
    ] = None,
    split_set: Annotated[
        str | None, typer.Option(help="Such as split2 (the first); all: each in turn, in RUN/SET.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over train.")] = 100,
    batch: Annotated[int, typer.Option(help="Clips per step, over all processes.")] = 8,
    optimizer: Annotated[str, typer.Option(help="adam, adamw or sgd.")] = "adam",
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 1e-4,
    weight_decay: Annotated[float, typer.Option(help="Weight decay.")] = 5e-4,
    schedule: Annotated[str, typer.Option(help="plateau, cosine or constant.")] = "plateau",
    warmup_epochs: Annotated[float, typer.Option(help="Epochs of rising rate.")] = 0.0,
    patience: Annotated[int, typer.Option(help="Epochs that plateau waits.")] = 10,
    label_smoothing: Annotated[float, typer.Option(help="Part spread over all classes.")] = 0.0,
    balance: Annotated[
        bool, typer.Option("--balance", help="Weigh the loss so that every class counts alike.")
    ] = False,
    flip: Annotated[
        bool, typer.Option(help="Mirror half of the clips; off where left and right differ.")
    ] = True,
    least_area: Annotated[
        float, typer.Option(help="Zoom into parts of at least this area (1: off).")
    ] = 1.0,
    jitter: Annotated[float, typer.Option(help="Strength of colour changes (0: off).")] = 0.0,
    ema: Annotated[
        float, typer.Option(help="Decay a step of averaged weights, such as 0.99 (0: off).")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 0,
    lanes: Annotated[
        int, typer.Option(help="Parts of the shards that ranks share; a node reads its own.")
    ] = 1,
    tail: Annotated[
        Literal["drop", "pad"], typer.Option(help="Drop clips that fill no batch, or repeat some.")
    ] = "drop",
    bad_samples: Annotated[
        int, typer.Option(min=0, help="Damaged clips an epoch that are left out, not an error.")
    ] = 0,
    reading: ReadingOptions,
    save_minutes: Annotated[float, typer.Option(help="Between checkpoints in an epoch.")] = 10.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last one.")] = False,
    recut: Annotated[
        bool, typer.Option("--recut", help="Go on with another --batch: cut the epoch anew.")
    ] = False,
    say: Say,
) -> None:
    """Train a network on the shards; under torchrun on many GPUs."""
    from manifests.dataset import Dataset
    from manifests.sizes import pair
    from manifests.splitsets import ALL
    from model.world import joined, rank
    from train import splits
    from train.loop import train as loop
    from train.options import Options
    from train.run import Run

    again = "Go on with the same command and --resume."
    speaks = rank() == 0
    with ends(say, speaks, again) as ui, joined(device) as world:
        # Only what was asked for, so that runs of before an option go on.
        model_options = {"width": width} | ({} if modality == "rgb" else {"modality": modality})
        model_options |= {} if dropout is None else {"dropout": dropout}
        options = Options(
            model=model,
            model_options=model_options,
            frames=frames,
            crop=None if crop is None else pair("--crop", crop),
            split_set=split_set,
            epochs=epochs,
            batch=batch,
            optimizer=optimizer,
            lr=lr,
            weight_decay=weight_decay,
            schedule=schedule,
            warmup_epochs=warmup_epochs,
            patience=patience,
            label_smoothing=label_smoothing,
            balance=balance,
            flip=flip,
            least_area=least_area,
            jitter=jitter,
            ema=ema,
            seed=seed,
            lanes=lanes,
            tail=tail,
            save_minutes=save_minutes,
        )
        how = reading.reading(bad_samples)
        dataset = Dataset.open(root)
        if split_set == ALL:
            options = dataclasses.replace(options, split_set=None)
            result = splits.train_all(dataset, options, run, world, resume, ui, how, recut)
            splits.show(result, root, run, ui)
            ui.finish(result)
            return
        result = loop(dataset, options, Run(run), world, resume, ui, how, recut)
        ui.finish(result)
        kind = "best" if result["best"] else "last"
        command = ["clipmill", "score", "--root", root, "--checkpoint", result[kind]]
        if split_set is not None:
            command += ["--split-set", split_set]
        command += ["--split", "test", "--out", f"{run}/score"]
        which = "the best on val" if result["best"] else "the last: nothing was measured on val"
        ui.note(f"Next: {shlex.join(command)}  # {which}")
