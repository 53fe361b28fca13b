"""Which clips go into which shard: a pure function of clips, splits, seed and sizes.

Each split is shuffled by the seed and cut into shards of equal length near the wished size. What
arrives later becomes a new generation with new names: existing shards never change. 500,000 clips
take under a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from manifests.rows import SPLITS

SHARD_BYTES = 256_000_000
# Small sets still get shards enough to shuffle and to pack in parallel, but none below this.
AIM_SHARDS = 16
LEAST_BYTES = 4_000_000
UNSPLIT = "unsplit"


def plan_shards(
    todo: Iterable[tuple[str, str, int]],
    *,
    sample_bytes: int,
    shard_bytes: int | None,
    seed: int,
    generation: int,
    next_index: dict[str, int],
) -> list[dict[str, Any]]:
    """Return rows of `plans/pack` for clips given as (clip_id, split, attempt).

    `shard_bytes` None aims at 256 MB, and at 16 shards a split where that leaves at least 4 MB
    each. `next_index` says where each split's shard numbers go on.
    """
    by_split: dict[str, list[tuple[str, int]]] = {}
    for clip, split, attempt in todo:
        by_split.setdefault(split, []).append((clip, attempt))
    rows = []
    for split in sorted(by_split, key=_split_order):
        clips = sorted(by_split[split])
        count = shard_count(len(clips), sample_bytes, shard_bytes)
        for number, places in enumerate(np.array_split(_shuffle(clips, seed, generation), count)):
            name = f"{split}-{next_index.get(split, 0) + number:06d}.tar"
            for place in places:
                clip, attempt = clips[place]
                rows.append(
                    {
                        "shard": name,
                        "split": split,
                        "generation": generation,
                        "clip_id": clip,
                        "attempt": attempt,
                    }
                )
    return rows


def shard_split(splits: Sequence[str]) -> str:
    """Return in whose shards a clip lies: a leaking protocol's val clips stay with test."""
    return max(splits, key=_split_order, default=UNSPLIT)


def shard_count(clips: int, sample_bytes: int, shard_bytes: int | None) -> int:
    """Return how many shards a split of so many clips gets."""
    total = clips * sample_bytes
    aim = shard_bytes or min(SHARD_BYTES, max(total // AIM_SHARDS, LEAST_BYTES))
    return max(1, min(clips, -(-total // aim)))


def _shuffle(clips: list[tuple[str, int]], seed: int, generation: int) -> np.ndarray:
    names = hashlib.sha256("\n".join(clip for clip, _ in clips).encode()).digest()
    words = [int.from_bytes(names[:8], "big"), seed, generation]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words))).permutation(
        len(clips)
    )


def _split_order(split: str) -> tuple[int, str]:
    """Train, val, test, then anything else."""
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), split)
