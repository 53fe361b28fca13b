"""The verbs of the pipeline, put together."""

from __future__ import annotations

from manifests.cli import app
from pipeline.verbs import annotate, bench, demo, doctor, look, publish, repack, stages

verbs = app()
for _part in (annotate, stages, repack, look, doctor, publish, bench, demo):
    verbs.add_typer(_part.verbs)
