"""The front door, with `train` drawing its windows from whole videos; for stored_window.py.

The root must store every frame (`--sampling stride:1 --frames` of the longest video); a window
takes every STRIDE-th of them and begins anywhere that it ends within its video. Only this is
another law than clipmill's: order, crops, augmentation, step and checkpoints are its own.
Takes clipmill's own arguments, and --workers 0.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from manifests.dataset import Dataset  # noqa: E402
from manifests.errors import ClipmillError  # noqa: E402
from shards import draws  # noqa: E402
from shards.windows import Windows  # noqa: E402

STRIDE = 4


@dataclass(frozen=True)
class WholeVideo(Windows):
    """Windows of every STRIDE-th stored frame, within the `lengths` of videos, by their key."""

    lengths: dict[int, int] = field(default_factory=dict)

    @property
    def span(self) -> int:
        """Frames of video from the first to the last of a window."""
        return (self.window.frames - 1) * STRIDE + 1

    def draw(
        self, keys: NDArray[np.uint64], epoch: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return what Windows.draw does, the first frame drawn anew by the same number."""
        corners, random = Windows.draw(self, keys, epoch)
        corners = corners.copy()
        lengths = np.array([self.lengths[key] for key in keys.tolist()])
        share = draws.doubles(keys, self.seed, epoch, 0, 1)[:, 0] if self.train else 0.5
        corners[:, 0] = (share * (lengths - self.span + 1)).astype(np.int64)
        return corners, random

    def cut(self, clip: NDArray[np.uint8], corner: list[int]) -> NDArray[np.uint8]:
        """Return the window that begins at a corner: a view."""
        first, top, left = corner
        frames = slice(first, first + self.span, STRIDE)
        return clip[frames, top : top + self.window.height, left : left + self.window.width]


def lengths(root: str) -> dict[int, int]:
    """Return the frames of each video of a root that stores all, by the clip's key."""
    dataset = Dataset.open(root)
    if dataset.spec.sampling != "stride" or dataset.spec.rate != 1:
        raise ClipmillError(f"{root} stores not every frame; expected --sampling stride:1.")
    columns = ["clip_id", "view", "shard", "key", "indices"]
    rows = dataset.parts("samples", columns)
    last = [max(indices) for indices in rows["indices"].to_pylist()]
    first = [min(indices) for indices in rows["indices"].to_pylist()]
    if any(first):
        raise ClipmillError(f"{root} cuts its longest videos; expected more --frames.")
    keys = draws.clip_keys(rows["clip_id"].to_pylist()).tolist()
    return {key: number + 1 for key, number in zip(keys, last, strict=True)}


def main() -> None:
    """Run clipmill with the arguments given."""
    import shards.stream
    from clipmill import main as front_door

    root = sys.argv[sys.argv.index("--root") + 1]
    # In this process alone; a seam in the stream would serve nobody else.
    setattr(shards.stream, "Windows", partial(WholeVideo, lengths=lengths(root)))  # noqa: B010
    front_door()


if __name__ == "__main__":
    main()
