"""The run folder: recipe.toml, the tables of figures, best and last checkpoints.

Everything is written through storage's one door, whole or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from train.recipe import FILE

LAST = "last.safetensors"
BEST = "best.safetensors"
INIT = "init.json"
TUNE = "tune.json"
KEPT = "checkpoints"
_STEP = re.compile(r"step-(\d{8,})\.safetensors")


class Run:
    """A folder that holds one training run."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()
        self._storage = LocalStorage(self.folder)

    @property
    def last(self) -> Path:
        """The newest checkpoint, another name of the newest in `checkpoints`."""
        return self.folder / LAST

    def at(self, step: int) -> Path:
        """The checkpoint after so many steps."""
        return self.folder / KEPT / f"step-{step:08}.safetensors"

    def kept(self) -> dict[int, Path]:
        """Return the checkpoints by their steps, the newest first."""
        found = (self.folder / KEPT).glob("step-*.safetensors")
        steps = {int(m[1]): path for path in found if (m := _STEP.fullmatch(path.name))}
        return dict(sorted(steps.items(), reverse=True))

    def candidates(self) -> list[Path]:
        """Return what a run can resume from, the newest first, no file twice."""
        kept = [*self.kept().values()]
        last = [self.last] if self.last.exists() else []
        return [path for path in last if not any(path.samefile(one) for one in kept)] + kept

    @property
    def best(self) -> Path:
        """The checkpoint with the highest val top-1."""
        return self.folder / BEST

    def require(self, resume: bool) -> bool:
        """Return whether there is something to go on from.

        Raises:
            ClipmillError: a run is here already and nobody said --resume.
        """
        there = bool(self.candidates())
        if there and not resume:
            raise ClipmillError(
                f"{self.folder} holds a run already. Go on with it by --resume, or give another "
                "--run folder."
            )
        return there

    def name_last(self, step: int, keep: int) -> None:
        """Make the checkpoint of a step the last one, then remove all but `keep` of them.

        Those of later steps go too: a run that goes on before them was damaged there, or cut anew.
        """
        self._storage.clean(".")
        self._storage.link(f"{KEPT}/{self.at(step).name}", LAST)
        earlier = [number for number in self.kept() if number < step]
        for number, path in self.kept().items():
            if number > step or number in earlier[keep - 1 :]:
                self._storage.delete(f"{KEPT}/{path.name}")

    def write_recipe(self, text: str) -> None:
        """Keep what the run was asked to do, as a recipe that does it again."""
        self._storage.write(FILE, text.encode())

    def write_tune(self, record: Mapping[str, Any]) -> None:
        """Keep in what way the run computes, and what was measured."""
        self._storage.write(TUNE, (json.dumps(record, indent=1) + "\n").encode())

    def read_tune(self) -> dict[str, Any] | None:
        """Return what was kept; None where nothing was measured.

        Raises:
            ClipmillError: it is no JSON.
        """
        try:
            return json.loads(self._storage.read(TUNE))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ClipmillError(
                f"{self.folder / TUNE} is no valid JSON ({error}). Put it back, or delete it to go "
                "on in the usual way."
            ) from error

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

    def write(self, path: str, data: bytes) -> None:
        """Write a file of the run, whole or not at all."""
        self._storage.write(path, data)
