"""The verbs of the pipeline: annotate, download, decode, pack, build, status, verify, demo."""

from __future__ import annotations

from manifests.cli import app
from pipeline.verbs import annotate, demo, look, stages

verbs = app()
for _part in (annotate, stages, look, demo):
    verbs.add_typer(_part.verbs)
