"""Rank arithmetic: free when alone, sums and gathers over two real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from manifests.errors import ClipmillError
from model.world import World, joined, rank

REPO = Path(__file__).resolve().parents[2]
TWO = """
import torch
from model.world import joined

with joined("cpu") as world:
    mine = torch.tensor([world.rank + 1])
    state = {"count": mine, "loss": mine / 4}
    summed = world.total(state)
    assert summed["count"].item() == 3 and summed["loss"].item() == 0.75
    assert mine.item() == world.rank + 1, "the state itself is left alone"
    parts = world.gather(torch.full((3, 2), float(world.rank)).t())
    assert [part.shape for part in parts] == [(2, 3)] * 2
    assert [int(part[0, 0]) for part in parts] == [0, 1]
    assert world.most(world.rank) == 1 and world.most(-1) == -1
    assert world.first == (world.rank == 0) and world.size == 2
    world.wait()
    print("rank", world.rank)
assert not torch.distributed.is_initialized()
"""


def start(number: int, rendezvous: Path) -> subprocess.Popen[str]:
    # A file instead of a port: nothing else can have taken it.
    code = TWO.replace(
        "import torch\n",
        "import torch, functools, torch.distributed as dist\n"
        f"dist.init_process_group = functools.partial(dist.init_process_group, "
        f"init_method='file://{rendezvous}', rank={number}, world_size=2)\n",
        1,
    )
    environment = {"RANK": str(number), "WORLD_SIZE": "2", "LOCAL_RANK": str(number)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | environment | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes(tmp_path):
    processes = [start(number, tmp_path / "meeting") for number in range(2)]
    for number, process in enumerate(processes):
        out, said = process.communicate(timeout=100)
        assert process.returncode == 0, said
        assert out == f"rank {number}\n"


def test_alone_everything_is_free():
    world = World(0, 1, torch.device("cpu"))
    state = {"loss": torch.tensor(2.0)}
    assert world.first
    assert world.total(state)["loss"] is not state["loss"]
    assert world.gather(state["loss"])[0] is state["loss"]
    assert world.most(2) == 2
    world.wait()
    with joined("cpu") as found:
        assert found == World(0, 1, torch.device("cpu"))
    assert not torch.distributed.is_initialized()


def test_rank_comes_from_torchrun(monkeypatch):
    assert rank() == 0
    monkeypatch.setenv("RANK", "3")
    assert rank() == 3


@pytest.mark.parametrize("name", ["gpu", "", "meta", "mps", "cuda:", "cuda:-1", "cpu:1", "cuda:x"])
def test_a_device_that_is_none(name):
    with pytest.raises(ClipmillError, match=r"expected auto, cpu, cuda or cuda:N"), joined(name):
        pass


def test_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with joined("auto") as world:
        assert world.device == torch.device("cpu")
    with pytest.raises(ClipmillError, match=r"sees no GPU.*--device cpu"), joined("cuda"):
        pass
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    for name in ("cuda", "auto", "cuda:7"):
        with pytest.raises(ClipmillError, match="but torch sees 2"), joined(name):
            pass


def test_a_world_without_its_others(monkeypatch):
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    alone = pytest.raises(ClipmillError, match="Start with torchrun, or unset WORLD_SIZE")
    with alone, joined("cpu"):
        pass
