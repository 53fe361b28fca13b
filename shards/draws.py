"""Random numbers of clips: from (seed, epoch, clip, purpose) alone, never from rank or worker.

splitmix64 (Steele, Lea, Flood 2014) over a key of the clip's id. Some 20 microseconds for a batch.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xxhash
from numpy.typing import NDArray

_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def clip_keys(clip_ids: Iterable[str]) -> NDArray[np.uint64]:
    """Return a 64-bit key for each clip, from its id alone."""
    return np.fromiter((xxhash.xxh3_64_intdigest(name.encode()) for name in clip_ids), np.uint64)


def doubles(
    keys: NDArray[np.uint64], seed: int, epoch: int, purpose: int, count: int
) -> NDArray[np.float64]:
    """Return float64 (..., count) in [0, 1) for keys (...); `count` purposes from `purpose` on.

    Independent draws have purposes of their own.
    """
    purposes = np.arange(purpose + 1, purpose + count + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        state = _mix(keys + _STEP * np.uint64(seed % 2**32 + 1))
        state = _mix(state + _STEP * np.uint64(epoch + 1))
        state = _mix(state[..., None] + _STEP * purposes)
    return (state >> np.uint64(11)).astype(np.float64) / 2**53


def uniforms(
    keys: NDArray[np.uint64], seed: int, epoch: int, purpose: int, count: int
) -> NDArray[np.float32]:
    """Return float32 (..., count) in [0, 1); they use the purposes from `purpose` on."""
    return as_floats(doubles(keys, seed, epoch, purpose, count))


def as_floats(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return numbers in [0, 1) as float32, rounded down: rounding could make 1 of them."""
    return (np.floor(values * 2**24) / 2**24).astype(np.float32)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _M1
    state = (state ^ (state >> np.uint64(27))) * _M2
    return state ^ (state >> np.uint64(31))
