"""`clipmill bench`: what this machine does with one's own videos, beside other libraries."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import Jobs, Say, app, ends
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
