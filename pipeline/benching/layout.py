"""What every way of `clipmill bench decode` needs: which frames, scaled to what, cut where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from manifests.spec import ClipSpec
from pipeline.video.frames import select

Pixels = NDArray[np.uint8]
Way = Callable[[Path, ClipSpec], Pixels]


def steady(count: int, rate: float | None) -> NDArray[np.float64]:
    """Return the seconds of a video's frames from their rate; 25 a second where it is not told."""
    return np.arange(count) / (rate or 25)


def places_of(times: NDArray[np.float64], spec: ClipSpec) -> dict[int, list[int]]:
    """Return frame number → places in the clip, of a video whose frames have these times."""
    places: dict[int, list[int]] = {}
    for place, number in enumerate(select(times, spec).indices.tolist()):
        places.setdefault(number, []).append(place)
    return places


def laid_out(
    frames: Pixels, wanted: list[int], places: dict[int, list[int]], spec: ClipSpec
) -> Pixels:
    """Return the clip whose wanted frames (in ascending order) are these."""
    clip = np.empty(spec.shape, np.uint8)
    for number, frame in zip(wanted, frames, strict=True):
        clip[places[number]] = frame
    return clip


def scaled(height: int, width: int, spec: ClipSpec) -> tuple[int, int]:
    """Return height and width whose shorter side is the clip's, rounded to nearest."""
    high = max(spec.height, (2 * height * spec.width + width) // (2 * width))
    wide = max(spec.width, (2 * width * spec.height + height) // (2 * height))
    return high, wide


def corner(height: int, width: int, spec: ClipSpec) -> tuple[int, int]:
    """Return where the centre of a scaled picture begins, from the left and from above."""
    return (width - spec.width) // 2, (height - spec.height) // 2


def cropped(pictures: Pixels, spec: ClipSpec) -> Pixels:
    """Return the centre of one picture or of many, (..., H, W, 3)."""
    left, top = corner(pictures.shape[-3], pictures.shape[-2], spec)
    return pictures[..., top : top + spec.height, left : left + spec.width, :]
