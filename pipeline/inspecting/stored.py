"""One packed clip as its shard has it: pixels, and what the JSON beside them says.

A raw clip is a view of the mapped shard, a jpeg clip is decoded (about 10 ms).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from shards.read import ShardReader

NO_LABEL = "(no label)"


@dataclass(frozen=True, slots=True)
class Stored:
    """A clip's row of `samples`, the JSON of its tar, and its pixels, uint8 (T, H, W, C)."""

    row: Mapping[str, Any]
    about: Mapping[str, Any]
    pixels: NDArray[np.uint8]

    @property
    def clip_id(self) -> str:
        """The clip's id."""
        return self.row["clip_id"]

    @property
    def key(self) -> str:
        """Its name in the tar: the clip's id, with its view where there are several."""
        return self.row["key"]

    @property
    def label(self) -> str:
        """The class's name, letter for letter."""
        label = self.about["label"]
        return NO_LABEL if label is None else label

    @property
    def span(self) -> str:
        """Which part of the source it is, in seconds."""
        start, end = self.about["start_s"], self.about["end_s"]
        if start is None and end is None:
            return "whole video"
        return f"{_seconds(start, 'start')} to {_seconds(end, 'end')}"

    @property
    def sampling(self) -> str:
        """Which frames were taken, in words."""
        indices = self.about["indices"]
        stride = self.about["stride"]
        every = "" if stride is None else f", stride {stride}"
        mirrored = ", mirrored in time" if self.about["mirrored"] else ""
        return f"frames {min(indices)} to {max(indices)}{every}{mirrored}"

    @property
    def fps(self) -> str:
        """The video's frame rate, in words."""
        rate = self.about["fps"]
        return f"{rate:.5g} fps" if rate else "frame rate unknown"

    @property
    def decoding(self) -> str:
        """What decoding came to, in words; empty where the shard's JSON does not say."""
        counts = self.about["counts"]
        if not counts:
            return ""
        return (
            f"{counts.get('frames_decoded', 0):,} frames of {counts.get('packets', 0):,} packets, "
            f"{counts.get('errors', 0):,} errors, rotation {counts.get('rotation', 0)}°"
        )

    def moment(self, place: int) -> str:
        """Frame index and time of the stored frame `place`: what stands under its picture.

        The time is index / fps, so it is near, not exact, where a video's rate varies.
        """
        index = self.about["indices"][place]
        rate = self.about["fps"]
        return f"{index} · {index / rate:.2f} s" if rate else str(index)


def _seconds(value: float | None, name: str) -> str:
    return name if value is None else f"{value:.6g} s"


class Shelf:
    """Takes packed clips from a dataset's shards."""

    def __init__(self, dataset: Dataset) -> None:
        self._spec = dataset.spec
        self._reader = ShardReader.of(dataset)

    def take(self, row: Mapping[str, Any]) -> Stored:
        """Return a clip by its row of `samples`.

        Raises:
            ClipmillError: the shard is missing or damaged; the message names shard and clip.
        """
        shard, offset, nbytes = row["shard"], row["offset"], row["nbytes"]
        pixels = self._reader.pixels(shard, offset, nbytes, row["xxh3"], row["key"])
        about = self._reader.about(shard, offset, nbytes, row["key"])
        problem = _problem(about, self._spec.frames)
        if problem:
            raise ClipmillError(
                f"shard {shard}, clip {row['clip_id']}: its JSON in the tar {problem}; expected "
                f"what pack writes, but found {json.dumps(about)[:200]}. Run `clipmill verify "
                "--root DIR` to see all damage."
            )
        return Stored(row, about, pixels)


_KINDS: dict[str, tuple[type, ...]] = {
    "clip_id": (str,),
    "label": (str, type(None)),
    "video_id": (str,),
    "start_s": (float, int, type(None)),
    "end_s": (float, int, type(None)),
    "indices": (list,),
    "stride": (int, type(None)),
    "mirrored": (bool,),
    "fps": (float, int, type(None)),
    "counts": (dict,),
}


def _problem(about: Mapping[str, Any], frames: int) -> str:
    for name, kinds in _KINDS.items():
        if not isinstance(about.get(name, ...), kinds):
            return f"has no good {name}"
    indices = about["indices"]
    if len(indices) != frames or not all(isinstance(index, int) for index in indices):
        return f"names other than {frames} frames"
    return ""
