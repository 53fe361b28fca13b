"""Where a clip's video lies: one decision for every stage.

Videos lie in the folder that `annotate --videos` named and are used in place, or under the root's
`videos/`, where `download` put what it took out of an archive, under a name that follows from the
source. A download row's `path` says which: names of our own carry the digest of their own source,
so no file of a user's folder is ever taken for one. Costs nothing, but for `at_hand` where the
root is an object store: that fetches the video.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from manifests.dataset import Dataset
from manifests.storage import Storage
from pipeline.annotate.sources import SCHEME, YOUTUBE, path_of

OWN = "videos"
_READABLE = 60  # letters of a name of our own that are there for people


class InRoot(str):
    """A file of the root, by its path below it: only the root's storage knows where that is."""

    __slots__ = ()


Where = Path | InRoot
"""A file on this machine, or one of the root."""


def at_hand(storage: Storage, where: Where) -> contextlib.AbstractContextManager[Path]:
    """Give a file on this machine, which stays for the block, wherever it lies."""
    if isinstance(where, InRoot):
        return storage.fetched(where)
    return contextlib.nullcontext(where)


@dataclass(frozen=True, slots=True)
class Places:
    """The places in which videos can lie; `videos` is None where no folder was named."""

    videos: Path | None

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Return the places of a dataset folder."""
        return cls(Path(dataset.videos) if dataset.videos else None)

    @property
    def archive(self) -> Path | None:
        """The archive that was named instead of a folder."""
        return self.videos if self.videos and self.videos.is_file() else None

    def named(self, name: str) -> Where:
        """Return where a video of the folder is, named as rows and `file:` sources do."""
        path = path_of(SCHEME + name.removeprefix(SCHEME))
        return InRoot(f"{OWN}/{path}") if self.videos is None else self.videos / path

    def acquired(self, source: str, name: str | None) -> Where:
        """Return where the file of a download row is now; an empty name is a file that is lost."""
        if not name:
            name = source if source.startswith(SCHEME) else own_stem(source)
        return InRoot(name) if is_own(source, name) else self.named(name)

    def waits(self, source: str) -> bool:
        """Whether nothing here can bring this video yet: no videos were named, or no files are."""
        return self.videos is None or not source.startswith((SCHEME, YOUTUBE))


def own_stem(source: str, readable: str | None = None) -> str:
    """Return a name of our own for a source's video, `videos/ab/READABLE-DIGEST`, no extension.

    256 folders keep each one small; `readable` is the source's last part if it is not given, and
    only its end is kept: the span of a trimmed file stands there.
    """
    text = readable or source.rpartition("/")[2].removeprefix(SCHEME).rpartition(".")[0] or source
    digest = _digest(source)
    head = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[-_READABLE:]
    return f"{OWN}/{digest[:2]}/{head}-{digest}"


def is_own(source: str, name: str | None) -> bool:
    """Return whether a row's path is a name of our own for this source."""
    if not name:  # repack's rows of videos that stayed under the other root
        return False
    digest = _digest(source)
    stem = name.rpartition("/")[2].partition(".")[0]
    return name.startswith(f"{OWN}/{digest[:2]}/") and stem.endswith(f"-{digest}")


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:16]
