"""What every peer's script shares: what it is asked, its clips, its windows, its rounds.

A peer runs in an environment of its own: numpy, torch, its library and nothing of clipmill's but
the standard library's part of shards/benching. `prepare` writes the clips in the peer's own
format, `serve` does rounds (see shards/benching/rounds.py).
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from shards.benching.rounds import channel, serve

Pixels = NDArray[np.uint8]
PREFETCH = 2


@dataclass(frozen=True)
class Asked:
    """Where the tars and the peer's own data lie, and how they are read."""

    tars: list[str]
    place: str
    batch: int
    workers: int
    window: list[int]
    variant: str = ""

    def cut(self, clip: Pixels, generator: np.random.Generator) -> Pixels:
        """Return a window of a clip at random: a view."""
        room = [
            stored - wanted + 1 for stored, wanted in zip(clip.shape, self.window, strict=False)
        ]
        time, top, left = generator.integers(0, room).tolist()
        frames, height, width = self.window
        return clip[time : time + frames, top : top + height, left : left + width]

    def together(self, items: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
        """Collate: each window is copied once, into the batch. torch's own copies it twice."""
        import torch

        pixels = torch.empty((len(items), *self.window, 3), dtype=torch.uint8)
        out = pixels.numpy()
        for place, (window, _) in enumerate(items):
            out[place] = window
        return pixels, torch.tensor([int(label) for _, label in items])

    @property
    def loading(self) -> dict[str, Any]:
        """What a DataLoader is told: workers that stay, two batches ahead each."""
        return {
            "num_workers": self.workers,
            "persistent_workers": self.workers > 0,
            "prefetch_factor": PREFETCH if self.workers else None,
        }


def clips_of(tar: str) -> Iterator[tuple[Pixels, int]]:
    """Yield pixels and label of each sample of a raw shard."""
    with tarfile.open(tar) as file:
        label = 0
        for member in file:
            content = file.extractfile(member)
            assert content is not None
            if member.name.endswith(".cls"):
                label = int(content.read())
            elif member.name.endswith(".npy"):
                yield np.load(io.BytesIO(content.read())), label


def endless(batches: Any) -> Iterator[Any]:
    """Yield the pixels of a loader's batches, epoch after epoch."""
    while True:
        for pixels, *_ in batches:
            yield pixels


def run(prepare: Callable[[Asked], None], loader: Callable[[Asked], Any]) -> None:
    """Do what the command line says: `prepare` or `serve`, and the file of what is asked."""
    answers = channel()
    asked = Asked(**json.loads(Path(sys.argv[2]).read_text()))
    if sys.argv[1] == "prepare":
        prepare(asked)
        return
    serve(endless(loader(asked)), PREFETCH * asked.workers, answers)
