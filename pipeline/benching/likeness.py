"""How near the pixels of other ways come to those of decoding everything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifests.spec import ClipSpec
from pipeline.benching.layout import Pixels
from pipeline.benching.ways import MINE, REFERENCE, WAYS
from pipeline.video.errors import VideoError

SAME = "identical"


@dataclass
class Likeness:
    """How near one way's pixels come to the reference's; as text for the table."""

    clips: int = 0
    same: int = 0
    worst: float = 0.0
    failure: str = ""

    def add(self, pixels: Pixels, wanted: Pixels) -> None:
        """Take note of one clip."""
        difference = np.subtract(pixels, wanted, dtype=np.int16)
        self.clips += 1
        self.same += not difference.any()
        self.worst = max(self.worst, float(np.mean(np.square(difference, dtype=np.int32))))

    def __str__(self) -> str:
        if self.same == self.clips:
            return SAME
        decibels = 10 * np.log10(255**2 / self.worst)
        return f"{self.same} of {self.clips} {SAME}, worst {decibels:.0f} dB"


def reference(path: Path, spec: ClipSpec) -> Pixels | None:
    """Return the clip that decoding everything gives; None where it or clipmill does not."""
    try:
        wanted = WAYS[REFERENCE][0](path, spec)
        WAYS[MINE][0](path, spec)
    except (OSError, ValueError, ArithmeticError, VideoError):  # libav's errors are all of these
        return None
    return wanted


def liken(path: Path, spec: ClipSpec, likeness: dict[str, Likeness]) -> None:
    """Decode one clip in every way and compare it with the reference."""
    wanted = reference(path, spec)
    assert wanted is not None
    for name, found in likeness.items():
        if found.failure:
            continue
        try:
            found.add(wanted if name == REFERENCE else WAYS[name][0](path, spec), wanted)
        except Exception as error:  # any library may raise anything on any video
            text = str(error).partition("\n")[0][:100]
            found.failure = f"fails on {path.name}: {type(error).__name__} {text}"
