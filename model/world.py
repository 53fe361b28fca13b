"""The one owner of rank arithmetic: how many processes there are and what they add up.

Reads torchrun's environment; alone, everything is free. On several ranks each call costs one
collective (nccl between GPUs, gloo between CPUs).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from manifests.errors import ClipmillError
from model import reasons

# How long a process waits for the others: for the first to write a checkpoint to a slow disk, or to
# fetch shards. One that died is noticed at once, by torchrun or a closed connection.
PATIENCE = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class World:
    """This process's place among all: `rank` of `size`, and its device."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks and writes."""
        return self.rank == 0

    def total(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the sum over all ranks of every tensor, on each rank."""
        summed = {name: tensor.clone() for name, tensor in state.items()}
        if self.size > 1:
            for tensor in summed.values():
                dist.all_reduce(tensor)
        return summed

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return every rank's tensor (equal shapes), in rank order, on each rank."""
        if self.size == 1:
            return [tensor]
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        dist.all_gather(parts, tensor.contiguous())
        return parts

    def most(self, number: int) -> int:
        """Return the largest number that some rank has: how all ranks decide alike."""
        if self.size == 1:
            return number
        tensor = torch.tensor([number], device=self.device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return int(tensor.item())

    def same(self, number: int) -> bool:
        """Whether all ranks have the same number; each gets the same answer."""
        return self.most(number) == -self.most(-number)

    def sum(self, number: int) -> int:
        """Return the sum over all ranks of a number, on each rank."""
        return int(self.total({"": torch.tensor([number], device=self.device)})[""].item())

    def wait(self) -> None:
        """Wait until every rank is here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def joined(device: str) -> Iterator[World]:
    """Join the other processes of torchrun, if any, and leave them at the end.

    `device` is `auto` (this rank's GPU where there is one), `cpu`, `cuda` or `cuda:N`.

    Raises:
        ClipmillError: a GPU was asked for and is not there, or torchrun's other processes.
        StoppedError: another process of the job has ended meanwhile.
    """
    with reasons.told():
        size = int(os.environ.get("WORLD_SIZE", "1"))
        place = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
        if place.type == "cuda":
            torch.cuda.set_device(place)
        if size == 1:
            yield World(rank(), size, place)
            return
        _join(size, place)
        try:
            yield World(rank(), size, place)
        finally:
            dist.destroy_process_group()


def _join(size: int, place: torch.device) -> None:
    """Meet the others where torchrun says, apart from those of before a restart.

    Processes of one machine meet in one store for all restarts, where the addresses of the dead
    still stand; what several machines do about it is in docs/training.md.
    """
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    more: dict[str, Any] = {}
    try:
        if attempt != "0" and os.environ.get("GROUP_WORLD_SIZE") == "1":
            store, number, _ = next(rendezvous("env://", timeout=PATIENCE))
            store = PrefixStore(f"attempt-{attempt}", store)
            more = {"store": store, "rank": number, "world_size": size}
        backend = "nccl" if place.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE, **more)
    except ValueError as error:
        raise ClipmillError(
            f"WORLD_SIZE is {size}, but the other processes cannot be found ({error}). Start "
            "with torchrun, or unset WORLD_SIZE to run alone."
        ) from error


def rank() -> int:
    """Return torchrun's rank of this process, without joining anything."""
    return int(os.environ.get("RANK", "0"))


def _device(name: str, local_rank: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):
        raise ClipmillError(f"--device {name!r}; expected auto, cpu, cuda or cuda:N.")
    place = torch.device(name)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ClipmillError(
            f"--device {name}: torch {torch.__version__} sees no GPU. Install a CUDA build of "
            "torch, or use --device cpu."
        )
    if place.type == "cuda" and place.index is None:
        place = torch.device("cuda", local_rank)
    if place.type == "cuda" and place.index >= torch.cuda.device_count():
        raise ClipmillError(
            f"--device {name}: process {local_rank} of this machine would use GPU {place.index}, "
            f"but torch sees {torch.cuda.device_count()}. Start fewer processes, or name another."
        )
    return place
