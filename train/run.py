"""The run folder: recipe.toml, log.csv with a line an epoch, best and last checkpoint.

Everything is written through storage's one door, whole or not at all.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from train.recipe import FILE

LAST = "last.safetensors"
BEST = "best.safetensors"


class Run:
    """A folder that holds one training run."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        self._storage = LocalStorage(self.folder)

    @property
    def last(self) -> Path:
        """The newest checkpoint, from which a run resumes."""
        return self.folder / LAST

    @property
    def best(self) -> Path:
        """The checkpoint with the highest val top-1."""
        return self.folder / BEST

    def require(self, resume: bool) -> bool:
        """Return whether there is something to go on from.

        Raises:
            ClipmillError: a run is here already and nobody said --resume.
        """
        there = self.last.exists()
        if there and not resume:
            raise ClipmillError(
                f"{self.folder} holds a run already. Go on with it by --resume, or give another "
                "--run folder."
            )
        return there

    def write_recipe(self, text: str) -> None:
        """Keep what the run was asked to do, as a recipe that does it again."""
        self._storage.write(FILE, text.encode())

    def write_log(self, rows: list[dict[str, Any]]) -> None:
        """Write log.csv with a line for each epoch."""
        if not rows:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {
                key: f"{value:.6g}" if isinstance(value, float) else value
                for key, value in row.items()
            }
            for row in rows
        )
        self._storage.write("log.csv", text.getvalue().encode())
