"""LitData: items through its StreamingDataLoader, or windows of records (variant `windows`).

Tried: ndarray and tensor items (the same), chunks of 64 and 256 MB (the same), prefetch_factor 2, 4
and 8 (the same), its own collate function (slower). Kept: ndarray, 64 MB, 2, one copy a clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import litdata  # pyright: ignore[reportMissingImports]
import numpy as np
from litdata.streaming.temporal import (  # pyright: ignore[reportMissingImports]
    TemporalArrayLoader,
)
from peer import Asked, Pixels, clips_of, run
from torch.utils.data import DataLoader, Dataset


def items(tar: str) -> Iterator[dict[str, Any]]:
    """Yield a shard's clips as LitData keeps them."""
    for pixels, label in clips_of(tar):
        yield {"pixels": pixels, "label": label}


def records(tar: str) -> Iterator[dict[str, Any]]:
    """Yield a shard's clips as records whose frames can be read alone."""
    for pixels, label in clips_of(tar):
        yield {"pixels": pixels, "label": np.full(len(pixels), label)}


def prepare(asked: Asked) -> None:
    """Write chunks of 64 MB, uncompressed."""
    windows = asked.variant == "windows"
    litdata.optimize(
        fn=records if windows else items,
        inputs=asked.tars,
        output_dir=asked.place,
        chunk_bytes="64MB",
        num_workers=1,
        item_loader=TemporalArrayLoader() if windows else None,
    )


class Items(litdata.StreamingDataset):
    """Whole clips, cut where they are read."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked.place, shuffle=True, drop_last=True)
        self._asked, self._generator = asked, np.random.default_rng()

    def __getitem__(self, index: Any) -> tuple[Pixels, int]:
        found = super().__getitem__(index)
        return self._asked.cut(found["pixels"], self._generator), found["label"]


class Windows(Dataset[Any]):
    """Of each clip the frames that are wanted, by LitData's read_window."""

    def __init__(self, asked: Asked) -> None:
        self._data = litdata.StreamingDataset(asked.place, item_loader=TemporalArrayLoader())
        self._counts = self._data.frame_counts
        self._asked, self._generator = asked, np.random.default_rng()

    def __len__(self) -> int:
        return len(self._counts)

    def __getitem__(self, index: int) -> tuple[Pixels, int]:
        frames = self._asked.window[0]
        start = int(self._generator.integers(0, self._counts[index] - frames + 1))
        found = self._data.read_window(index, start, frames)
        return self._asked.cut(found["pixels"], self._generator), found["label"][0]


def loader(asked: Asked) -> Any:
    """Return LitData's loader, or torch's around its windows."""
    more = {"collate_fn": asked.together, **asked.loading}
    if asked.variant == "windows":
        return DataLoader(Windows(asked), asked.batch, shuffle=True, drop_last=True, **more)
    return litdata.StreamingDataLoader(Items(asked), batch_size=asked.batch, drop_last=True, **more)


if __name__ == "__main__":
    run(prepare, loader)
