"""What every source of videos has in common: what is wanted of it, and what it hands back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import urllib3

from manifests.console import size
from manifests.errors import StoppedError
from manifests.storage import Storage
from pipeline.fetch.body import Patience, pool
from pipeline.fetch.pace import Pace
from pipeline.fetch.taxonomy import Rule


class Want(NamedTuple):
    """A clip whose video is wanted: the columns of its row that sources go by."""

    clip_id: str
    attempt: int
    source: str
    video_id: str
    start_s: float | None
    end_s: float | None


class Arrived(NamedTuple):
    """A file under the root that serves some clips; `start_s` is where in the source it begins."""

    wants: Sequence[Want]
    name: str
    start_s: float = 0.0


class Refused(NamedTuple):
    """Clips that the source cannot give now, or never."""

    wants: Sequence[Want]
    rule: Rule
    message: str


@dataclass
class Tools:
    """What sources work with, shared by the threads of a run.

    `stop` is set when the run is to end; `keep_free` bytes of the disk stay free.
    """

    storage: Storage
    pace: Pace
    patience: Patience = field(default_factory=Patience)
    keep_free: int = 0
    proxy: str | None = None
    pool: urllib3.PoolManager = field(init=False)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.pool = pool(self.proxy)

    def require_space(self, needed: int = 0) -> None:
        """Check that the disk keeps its free bytes.

        Raises:
            StoppedError: it does not; nothing was written yet.
        """
        place = self.storage.place(".")
        free = shutil.disk_usage(place).free
        if free - needed < self.keep_free:
            coming = f", the next file takes {size(needed)}" if needed else ""
            raise StoppedError(
                f"{place} has {size(free)} free{coming} and {size(self.keep_free)} are "
                "to stay free. Free some space or lower --keep-free, then run the same "
                "command again; what was finished is kept."
            )


class Source(Protocol):
    """One way to get videos."""

    @property
    def name(self) -> str:
        """Its name in --source and in rows."""
        ...

    @property
    def host(self) -> str:
        """The host of whose budget each unit takes one request; empty where each unit is a tuple
        of clips whose source names its own.
        """
        ...

    @property
    def divides(self) -> bool:
        """Whether it divides its work among shares (`--part`) itself, by other things than videos.

        Of a share it is then given the clips of all, and keeps to the share and its limit of clips
        by itself. What falls to other shares, or may, it leaves without a word.
        """
        ...

    def serves(self, source: str) -> bool:
        """Whether it can have the video of a source URI."""
        ...

    def units(self, wants: Sequence[Want], tools: Tools) -> list[tuple[Any, int]]:
        """Cut what is wanted into units of work for threads, each with its number of clips, which
        is a guess where nobody can know it.

        Raises:
            ClipmillError, StoppedError: what has to be known first cannot be had.
        """
        ...

    def fetch(self, unit: Any, tools: Tools) -> Iterator[Arrived | Refused]:
        """Bring a unit's videos, one after the other; every clip of it comes back once, but for
        those that `divides` tells of.

        Ends early, without the rest, when `tools.stop` is set.

        Raises:
            StoppedError: nothing more can be got on this machine now.
        """
        ...
