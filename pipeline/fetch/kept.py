"""The files under the root that clips have, which no failure of another clip may take from them.

Looked up when the first file is to be removed: about a second for half a million rows.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from manifests import tables
from manifests.dataset import Dataset
from pipeline.acquiring.finding import own_folders
from pipeline.acquiring.locate import OWN
from pipeline.retrying import STATE


@dataclass
class Kept:
    """The names of files that clips have: by earlier runs, and by this one."""

    dataset: Dataset
    _earlier: set[str] | None = None
    _now: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str) -> None:
        """Take note that a clip has this file now."""
        with self._lock:
            self._now.add(name)

    def remove(self, name: str) -> None:
        """Remove a file, unless a clip has it."""
        with self._lock:
            if self._earlier is None:
                self._earlier = set(_files(self.dataset).values())
            if name not in self._earlier and name not in self._now:
                self.dataset.storage.delete(name)


def lost_files(dataset: Dataset) -> set[str]:
    """Return the clips that are done and whose file of ours is no longer there."""
    storage = dataset.storage
    there = {f"{folder}/{name}" for folder in own_folders() for name in storage.list(folder)}
    return {clip for clip, name in _files(dataset).items() if name not in there}


def _files(dataset: Dataset) -> dict[str, str]:
    """Return clip -> file, of the clips that are done and whose file lies under the root."""
    done = tables.finished(dataset.parts("download", (*STATE, "path")))
    pairs = zip(done["clip_id"].to_pylist(), done["path"].to_pylist(), strict=True)
    return {clip: path for clip, path in pairs if path and path.startswith(f"{OWN}/")}
