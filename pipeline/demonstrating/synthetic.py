"""Pictures of made-up actions whose classes differ only in motion, and in its direction in time.

One bright body seen through a round window, pure numpy, about 25 ms a clip. In every class its
place is uniform in the window at every instant, and its size has one law in a frame taken at
random, so one frame says nothing: a straight path that ends at the rim goes on at the opposite rim,
an orbit keeps its distance from the middle, and a still size is one that a growing body passes
through. The backward class of a pair is the forward clip of the same group and number played
backwards, the very same frames: only their order tells the two apart.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from manifests.errors import unknown
from pipeline.demonstrating.drawing import (
    Floats,
    Path,
    background,
    clutter,
    draw,
    shape,
    vivid,
    window,
)

Frames = NDArray[np.uint8]

FRAMES = 24
REACH = 0.44  # how far from the middle the body's centre gets, in sides of the picture
RADII = (0.08, 0.3)  # of the body
# Per clip; the eight frames that a network sees of it are then 2 to 4 of 44 pixels apart.
STRAIGHT = (0.5, 0.8)  # ways from rim to rim
TURNS = (0.3, 0.5)  # of an orbit
GROWTHS = (0.5, 0.85)  # of the way from small to large, in equal ratios
SLANT = 0.2  # radians by which a straight path may miss its direction

# Class -> (the pair's motion, backwards): each axis has a forward and a backward class.
CLASSES: dict[str, tuple[str, bool]] = {
    "MoveRight": ("across", False),
    "MoveLeft": ("across", True),
    "MoveDown": ("along", False),
    "MoveUp": ("along", True),
    "OrbitClockwise": ("orbit", False),
    "OrbitCounterclockwise": ("orbit", True),
    "ZoomIn": ("zoom", False),
    "ZoomOut": ("zoom", True),
}


def render(label: str, group: int, number: int, seed: int = 0) -> Frames:
    """Return clip `number` of `group` in class `label`: uint8 (FRAMES, SIDE, SIDE, 3).

    A group shares its background in all classes, as UCF101's groups share person and scene.

    Raises:
        ClipmillError: a label that is not in CLASSES.
    """
    if label not in CLASSES:
        raise unknown("class", label, CLASSES)
    motion, backwards = CLASSES[label]
    scene = np.random.default_rng((seed, group))
    picture, hue = background(scene)
    rng = np.random.default_rng((seed, group, number, list(MOTIONS).index(motion)))
    path = trajectory(motion, rng)
    for _ in range(rng.integers(1, 4)):
        picture = clutter(picture, RADII, rng)
    # The body's hue keeps clear of the background's, so that it can be seen.
    frames = draw(picture[None], path, shape(rng, vivid(rng, hue))) * window()
    frames = np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(frames[::-1]) if backwards else frames


def trajectory(motion: str, rng: Generator) -> Path:
    """Return a forward path of the motion; it starts anywhere, with any size.

    Drawn: sizes are 0 .. 1, a growing body goes from a start to start + growth, a still one has the
    size of a growing one at an instant taken at random:   0 ..[start====|=====]...... 1
    """
    time = np.arange(FRAMES) / (FRAMES - 1)
    start = REACH * math.sqrt(rng.uniform()) * np.exp(2j * math.pi * rng.uniform())
    place = MOTIONS[motion](complex(start), time, rng) + np.zeros(FRAMES)
    growth = rng.uniform(*GROWTHS)
    grown = time if motion == "zoom" else np.full(FRAMES, rng.choice(time))
    low, high = RADII
    radius = low * (high / low) ** (rng.uniform(0, 1 - growth) + growth * grown)
    x, y = 0.5 + place.real, 0.5 + place.imag
    return Path(x.astype(np.float32), y.astype(np.float32), radius.astype(np.float32))


_Place = NDArray[np.complexfloating[Any]] | complex  # x + iy from the middle; y points down


def _straight(start: complex, time: Floats, rng: Generator, direction: float) -> _Place:
    # Seen along the path the window is a chord, and the path a ring on it:
    #   rim (-half ......start-->......... half) rim, and on from -half
    towards = cmath.exp(1j * (direction + rng.uniform(-SLANT, SLANT)))
    across = start / towards
    half = math.sqrt(REACH**2 - across.imag**2)
    ways = across.real / (2 * half) + rng.uniform(*STRAIGHT) * time
    along = 2 * half * ((ways + 0.5) % 1 - 0.5)
    return towards * (along + 1j * across.imag)


def _orbit(start: complex, time: Floats, rng: Generator) -> _Place:
    return start * np.exp(2j * math.pi * rng.uniform(*TURNS) * time)


# Motion -> places; time runs from 0 to 1. What zooms stays where it is.
MOTIONS: dict[str, Callable[[complex, Floats, Generator], _Place]] = {
    "across": lambda start, time, rng: _straight(start, time, rng, 0.0),
    "along": lambda start, time, rng: _straight(start, time, rng, math.pi / 2),
    "orbit": _orbit,  # y points down: a growing angle goes clockwise
    "zoom": lambda start, time, rng: start,
}
