"""What annotators hand over: the clips that were asked for, their labels and their splits.

Plain tuples with names, for half a million of them are made: about 0.4 KB and a microsecond a
clip. tables.py turns them into parquet.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import NamedTuple

CLIP_ID = re.compile(r"[A-Za-z0-9_-]+")
MAX_CLIP_ID = 80
SPLITS = ("train", "val", "test")


class Clip(NamedTuple):
    """One row asked for. `source` is a URI such as `file:relative/path`; spans are in seconds."""

    clip_id: str
    dataset: str
    label: str | None
    label_id: int | None
    video_id: str
    source: str
    start_s: float | None = None
    end_s: float | None = None
    group: str | None = None


class Label(NamedTuple):
    """A class: its number, its name letter for letter as in the list, and a slug for file names."""

    label_id: int
    label: str
    slug: str


class SplitRow(NamedTuple):
    """Which part (train, val, test) a clip has in one split set."""

    split_set: str
    clip_id: str
    split: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """Everything one `clipmill annotate` found. `split_sets[0]` is the default set.

    `notes` are facts for the user (counts against the official ones, files left aside);
    `warnings` are things that deserve a second look, such as a protocol that leaks.
    """

    name: str
    clips: list[Clip]
    labels: list[Label]
    splits: list[SplitRow]
    split_sets: list[str]
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def slug(text: str) -> str:
    """Return `text` as a lower-case name of letters, digits and underscores (never empty)."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "_"


def clip_id(readable: str, source: str, start_s: float | None, end_s: float | None) -> str:
    """Return a stable id: a readable part, then 10 hex digits of the hash of source and span.

    At most 80 of `[A-Za-z0-9_-]`, so that it is a tar member's name without long-name headers.
    """
    identity = f"{source}\n{start_s}\n{end_s}".encode("utf-8", "surrogateescape")
    suffix = hashlib.sha256(identity).hexdigest()[:10]
    head = re.sub(r"[^A-Za-z0-9_-]+", "_", readable).strip("_-")[: MAX_CLIP_ID - 11].strip("_-")
    return f"{head}-{suffix}" if head else suffix
