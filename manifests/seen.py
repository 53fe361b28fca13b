"""Which videos a checkpoint was trained on and chosen by: a fingerprint, 8 bytes a video.

Only hashes of the video ids are kept, so a checkpoint names nobody's videos, yet any data set can
be asked how many of its own a network has seen. Reading one of 400,000 videos takes 10 ms and
touches no weights; two of 2^64 ids that differ by chance are no worry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.nocheckpoint import no_checkpoint
from manifests.parts import PARTS, PREFIXES, digest, text_key

PART = "seen"
SPLITS = ("train", "val")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Hashes of the videos of train and of val, int64 (n,), sorted, each once.

    `dataset` and `split_set` say where they come from, for messages only.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    dataset: str
    split_set: str

    @property
    def text(self) -> str:
        """The JSON text that stands beside the hashes in a checkpoint."""
        return json.dumps({"dataset": self.dataset, "split_set": self.split_set})

    def after(self, before: Seen | None) -> Seen:
        """Return the fingerprint of a run on weights that had seen `before`."""
        if before is None:
            return self
        return Seen(
            np.union1d(self.train, before.train),
            np.union1d(self.val, before.val),
            self.dataset,
            self.split_set,
        )

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """Return the hashes by their names in a checkpoint."""
        return {PREFIXES[PART] + split: getattr(self, split) for split in SPLITS}


def hashes(videos: Iterable[str]) -> NDArray[np.int64]:
    """Return a hash of each video id, in their order."""
    keys = (xxhash.xxh3_64_intdigest(video.encode()) for video in videos)
    return np.fromiter(keys, np.uint64).view(np.int64)


def seen_by(
    dataset: Dataset, split_set: str, train: Iterable[str], val: Iterable[str] = ()
) -> Seen:
    """Return the fingerprint of a run over these clips of a data set (clip ids)."""
    videos = videos_of(dataset)
    return Seen(
        np.unique(hashes(videos[clip] for clip in train)),
        np.unique(hashes(videos[clip] for clip in val)),
        dataset.name,
        split_set,
    )


def videos_of(dataset: Dataset) -> dict[str, str]:
    """Return clip_id → video_id; 0.3 s for 500,000 clips."""
    table = dataset.clips
    return dict(zip(table["clip_id"].to_pylist(), table["video_id"].to_pylist(), strict=True))


def read(path: str | Path) -> Seen | None:
    """Read a checkpoint's fingerprint; None where it has none, as older ones.

    Raises:
        ClipmillError: no checkpoint, or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        raise no_checkpoint(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if PARTS not in metadata:
                raise ClipmillError(
                    f"{path} is a safetensors file, but no clipmill checkpoint. Use best or "
                    "last.safetensors of a run folder."
                )
            digests = dict(json.loads(metadata[PARTS]))
            if PART not in digests:
                return None
            names = [PREFIXES[PART] + split for split in SPLITS]
            arrays = {name: file.get_tensor(name) for name in names}
        text = metadata.get(text_key(PART), "")
        return _checked(path, text, arrays, digests[PART])
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise ClipmillError(
            f"{path} is not a whole checkpoint: {error}. Copy it again, or use another checkpoint "
            "of the run."
        ) from error


def _checked(path: Path, text: str, arrays: dict[str, NDArray[np.int64]], expected: str) -> Seen:
    entries = ((key, "I64", list(array.shape), array.data) for key, array in arrays.items())
    if digest(text, entries) != expected:
        raise ClipmillError(
            f"{path} is damaged: the digest of what it has seen does not match its bytes. Copy it "
            "again, or use another checkpoint of the run."
        )
    train, val = arrays.values()
    about = json.loads(text)
    return Seen(train, val, about["dataset"], about["split_set"])
