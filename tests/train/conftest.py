"""Training in this process, on one thread, as the processes that the tests start do."""

import contextlib
import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from manifests.console import Ui
from manifests.dataset import Dataset
from model import checkpoint
from model.world import World
from train.loop import train
from train.options import Options
from train.run import Run

ALONE = World(0, 1, torch.device("cpu"))


@contextlib.contextmanager
def single() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with single():
        yield


@pytest.fixture(scope="session")
def fit() -> Callable[..., dict[str, Any]]:
    """Train here: root, run folder, options; c3d without dropout or r2plus1d, both of width 4."""

    def fitted(root: Path, folder: Path, resume: bool = False, **options: Any) -> dict[str, Any]:
        name = options.setdefault("model", "r2plus1d")
        options.setdefault("width", 4)
        options.setdefault("tracker", ("none",))
        if name == "c3d":
            options.setdefault("dropout", 0.0)
        ui = options.pop("ui", Ui(quiet=True))
        more = {name: options.pop(name) for name in ("how", "recut") if name in options}
        dataset, run = Dataset.open(str(root)), Run(folder)
        with single():  # where a fixture of a whole file trains, too
            return train(dataset, Options(**options), run, ALONE, resume, ui, **more)

    return fitted


@pytest.fixture(scope="session")
def same_weights() -> Callable[..., None]:
    """Compare two checkpoints' weights: bit by bit, or up to a tolerance."""

    def compare(one: Path, other: Path, tolerance: float = 0.0) -> None:
        mine, theirs = checkpoint.load(one).weights, checkpoint.load(other).weights
        assert mine.keys() == theirs.keys()
        for name in mine:
            if tolerance:
                torch.testing.assert_close(mine[name], theirs[name], rtol=0, atol=tolerance)
            else:
                assert torch.equal(mine[name], theirs[name]), name

    return compare


@pytest.fixture
def together(tmp_path: Path) -> Callable[..., None]:
    """Run a function of a World in so many forked processes, which are each other's ranks."""

    def member(rank: int, ranks: int, function: Callable[[World], None], meeting: Path) -> int:
        torch.set_num_threads(1)
        try:
            where = f"file://{meeting}"
            dist.init_process_group("gloo", init_method=where, rank=rank, world_size=ranks)
            function(World(rank, ranks, torch.device("cpu")))
            dist.barrier()
        except BaseException:
            traceback.print_exc()
            return 1
        return 0

    def run(ranks: int, function: Callable[[World], None]) -> None:
        meeting, children = tmp_path / f"meeting{ranks}", []
        for rank in range(ranks):
            child = os.fork()
            if not child:
                with contextlib.suppress(BaseException):
                    os._exit(member(rank, ranks, function, meeting))
                os._exit(1)
            children.append(child)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert ends == [0] * ranks

    return run
