"""The front door: `clipmill VERB`, the packages' typer apps put together, nothing else."""

from __future__ import annotations

import typer

import infer.cli
import pipeline.verbs
import pipeline.verbs.bench
import train.benching.cli
import train.cli
from manifests.cli import app

cli: typer.Typer = app()
pipeline.verbs.bench.bench.add_typer(train.benching.cli.verbs)
for _part in (pipeline.verbs, train.cli, infer.cli):
    cli.add_typer(_part.verbs)


@cli.callback(invoke_without_command=False)
def _door() -> None:
    """Prepare action-recognition video, stream it, train on it, score it.

    Each verb runs alone and can be killed and run again. Start with `clipmill demo`, or with
    `clipmill annotate folder --videos DIR --root DIR`.
    """


def main() -> None:
    """Run the command line."""
    cli(auto_envvar_prefix="CLIPMILL")


if __name__ == "__main__":
    main()
