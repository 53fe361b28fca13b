"""Pictures of made-up actions whose classes differ only in motion, and in its direction in time.

One coloured object on a textured background, pure numpy, about 20 ms a clip. The picture is a
torus (what leaves on the right comes back on the left) and sizes are a ring (what has grown full
starts small again), so at every instant the object's place is uniform, and its size has one law,
in every class: one frame says nothing. The backward class of each pair is the forward clip of the
same group and number played backwards, the very same frames: only their order tells the two apart.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from manifests.errors import unknown

Floats = NDArray[np.floating[Any]]  # float32 wherever there are pixels: half the work
Frames = NDArray[np.uint8]

FRAMES = 24
SIDE = 128  # pixels; the picture is square
RADII = (0.075, 0.2)  # of the side
TRAVEL = (0.45, 0.85)  # sides, turns or rounds of the sizes, in one clip
ORBIT = (0.16, 0.28)  # radius of an orbit, of the side
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


@dataclass(frozen=True, slots=True)
class Path:
    """Where the object is and how large, frame by frame, in sides of the picture."""

    x: Floats
    y: Floats
    radius: Floats


@dataclass(frozen=True, slots=True)
class _Shape:
    """A regular polygon of so many sides (0 is a disc), turned by an angle, of one colour."""

    sides: int
    angle: float
    colour: Floats


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
    picture, hue = _background(scene)
    rng = np.random.default_rng((seed, group, number, list(MOTIONS).index(motion)))
    path = trajectory(motion, rng)
    for _ in range(rng.integers(2, 5)):
        picture = _clutter(picture, rng)
    # The object's hue keeps clear of the background's, so that it can be seen.
    shape = _Shape(int(rng.choice((0, 3, 4, 5, 6))), rng.uniform(0, 7), _vivid(rng, hue))
    frames = _draw(picture[None], path, shape)
    frames = np.rint(np.clip(frames, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(frames[::-1]) if backwards else frames


def trajectory(motion: str, rng: Generator) -> Path:
    """Return a forward path of the motion, its start uniform on the torus and on the ring of sizes.

    Drawn: travel p goes 0 .. rate in FRAMES even steps;  across  x = x0 + p   zoom  phase = s0 + p
    """
    p = rng.uniform(*TRAVEL) * np.arange(FRAMES) / (FRAMES - 1)
    start = rng.uniform(0, 1, 3)
    steps = MOTIONS[motion](p, rng)
    x, y, phase = ((at + step + 0 * p) % 1 for at, step in zip(start, steps, strict=True))
    low, high = RADII
    radius = low * (high / low) ** phase
    return Path(x.astype(np.float32), y.astype(np.float32), radius.astype(np.float32))


_Steps = tuple[Floats | float, Floats | float, Floats | float]


def _straight(p: Floats, direction: float, rng: Generator) -> _Steps:
    angle = direction + rng.uniform(-SLANT, SLANT)
    return p * math.cos(angle), p * math.sin(angle), 0.0


def _orbit(p: Floats, rng: Generator) -> _Steps:
    angle = 2 * math.pi * (rng.uniform() + p)  # y points down: a growing angle goes clockwise
    size = rng.uniform(*ORBIT)
    return size * np.cos(angle), size * np.sin(angle), 0.0


# Motion -> how x, y and the phase of the size change with the travel p.
MOTIONS: dict[str, Callable[[Floats, Generator], _Steps]] = {
    "across": lambda p, rng: _straight(p, 0.0, rng),
    "along": lambda p, rng: _straight(p, math.pi / 2, rng),
    "orbit": _orbit,
    "zoom": lambda p, rng: (0.0, 0.0, p),
}


def _background(rng: Generator) -> tuple[Floats, float]:
    """Return a dim gradient of two near hues under soft noise, (SIDE, SIDE, 3), and its hue."""
    hue = float(rng.uniform())
    ends = [_colour(hue + rng.uniform(-0.08, 0.08), 0.5, value) for value in (0.2, 0.5)]
    angle = float(rng.uniform(0, 2 * math.pi))
    line = np.linspace(-0.5, 0.5, SIDE, dtype=np.float32)
    ramp = 0.5 + (line[None, :] * math.cos(angle) + line[:, None] * math.sin(angle)) / 1.5
    picture = ends[0] + ramp[..., None] * (ends[1] - ends[0])
    for cells, strength in ((5, 0.10), (16, 0.06), (43, 0.03)):
        picture = picture + strength * _noise(cells, rng)[..., None]
    return picture.astype(np.float32), hue


def _noise(cells: int, rng: Generator) -> Floats:
    """Return smooth noise in about -1..1: random values on a grid, blended between its points."""
    grid = rng.uniform(-1, 1, (cells + 1, cells + 1)).astype(np.float32)
    at = np.linspace(0, cells, SIDE, endpoint=False, dtype=np.float32)
    low = at.astype(np.int64)
    part = at - low
    part = part * part * (3 - 2 * part)
    rows = grid[low] + part[:, None] * (grid[low + 1] - grid[low])
    return rows[:, low] + part * (rows[:, low + 1] - rows[:, low])


def _clutter(picture: Floats, rng: Generator) -> Floats:
    """Add a still, dull shape of the same family as the object."""
    x, y = rng.uniform(0, 1, (2, 1)).astype(np.float32)
    radius = rng.uniform(*RADII, 1).astype(np.float32)
    colour = _colour(rng.uniform(), rng.uniform(0.1, 0.45), rng.uniform(0.3, 0.6))
    shape = _Shape(int(rng.choice((0, 3, 4, 5, 6))), rng.uniform(0, 7), colour)
    return _draw(picture[None], Path(x, y, radius), shape)[0]


def _draw(picture: Floats, path: Path, shape: _Shape) -> Floats:
    """Return the picture with the shape on it, once for each point of the path.

    A soft shadow below, a dark rim, light from the upper left; edges are a pixel soft.
    """
    at = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    scale = path.radius[:, None, None]
    u = _around(at[None, None, :] - path.x[:, None, None]) / scale
    v = _around(at[None, :, None] - path.y[:, None, None]) / scale
    pixels = scale * SIDE
    shadow = 0.45 * np.clip(1.25 - np.hypot(u - 0.2, v - 0.3), 0, 0.5) * 2
    depth = _distance(u, v, shape)
    inside = np.clip(0.5 - depth * pixels, 0, 1)
    core = np.clip(0.5 - (depth + 0.16) * pixels, 0, 1)
    light = (0.55 + core * (0.4 - 0.16 * (u + v)))[..., None]
    inside = inside[..., None]
    return picture * (1 - shadow[..., None]) * (1 - inside) + shape.colour * light * inside


def _around(distance: Floats) -> Floats:
    """Return the shorter way on a ring of length 1: -0.5..0.5."""
    return (distance + 0.5) % 1 - 0.5


def _distance(u: Floats, v: Floats, shape: _Shape) -> Floats:
    """Return the distance to the edge in radii, negative inside."""
    sides = shape.sides
    if sides == 0:
        return np.hypot(u, v) - 1
    # As large as the disc in area, so that every shape is seen as well as every other.
    inner = math.sqrt(math.pi / (sides * math.tan(math.pi / sides)))
    angles = shape.angle + 2 * math.pi * np.arange(sides) / sides
    walls = [u * math.cos(angle) + v * math.sin(angle) for angle in angles]
    return np.maximum.reduce(walls) - inner


def _vivid(rng: Generator, avoid: float) -> Floats:
    return _colour(avoid + rng.uniform(0.25, 0.75), rng.uniform(0.65, 0.95), 1.0)


def _colour(hue: float, saturation: float, value: float) -> Floats:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)
