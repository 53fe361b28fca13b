"""A folder of JPEG frames a clip, read as the seed reads it: all frames by OpenCV, then a window.

Variant `float` is as written: float32 (C, T, H, W), torch's own collate. Variant `uint8` is the
same reading without the conversions, delivered as all others deliver.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from peer import Asked, clips_of, run
from torch.utils.data import DataLoader, Dataset

cv2: Any = importlib.import_module("cv2")
QUALITY = 95  # OpenCV's own


def prepare(asked: Asked) -> None:
    """Write the stored frames of each clip: a folder each, as the seed's preprocessing does."""
    number = 0
    for tar in asked.tars:
        for pixels, label in clips_of(tar):
            folder = Path(asked.place) / f"{label}" / f"{number:06d}"
            folder.mkdir(parents=True, exist_ok=True)
            for place, frame in enumerate(pixels):
                name = str(folder / f"{place:05d}.jpg")
                cv2.imwrite(name, frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            number += 1


class Folders(Dataset[Any]):
    """Clips as folders of frames."""

    def __init__(self, asked: Asked) -> None:
        self._asked, self._generator = asked, np.random.default_rng()
        self._folders = sorted(path for path in Path(asked.place).glob("*/*") if path.is_dir())

    def __len__(self) -> int:
        return len(self._folders)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        folder = self._folders[row]
        names = sorted(folder.iterdir())
        frames = [cv2.imread(str(name)) for name in names]
        if self._asked.variant == "uint8":
            return self._asked.cut(np.stack(frames), self._generator), int(folder.parent.name)
        buffer: Any = np.empty((len(frames), *frames[0].shape), np.float32)
        for place, frame in enumerate(frames):
            buffer[place] = np.array(frame).astype(np.float64)
        window = self._asked.cut(buffer, self._generator).transpose(3, 0, 1, 2)
        return np.ascontiguousarray(window), int(folder.parent.name)


def loader(asked: Asked) -> Any:
    """Return torch's loader; workers have one thread each, as OpenCV would take all cores."""
    cv2.setNumThreads(1)
    more = asked.loading
    if asked.variant == "uint8":
        more["collate_fn"] = asked.together
    return DataLoader(Folders(asked), asked.batch, shuffle=True, drop_last=True, **more)


if __name__ == "__main__":
    run(prepare, loader)
