"""What of files lies in the kernel's page cache, and how to have it forgotten."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

_LIBC = ctypes.CDLL(None, use_errno=True)


def forget(paths: Iterable[Path]) -> None:
    """Write files out and drop them from memory; pages that a process has mapped stay."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident(paths: Iterable[Path]) -> int:
    """Return how many bytes of files lie in memory, in whole pages; looking reads nothing."""
    total = 0
    for path in paths:
        size = path.stat().st_size
        pages = -(-size // mmap.PAGESIZE)
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as map,
        ):
            view = np.frombuffer(map, np.uint8)
            there = np.zeros(pages, np.uint8)
            address = ctypes.c_void_p(view.ctypes.data)
            if _LIBC.mincore(address, ctypes.c_size_t(size), ctypes.c_void_p(there.ctypes.data)):
                raise OSError(ctypes.get_errno(), f"mincore of {path}")
            del view
        total += int((there & 1).sum()) * mmap.PAGESIZE
    return total
