"""The newest whole checkpoint of a run: what was damaged since it was written is passed over.

Each rank reads it by itself and all take the same one. Costs reading it once, two collectives.
"""

from __future__ import annotations

from pathlib import Path

from manifests.console import Ui
from manifests.errors import ClipmillError, DamagedError
from model import checkpoint as checkpoints
from model.checkpoint import Checkpoint
from model.world import World
from train.run import Run


def newest(run: Run, world: World, ui: Ui) -> Checkpoint:
    """Return the newest checkpoint that is whole for every rank; warn of those that are not.

    Raises:
        DamagedError: none of them is whole.
        ClipmillError: one that another clipmill wrote.
    """
    files = run.candidates()
    at, found, why = _first_whole(files, 0)
    while not world.same(at):
        at, found, why = _first_whole(files, world.most(at))
    if found is None:
        names = ", ".join(str(path.relative_to(run.folder)) for path in files)
        raise DamagedError(
            f"no checkpoint of {run.folder} is whole, of {names}; expected one at least. Copy one "
            f"there again, or start a new run in another folder. The first: {why}"
        )
    if at:
        ui.warn(
            f"{files[0]} is damaged, so the run goes on from {files[at].name}: what came after it "
            f"is trained again. ({why})"
        )
    return found


def not_shared(run: Run) -> ClipmillError:
    """Return the error for ranks that see different checkpoints of one run."""
    return ClipmillError(
        f"{run.folder} holds other checkpoints on other machines; expected one folder that all "
        "machines of a run share. Put --run there."
    )


def _first_whole(files: list[Path], at: int) -> tuple[int, Checkpoint | None, str]:
    """The place of the first whole file from a place on, what it holds, and the first damage."""
    why = ""
    while at < len(files):
        try:
            return at, checkpoints.load(files[at]), why
        except DamagedError as error:
            why = why or str(error)
            at += 1
    return at, None, why
