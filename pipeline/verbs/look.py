"""The verbs that look at a dataset folder and change nothing: status, verify."""

from __future__ import annotations

from typing import Annotated

import typer

from manifests.cli import Root, Say, app, ends

verbs = app()


@verbs.command()
def status(
    *,
    root: Root,
    split_set: Annotated[
        str | None, typer.Option(help="Count by this split set (default: the first).")
    ] = None,
    say: Say,
) -> None:
    """Show how far the clips are, per split and class, and why some failed."""
    from manifests.dataset import Dataset
    from pipeline import status as reporting

    with ends(say) as ui:
        report = reporting.status(Dataset.open(root), split_set)
        reporting.show(report, ui)
        ui.finish(report)


@verbs.command()
def verify(*, root: Root, say: Say) -> None:
    """Re-hash every shard and compare every sample with its row; exit with 1 on damage."""
    from manifests.dataset import Dataset
    from pipeline import verify as checking

    with ends(say) as ui:
        report = checking.verify(Dataset.open(root), ui)
        checking.show(report, ui)
        ui.finish(report)
        ui.exit_code = 1 if report["problems"] else 0
