"""Fifty kills while saving, and every kind of damage: the newest whole checkpoint loads."""

import io
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from rich.console import Console

import model
from manifests.console import Ui
from manifests.errors import ClipmillError, DamagedError
from manifests.spec import ClipSpec, Window
from model import checkpoint as checkpoints
from model.checkpoint import Checkpoint
from model.world import World
from train.newest import newest
from train.run import Run

ALONE = World(0, 1, torch.device("cpu"))
NETWORK = model.build("c3d", 2, width=4)


def made(step: int) -> Checkpoint:
    """A checkpoint in which every tensor says which step it is of."""
    weights = {name: torch.full_like(x, step) for name, x in NETWORK.state_dict().items()}
    window, half = Window(4, 16, 16), (0.5, 0.5, 0.5)
    state = {"step": step}
    return Checkpoint(
        NETWORK.spec, ClipSpec(), window, half, half, ("a", "b"), weights, state=state
    )


def keep(run: Run, step: int, count: int = 2) -> None:
    checkpoints.save(run.at(step), made(step))
    run.name_last(step, count)


def found(run: Run) -> tuple[int, str]:
    """The step of the newest whole checkpoint, and what was said of others."""
    said = io.StringIO()
    ui = Ui(quiet=True, _consoles={"stderr": Console(file=said, width=1000)})
    loaded = newest(run, ALONE, ui)
    assert all((tensor == loaded.state["step"]).all() for tensor in loaded.weights.values())
    return loaded.state["step"], said.getvalue()


def saving_until_killed(run: Run, first: int, done: int) -> None:
    """In a child: write one after the other, and tell each that is finished."""
    try:
        for step in range(first, first + 100_000):
            keep(run, step)
            os.write(done, step.to_bytes(4, "little"))
    finally:
        os._exit(1)


def test_fifty_kills_while_saving(tmp_path: Path) -> None:
    run, promised = Run(tmp_path), 0
    for _ in range(50):
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            saving_until_killed(run, promised + 1, theirs)
        os.close(theirs)
        if not promised:
            os.read(ours, 4)  # the very first: a run killed before has nothing to go on from
            promised = 1
        time.sleep(random.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        while told := os.read(ours, 4):
            promised = int.from_bytes(told, "little")
        os.close(ours)
        step, said = found(run)
        assert step in (promised, promised + 1), "what was finished, or what was just renamed"
        assert not said
        promised = step
    keep(run, promised + 1)
    names = sorted(os.listdir(tmp_path / "checkpoints"))
    assert names == [run.at(step).name for step in (promised, promised + 1)], "nothing is left over"
    assert sorted(os.listdir(tmp_path)) == ["checkpoints", "last.safetensors"]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-500, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 4]))


@pytest.mark.parametrize("damage", [cut, emptied, flipped])
def test_a_damaged_one_is_passed_over_aloud(tmp_path: Path, damage) -> None:
    run = Run(tmp_path)
    for step in (3, 6, 9):
        keep(run, step, count=3)
    assert found(run) == (9, "")
    damage(run.last)
    step, said = found(run)
    assert step == 6
    assert f"warning: {run.at(9)} is damaged, so the run goes on from step-00000006" in said
    damage(run.at(6))
    assert found(run)[0] == 3
    keep(run, 5, count=3)
    assert [*run.kept()] == [5, 3], "damaged ones go when a whole one is there"
    assert found(run) == (5, "")
    damage(run.at(5))
    damage(run.at(3))
    with pytest.raises(
        DamagedError, match=r"no checkpoint of .* is whole, of checkpoints/step-0000"
    ):
        found(run)


def test_without_the_last_the_kept_ones_are_a_run_too(tmp_path: Path) -> None:
    run = Run(tmp_path)
    keep(run, 4)
    run.last.unlink()
    assert found(run) == (4, "")
    with pytest.raises(ClipmillError, match="holds a run already"):
        run.require(resume=False)


def test_what_lies_at_last_alone_comes_first(tmp_path: Path) -> None:
    """Such as a run of before there were kept ones, or a copy put there by hand."""
    run = Run(tmp_path)
    keep(run, 4)
    run.last.unlink()
    checkpoints.save(run.last, made(2))
    assert found(run) == (2, "")
    cut(run.last)
    step, said = found(run)
    assert step == 4 and "last.safetensors is damaged" in said


@pytest.mark.parametrize("count", [1, 3])
def test_so_many_are_kept(tmp_path: Path, count: int) -> None:
    run = Run(tmp_path)
    for step in (2, 4, 4, 6, 8):
        keep(run, step, count)
        assert run.last.samefile(run.at(step))
    assert [*run.kept()] == [8, 6, 4][:count]
