"""Batches in memory that processes share: a fixed number of slots, used again and again.

Fresh shared memory costs 8 times the copying of a batch into it, so it is taken once. It has no
name: it ends with the last process that has it. A slot handed out is free again when the last
tensor that shows it is gone; who keeps many gets copies, so that no slot is ever overwritten while
somebody can see it.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import weakref
from collections import deque
from multiprocessing import reduction
from typing import Any

import numpy as np
import torch

from manifests.spec import CHANNELS, Window
from shards.windows import RANDOM

_POPULATE_WRITE = 23  # of madvise
Copying = deque[tuple[torch.cuda.Event, int]]


class Slots:
    """`pixels` uint8 (slots, N, T, H, W, C) and `random` float32 (slots, N, 10), shared."""

    def __init__(self, count: int, share: int, window: Window) -> None:
        self._shape = (count, share, *window, CHANNELS)
        self._open(os.memfd_create("clipmill-slots", os.MFD_CLOEXEC))

    def _open(self, fd: int) -> None:
        self._fd, self._inherited = fd, None
        weakref.finalize(self, os.close, fd)
        self._map()

    def _map(self) -> None:
        count, share = self._shape[:2]
        pixels = int(np.prod(self._shape))
        room = -(-pixels // mmap.PAGESIZE) * mmap.PAGESIZE
        whole = room + count * share * RANDOM * 4
        os.ftruncate(self._fd, whole)
        self._memory = memory = mmap.mmap(self._fd, whole)
        self.pixels = np.frombuffer(memory, np.uint8, pixels).reshape(self._shape)
        self.random = np.frombuffer(memory, np.float32, offset=room).reshape(count, share, RANDOM)

    def map_anew(self) -> None:
        """Have a view of one's own in a process that was forked.

        A GPU's driver may keep memory that it pinned out of processes forked later.
        """
        # Kept: that view is the other process's, and so is what happens when it ends.
        self._inherited = self.pixels
        self._map()

    def touch(self) -> None:
        """Take all memory now, and know where it is; else the first writing does, page by page."""
        with contextlib.suppress(OSError):  # a kernel of before 2021
            self._memory.madvise(_POPULATE_WRITE)

    def __len__(self) -> int:
        return self._shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.pixels.nbytes + self.random.nbytes

    def __getstate__(self) -> dict[str, Any]:
        # For a worker that is not forked: it gets the descriptor while it is started.
        return {"shape": self._shape, "fd": reduction.DupFd(self._fd)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._shape = state["shape"]
        self._open(state["fd"].detach())


class Pool:
    """Which slots are free; one process hands them out, and one of its threads at a time."""

    def __init__(self, slots: Slots, held: int, pin: bool = False) -> None:
        self._slots, self._held = slots, held
        self._free: deque[int] = deque(range(len(slots)))
        self._shown: dict[int, tuple[int, weakref.ref[np.ndarray]]] = {}
        self._numbers = itertools.count()
        self._copying: Copying = deque()
        self._pin, self.pinned = pin, False

    def take(self, count: int) -> tuple[int, ...]:
        """Return free slots to be filled."""
        while len(self._free) < count and self._copying:
            event, slot = self._copying.popleft()
            event.synchronize()
            self._free.append(slot)
        return tuple(self._free.popleft() for _ in range(count))

    def show(self, slot: int) -> torch.Tensor:
        """Return what a slot holds: its memory, or a copy where too many are held already."""
        if self._pin:  # once, and after the workers were forked
            self._pin, self.pinned = False, _pinned(self._slots.pixels, self._copying)
        array = self._slots.pixels[slot]
        if len(self._shown) >= self._held:
            copy = array.copy()
            self._free.append(slot)
            return torch.from_numpy(copy)
        # The tensor's memory keeps this array, and so does every view of it.
        number = next(self._numbers)
        self._shown[number] = slot, weakref.ref(array, lambda _: self._gone(number, slot))
        return torch.from_numpy(array)

    def _gone(self, number: int, slot: int) -> None:
        # Another thread may take meanwhile: a slot that is no more held has to be found first.
        if self.pinned:
            # A copy to the GPU that was begun with it may not have ended.
            event = torch.cuda.Event()
            event.record()
            self._copying.append((event, slot))
        else:
            self._free.append(slot)
        self._shown.pop(number, None)

    def recover(self) -> None:
        """Take back what was taken and never shown, once nobody writes to it any more."""
        used = {*(slot for slot, _ in self._shown.values()), *(slot for _, slot in self._copying)}
        self._free = deque(slot for slot in range(len(self._slots)) if slot not in used)


def _pinned(array: np.ndarray, copying: Copying) -> bool:
    """Lock memory in place, so that a GPU copies it by itself; whether that could be done."""
    runtime: Any = torch.cuda.cudart()
    address = array.ctypes.data
    if int(runtime.cudaHostRegister(address, array.nbytes, 0)) != 0:
        with contextlib.suppress(RuntimeError):
            # CUDA tells of the failure once more where the next kernel is launched: here.
            torch.ones(1, device="cuda")
        return False
    weakref.finalize(array.base, _let_go, runtime, address, copying)
    return True


def _let_go(runtime: Any, address: int, copying: Copying) -> None:
    """End the pinning of memory, after the copies that were begun from it."""
    with contextlib.suppress(RuntimeError):  # a GPU that failed has told of it elsewhere
        for event, _ in copying:
            event.synchronize()
    runtime.cudaHostUnregister(address)
