"""What every way of `clipmill bench stream` is given, and the packed clips of a local root."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import CHANNELS, Window
from shards import plan
from shards.samples import read_samples
from shards.write import shard_path

Pixels = NDArray[np.uint8]
FRAMES = 16


@dataclass(frozen=True, slots=True)
class Setup:
    """A root's split, and how it is read."""

    root: str
    split: str
    split_set: str | None
    batch: int
    workers: int
    frames: int
    height: int
    width: int

    @property
    def window(self) -> Window:
        """What is taken of each clip."""
        return Window(self.frames, self.height, self.width)

    def as_json(self) -> str:
        """As one argument of a command."""
        return json.dumps(asdict(self))


def setup_of(
    root: str,
    split: str,
    split_set: str | None,
    frames: int | None,
    crop: tuple[int, int] | None,
) -> Setup:
    """Return how a root is read; 16 of its frames and seven eighths of its sides, unless told.

    Raises:
        ClipmillError: no dataset folder.
    """
    spec = Dataset.open(root).spec
    height, width = crop or (spec.height * 7 // 8, spec.width * 7 // 8)
    taken = min(FRAMES, spec.frames) if frames is None else frames
    return Setup(root, split, split_set, 1, 0, taken, height, width)


class Place(NamedTuple):
    """Where a clip's pixels lie in its shard's file, and its label."""

    shard: int
    offset: int
    nbytes: int
    label: int


class Clips:
    """The clips of a split, their shards mapped when they are first looked at.

    No digest is checked and no header: that is what others do, too.
    """

    def __init__(self, setup: Setup) -> None:
        dataset = Dataset.open(setup.root)
        samples = read_samples(dataset, setup.split, setup.split_set)
        self.files = [Path(setup.root) / shard_path(name) for name in samples.shards]
        self.spec, self.window = dataset.spec, (window := setup.window)
        self.digest, self.shard_of = samples.digest, samples.shard_of
        columns = (samples.shard_of, samples.offsets, samples.nbytes, samples.labels)
        self.places = [
            Place(*row) for row in zip(*(column.tolist() for column in columns), strict=True)
        ]
        room = [stored - taken + 1 for stored, taken in zip(self.spec.shape, window, strict=False)]
        self._room = np.array(room, np.int64)
        self._maps: dict[int, mmap.mmap] = {}

    def __len__(self) -> int:
        return len(self.places)

    def pixels(self, row: int) -> Pixels:
        """Return a clip, uint8 (T, H, W, C): a view of the map, or decoded."""
        if self.spec.codec == "raw":
            return np.frombuffer(self.strip(row), np.uint8).reshape(self.spec.shape)
        flat = simplejpeg.decode_jpeg(self.strip(row), colorspace="RGB")
        return flat.reshape(self.spec.shape)

    def strip(self, row: int) -> memoryview:
        """Return a clip's bytes as they are stored."""
        place = self.places[row]
        if place.shard not in self._maps:
            with self.files[place.shard].open("rb") as file:
                self._maps[place.shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        mapped = self._maps[place.shard]
        return memoryview(mapped)[place.offset : place.offset + place.nbytes]

    def cut(self, clip: Pixels, start: Sequence[int]) -> Pixels:
        """Return a window of a clip from its first frame, top and left: a view."""
        (time, top, left), (frames, height, width) = start, self.window
        return clip[time : time + frames, top : top + height, left : left + width]

    def starts(self, count: int, generator: np.random.Generator) -> list[list[int]]:
        """Return first frame, top and left of so many windows, at random."""
        return generator.integers(0, self._room, (count, 3)).tolist()

    def rows(self, setup: Setup) -> Iterator[list[int]]:
        """Yield the rows of batch after batch, in clipmill's own order, for ever."""
        epoch = 0
        while True:
            order = plan.order(self.shard_of, self.digest, 0, epoch).tolist()
            for start in range(0, len(order) - setup.batch + 1, setup.batch):
                yield order[start : start + setup.batch]
            epoch += 1

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of what is taken of a clip."""
        frames, height, width = self.window
        return frames, height, width, CHANNELS


def require_clips(setup: Setup) -> Clips:
    """Return the clips, where there are as many as a batch takes.

    Raises:
        ClipmillError: a remote root, a window that does not fit, or too few clips.
    """
    if "://" in setup.root:
        raise ClipmillError(
            f"{setup.root} is remote; expected a folder of this machine, for the other ways read "
            "files. Copy some of its shards here, with its manifests."
        )
    clips = Clips(setup)
    clips.window.require_inside(clips.spec)
    plan.require_batch(len(clips), setup.batch, "drop", f"split {setup.split!r} of {setup.root}")
    return clips
