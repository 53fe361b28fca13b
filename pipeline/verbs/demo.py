"""The verb `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import Say, app, ends

verbs = app()


@verbs.command()
def demo(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to put everything.")] = Path(
        "demo"
    ),
    clips: Annotated[int, typer.Option(min=10, help="Videos to make for each class.")] = 100,
    say: Say,
) -> None:
    """Make videos, pack them, train, score and predict: the whole road in a few minutes."""
    from pipeline.demonstrating import demo as road

    with ends(say) as ui:
        road.run(out, clips, ui)
