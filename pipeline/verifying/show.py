"""What verify found, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manifests.console import Ui, size


def show(report: Mapping[str, Any], ui: Ui) -> None:
    """Print the problems, or that there are none, and how much was read."""
    if report["problems"]:
        rows = [(found["where"], found["what"], found["cure"]) for found in report["problems"]]
        ui.table(f"{len(rows):,} problems", ("where", "what", "what to do"), rows)
    else:
        word = "clean" if report["complete"] and report["subset"] == "100%" else "nothing found"
        ui.note(
            f"{word}: {report['shards']:,} shards, {report['samples']:,} samples, "
            f"{size(report['bytes'])}"
        )
    read, wanted = report["read"], report["to_read"]
    if not report["complete"] or report["subset"] != "100%":
        parts = [
            f"{read[kind]:,} of {wanted[kind]:,} {kind}"
            for kind in ("shards", "tensors", "videos")
            if wanted[kind]
        ]
        share = "" if report["subset"] == "100%" else f" (the share {report['subset']})"
        over = "" if report["complete"] else "; then the time limit was over"
        ui.note(
            f"All tables and lengths were checked; read were {', '.join(parts) or 'no files'}"
            f"{share}, {size(read['bytes'])}{over}."
        )
