"""The order in which clips are read: pure numpy, the same on every machine.

Shards are permuted, `block` of them at a time are laid together, and the samples inside a block
are permuted: reading stays near a few shards while batches mix. The order depends on the manifest
digest, seed, epoch and VERSION alone; the global batch never on the number of ranks or workers.
A million samples take about 50 ms an epoch and 8 bytes each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from manifests.errors import ClipmillError

VERSION = 1
BLOCK = 8
PAD = -1
Tail = Literal["drop", "pad"]
Indices = NDArray[np.int64]
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def digest(clip_ids: Iterable[str], shards: Iterable[str]) -> str:
    """Return 16 hexadecimal digits that name a list of samples and where they lie, in order."""
    state = hashlib.sha256()
    for clip_id, shard in zip(clip_ids, shards, strict=True):
        state.update(f"{clip_id}\t{shard}\n".encode())
    return state.hexdigest()[:16]


def order(
    shard_of: NDArray[np.integer], manifest: str, seed: int, epoch: int, block: int = BLOCK
) -> Indices:
    """Return a permutation of the samples; `shard_of[i]` is the shard number of sample i."""
    words = [int(manifest, 16), seed, epoch, VERSION]
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
    shards = np.unique(shard_of)
    place = np.empty(int(shards.max(initial=-1)) + 1, np.int64)
    place[shards] = generator.permutation(len(shards)) // block
    # Sorting by (block, random) permutes inside each block and keeps the blocks apart.
    return np.lexsort((generator.random(len(shard_of)), place[shard_of])).astype(np.int64)


def steps(samples: int, global_batch: int, tail: Tail) -> int:
    """Return the number of global batches in an epoch."""
    if tail == "drop":
        return samples // global_batch
    return -(-samples // global_batch)


def batch(indices: Indices, step: int, global_batch: int, rank: int, world: int) -> Indices:
    """Return this rank's share of one global batch, padded with -1 to the same length on all.

    global batch   0 1 2 3 4 5 6 7      world 3, rank 0: 0 3 6
                                                rank 1: 1 4 7
                                                rank 2: 2 5 -1
    """
    whole = indices[step * global_batch : (step + 1) * global_batch]
    share = whole[rank::world]
    length = -(-global_batch // world)
    return np.concatenate([share, np.full(length - len(share), PAD, np.int64)])


def clip_keys(clip_ids: Iterable[str]) -> NDArray[np.uint64]:
    """Return a 64-bit key for each clip, from its id alone."""
    return np.fromiter((xxhash.xxh3_64_intdigest(name.encode()) for name in clip_ids), np.uint64)


def draws(
    keys: NDArray[np.uint64], seed: int, epoch: int, purpose: int, bound: int
) -> NDArray[np.int64]:
    """Return one whole number in [0, bound) a clip, from (seed, epoch, clip, purpose) alone."""
    return (_uniform(keys, seed, epoch, purpose) * bound).astype(np.int64)


def uniforms(
    keys: NDArray[np.uint64], seed: int, epoch: int, purpose: int, count: int
) -> NDArray[np.float32]:
    """Return float32 (clips, count) in [0, 1); they use the purposes from `purpose` on."""
    columns = [_uniform(keys, seed, epoch, purpose + number) for number in range(count)]
    # Rounded down to 24 bits: float32 would round the largest ones up to 1.
    return (np.floor(np.stack(columns, 1) * 2**24) / 2**24).astype(np.float32)


def _uniform(keys: NDArray[np.uint64], seed: int, epoch: int, purpose: int) -> NDArray[np.float64]:
    """One number in [0, 1) a clip; `purpose` keeps independent draws apart.

    splitmix64 (Steele, Lea, Flood 2014) over key, seed, epoch and purpose.
    """
    with np.errstate(over="ignore"):
        state = _mix(keys + _STEP * np.uint64(seed % 2**32 + 1))
        state = _mix(state + _STEP * np.uint64(epoch + 1))
        state = _mix(state + _STEP * np.uint64(purpose + 1))
    return (state >> np.uint64(11)).astype(np.float64) / 2**53


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _M1
    state = (state ^ (state >> np.uint64(27))) * _M2
    return state ^ (state >> np.uint64(31))


def require_batch(samples: int, global_batch: int, tail: Tail, what: str) -> None:
    """Refuse a batch that no step can fill."""
    if global_batch < 1:
        raise ClipmillError(f"batch {global_batch}; expected at least 1.")
    if samples == 0:
        raise ClipmillError(
            f"{what} holds no packed clip. Run `clipmill status --root DIR` to see why."
        )
    if tail == "drop" and samples < global_batch:
        raise ClipmillError(
            f"{what} holds {samples} clips, less than one batch of {global_batch}. "
            f"Use --batch {samples} or less."
        )
