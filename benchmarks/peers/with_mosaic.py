"""MosaicML streaming: MDS shards of ndarrays of a fixed shape, torch's DataLoader.

Tried: pixels as bytes (the same), shards of 64 and 256 MB (the same), predownload and
shuffle_algo (the same from a local folder), its own loader and collate (slower).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from peer import Asked, Pixels, clips_of, run
from streaming import (  # pyright: ignore[reportMissingImports]
    MDSWriter,
    StreamingDataset,
)
from streaming.base.util import (  # pyright: ignore[reportMissingImports]
    clean_stale_shared_memory,
)
from torch.utils.data import DataLoader


def prepare(asked: Asked) -> None:
    """Write shards of 64 MB, uncompressed, without hashes."""
    pixels, _ = next(clips_of(asked.tars[0]))
    columns = {"pixels": f"ndarray:uint8:{','.join(map(str, pixels.shape))}", "label": "int"}
    with MDSWriter(out=asked.place, columns=columns, size_limit=1 << 26) as writer:
        for tar in asked.tars:
            for clip, label in clips_of(tar):
                writer.write({"pixels": clip, "label": label})


class Clips(StreamingDataset):
    """Whole clips, cut where they are read."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(local=asked.place, shuffle=True, batch_size=asked.batch)
        self._asked, self._generator = asked, np.random.default_rng()

    def __getitem__(self, at: Any) -> tuple[Pixels, int]:
        found = super().__getitem__(at)
        return self._asked.cut(found["pixels"], self._generator), found["label"]


def loader(asked: Asked) -> Any:
    """Return torch's loader around the data set, as MosaicML's guide has it."""
    clean_stale_shared_memory()
    more = {"collate_fn": asked.together, **asked.loading}
    return DataLoader(Clips(asked), batch_size=asked.batch, drop_last=True, **more)


if __name__ == "__main__":
    run(prepare, loader)
