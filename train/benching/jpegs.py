"""A folder of JPEG frames for each clip, read as the seed reads it: every frame, then a window.

The seed decodes all frames of a clip by OpenCV into float32, cuts a window at random and hands over
(C, T, H, W). Here simplejpeg decodes, which is no slower, and frames are read in their order. Only
few clips are written, so the loader goes from pass to pass without a pause, as in a long epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from manifests.spec import Window
from shards.benching.setup import Clips

QUALITY = 95  # OpenCV's own


def write(clips: Clips, folder: Path, count: int) -> None:
    """Write the stored frames of `count` clips, a folder each: LABEL/CLIP/FRAME.jpg."""
    for row in range(min(count, len(clips))):
        place = folder / str(clips.places[row].label) / f"{row:06d}"
        place.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(clips.pixels(row)):
            pixels = np.ascontiguousarray(frame)
            (place / f"{number:05d}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels, QUALITY))


class Folders(Dataset[Any]):
    """Clips as folders of frames: float32 (C, T, H, W) and the label."""

    def __init__(self, folder: Path, window: Window) -> None:
        self._folders = sorted(path for path in folder.glob("*/*") if path.is_dir())
        self._window = window

    def __len__(self) -> int:
        return len(self._folders)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        folder = self._folders[row]
        names = sorted(folder.iterdir())
        frames = [simplejpeg.decode_jpeg(name.read_bytes(), colorspace="RGB") for name in names]
        buffer = np.empty((len(frames), *frames[0].shape), np.float32)
        for place, frame in enumerate(frames):
            buffer[place] = frame.astype(np.float64)
        room = np.array(buffer.shape[:3]) - np.array(self._window) + 1
        time, top, left = (np.random.randint(most) for most in room)
        taken, height, width = self._window
        window = buffer[time : time + taken, top : top + height, left : left + width]
        return np.ascontiguousarray(window.transpose(3, 0, 1, 2)), int(folder.parent.name)


class _Passes(Sampler[int]):
    """The rows of one shuffled pass after another, for ever."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __iter__(self) -> Iterator[int]:
        while True:
            yield from torch.randperm(self._count).tolist()


def batches(folder: Path, window: Window, batch: int, workers: int) -> Iterator[Any]:
    """Yield (float32 (N, C, T, H, W), labels (N,)) for ever, by torch's own loader."""
    clips = Folders(folder, window)
    return iter(DataLoader(clips, batch, sampler=_Passes(len(clips)), num_workers=workers))
