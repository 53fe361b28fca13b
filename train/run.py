"""The run folder: recipe.toml, log.csv with a line an epoch, best and last checkpoint.

Everything is written through storage's one door, whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from train.recipe import FILE

LAST = "last.safetensors"
BEST = "best.safetensors"
INIT = "init.json"


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

    def write_init(self, record: Mapping[str, Any]) -> None:
        """Keep what was imported, where the run began with a file's weights."""
        if record:
            self._storage.write(INIT, (json.dumps(record, indent=1) + "\n").encode())

    def read_init(self) -> dict[str, Any]:
        """Return what the run began with.

        Raises:
            ClipmillError: that is not there, or was changed.
        """
        try:
            record = json.loads(self._storage.read(INIT))
            if not isinstance(record["made_anew"], list):
                raise TypeError("made_anew")
        except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
            raise ClipmillError(
                f"{self.folder / INIT} does not tell what the run began with ({error!r}). Put it "
                "back, or start a new run in another folder."
            ) from error
        return record

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
