"""Drawing in numpy: a textured background, still clutter, a lit body wherever its path leads.

Pictures are float32 (SIDE, SIDE, 3) from 0 to 1; lengths are in sides of the picture.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32 wherever there are pixels: half the work

SIDE = 128  # pixels; the picture is square
WINDOW = 0.5  # radius of the round window


@dataclass(frozen=True, slots=True)
class Path:
    """Where the body is and how large, frame by frame, in sides of the picture."""

    x: Floats
    y: Floats
    radius: Floats


@dataclass(frozen=True, slots=True)
class Shape:
    """A regular polygon of so many sides (0 is a disc), turned by an angle, of one colour."""

    sides: int
    angle: float
    colour: Floats


def window() -> Floats:
    """Return the light that comes through the round window: 1 inside, a dark wall outside."""
    at = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE - 0.5
    outside = (np.hypot(at[None, :], at[:, None]) - WINDOW + 0.02) / 0.02
    return (1 - 0.92 * np.clip(outside, 0, 1))[..., None]


def background(rng: Generator) -> tuple[Floats, float]:
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


def clutter(picture: Floats, radii: tuple[float, float], rng: Generator) -> Floats:
    """Add a still, dull shape of the body's family."""
    x, y = rng.uniform(0, 1, (2, 1)).astype(np.float32)
    radius = rng.uniform(*radii, 1).astype(np.float32)
    colour = _colour(rng.uniform(), rng.uniform(0.05, 0.3), rng.uniform(0.25, 0.45))
    return draw(picture[None], Path(x, y, radius), shape(rng, colour))[0]


def shape(rng: Generator, colour: Floats) -> Shape:
    """Return a shape of any kind, turned anyhow."""
    return Shape(int(rng.choice((0, 3, 4, 5, 6))), float(rng.uniform(0, 7)), colour)


def draw(picture: Floats, path: Path, figure: Shape) -> Floats:
    """Return the picture with the shape on it, once for each point of the path.

    A soft shadow below, a dark rim, light from the upper left; edges are a pixel soft.
    """
    at = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    scale = path.radius[:, None, None]
    u = (at[None, None, :] - path.x[:, None, None]) / scale
    v = (at[None, :, None] - path.y[:, None, None]) / scale
    pixels = scale * SIDE
    shadow = 0.45 * np.clip(1.25 - np.hypot(u - 0.2, v - 0.3), 0, 0.5) * 2
    depth = _distance(u, v, figure)
    inside = np.clip(0.5 - depth * pixels, 0, 1)
    core = np.clip(0.5 - (depth + 0.16) * pixels, 0, 1)
    light = (0.55 + core * (0.4 - 0.16 * (u + v)))[..., None]
    inside = inside[..., None]
    return picture * (1 - shadow[..., None]) * (1 - inside) + figure.colour * light * inside


def _distance(u: Floats, v: Floats, figure: Shape) -> Floats:
    """Return the distance to the edge in radii, negative inside."""
    sides = figure.sides
    if sides == 0:
        return np.hypot(u, v) - 1
    # As large as the disc in area, so that every shape is seen as well as every other.
    inner = math.sqrt(math.pi / (sides * math.tan(math.pi / sides)))
    angles = figure.angle + 2 * math.pi * np.arange(sides) / sides
    walls = [u * math.cos(angle) + v * math.sin(angle) for angle in angles]
    return np.maximum.reduce(walls) - inner


def vivid(rng: Generator, avoid: float) -> Floats:
    """Return a bright colour whose hue is far from the one to avoid."""
    return _colour(avoid + rng.uniform(0.25, 0.75), rng.uniform(0.65, 0.95), 1.0)


def _colour(hue: float, saturation: float, value: float) -> Floats:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)
