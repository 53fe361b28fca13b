"""What the ways of decoding share: what they are to do, where pictures go, and what they report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.video.converter import Picture
from pipeline.video.graph import Step
from pipeline.video.probe import Scan

Sink = Callable[[int, Picture], None]


class Run(NamedTuple):
    """What the decoder gave: frames, and packets it refused."""

    frames: int
    errors: int


@dataclass(frozen=True, slots=True)
class Task:
    """What a backend is to do: which frames, up to which packet (None: all), through what."""

    scan: Scan
    wanted: frozenset[int]
    last_packet: int | None
    steps: tuple[Step, ...]
    shape: tuple[int, int, int]
    max_pixels: int
