"""webshart: indexed tars, whole members by number, in torch's DataLoader.

Tried: read_files_batch (variant `batch`) and webshart's own TarDataLoader, of one thread: slower.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import webshart  # pyright: ignore[reportMissingImports]
from peer import Asked, Pixels, clips_of, run
from torch.utils.data import DataLoader, Dataset

NPY_HEADER = 128


def prepare(asked: Asked) -> None:
    """Link the tars into a folder and have webshart write an index beside each."""
    place = Path(asked.place)
    place.mkdir(parents=True, exist_ok=True)
    for tar in asked.tars:
        link = place / Path(tar).name
        if not link.exists():
            os.link(tar, link)
    extractor = webshart.MetadataExtractor()
    extractor.extract_metadata(source=str(place), destination=str(place), max_workers=1)


class Clips(Dataset[Any]):
    """Clips by number; webshart is opened in the worker, for its threads do not outlive a fork."""

    def __init__(self, asked: Asked) -> None:
        self._asked, self._generator = asked, np.random.default_rng()
        self._data: Any = None
        self._shape = next(clips_of(asked.tars[0]))[0].shape
        data = webshart.discover_dataset(asked.place)
        self._members: list[tuple[int, int]] = []
        for shard in range(data.num_shards):
            names = data.list_files_in_shard(shard)
            self._members += [
                (shard, number) for number, name in enumerate(names) if str(name).endswith(".npy")
            ]

    def __len__(self) -> int:
        return len(self._members)

    def __getitems__(self, rows: list[int]) -> list[tuple[Pixels, int]]:
        if self._data is None:
            self._data = webshart.discover_dataset(self._asked.place)
            self._operations = webshart.BatchOperations()
            self._shards = [self._data.open_shard(n) for n in range(self._data.num_shards)]
        members = [self._members[row] for row in rows]
        if self._asked.variant == "batch":
            requests = [(0, *member) for member in members]
            contents = self._operations.read_files_batch([self._data], requests)
        else:
            contents = [self._shards[shard].read_file(number) for shard, number in members]
        return [(self._window(content), 0) for content in contents]

    def _window(self, content: bytes) -> Pixels:
        clip = np.frombuffer(content, np.uint8, offset=NPY_HEADER).reshape(self._shape)
        return self._asked.cut(clip, self._generator)


def loader(asked: Asked) -> Any:
    """Return torch's loader: webshart's own hands out one member after the other, in one thread."""
    more = {"collate_fn": asked.together, **asked.loading}
    return DataLoader(Clips(asked), asked.batch, shuffle=True, drop_last=True, **more)


if __name__ == "__main__":
    run(prepare, loader)
