"""What a clip comes to, in bytes and seconds: from earlier shards and rows, or a few clips tried.

Bytes of raw clips follow from the ClipSpec. Where nothing tells, four clips are decoded and
thrown away, in this process: less than a second mostly, and only where there are many to come.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.dataset import Dataset
from pipeline.clip import Settings, jobs_of, make
from pipeline.packing.choosing import seeded
from pipeline.retrying import STATE
from pipeline.video.errors import VideoError
from pipeline.worker import decoder
from shards.format import encode_pixels, sample_bytes

TRIED = 4
ATTEMPTS = 8
# Below this trying costs more than it tells.
MANY = 64
READING_S = 0.01  # to take a tensor that `decode` kept


@dataclass(frozen=True, slots=True)
class Tried:
    """Means of the clips that were tried: bytes of the pixels' member, seconds."""

    nbytes: float
    seconds: float


class Costs:
    """What clips of a dataset cost; tries some at most once."""

    def __init__(self, dataset: Dataset, settings: Settings) -> None:
        self._dataset, self._settings = dataset, settings
        self._tried: Tried | None = None
        self._asked = False

    def sample_bytes(self, todo: Sequence[str]) -> int:
        """Return the tar bytes of one sample of the clips to come."""
        spec = self._settings.spec
        if spec.codec == "raw":
            return sample_bytes(spec)
        sizes = self._dataset.parts("samples", ("clip_id", "view", "nbytes"), dropped=True)[
            "nbytes"
        ]
        if len(sizes):
            return sample_bytes(spec, pc.mean(sizes).as_py())  # type: ignore[attr-defined]
        tried = self._try(todo)
        return sample_bytes(spec, tried.nbytes if tried else None)

    def seconds(self, todo: Sequence[str]) -> float | None:
        """Return how long one worker takes over all these clips; None where nothing tells."""
        for stage in ("pack", "decode"):
            rows = tables.finished(self._dataset.parts(stage, (*STATE, "seconds")))
            if len(rows):
                mean: float | None = pc.mean(rows["seconds"]).as_py()  # type: ignore[attr-defined]
                # Tensors that `decode` kept are only read.
                kept = _among(rows["clip_id"], todo) if stage == "decode" else 0
                return None if mean is None else (len(todo) - kept) * mean + kept * READING_S
        tried = self._try(todo)
        return None if tried is None else len(todo) * tried.seconds

    def _try(self, todo: Sequence[str]) -> Tried | None:
        if not self._asked and len(todo) >= MANY:
            self._asked = True
            self._tried = try_some(self._dataset, self._settings, todo)
        return self._tried


def try_some(dataset: Dataset, settings: Settings, todo: Sequence[str]) -> Tried | None:
    """Decode and encode a few clips, the same ones each time; None where none comes out."""
    names = sorted(todo, key=lambda clip: (seeded(clip, dataset.seed), clip))[:ATTEMPTS]
    rows = [{"clip_id": name, "attempt": 1} for name in names]
    jobs = jobs_of(dataset, tables.from_rows("plans/decode", rows))
    sizes, seconds = [], []
    child = decoder(settings.backend, settings.limits)
    child.versions()  # its start is not a clip's
    for name in names:
        started = time.monotonic()
        try:
            samples = make(jobs[name], settings, dataset.storage)
        except VideoError:
            continue
        own = [len(encode_pixels(one.pixels, settings.spec.codec)) for one in samples]
        sizes.append(sum(own) / len(own))
        seconds.append(time.monotonic() - started)
        if len(sizes) == TRIED:
            break
    child.close()
    if not sizes:
        return None
    return Tried(sum(sizes) / len(sizes), sum(seconds) / len(seconds))


def _among(clips: pa.ChunkedArray, todo: Sequence[str]) -> int:
    return pc.sum(pc.is_in(pa.array(todo, pa.string()), value_set=clips)).as_py() or 0  # type: ignore[attr-defined]
