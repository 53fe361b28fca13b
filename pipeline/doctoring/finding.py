"""What a check is told and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from manifests import scratch
from manifests.storage import is_url

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do about it where it is not ok.

    `fail`: clipmill does not work here. `warn`: a part of it does not, or not for long.
    """

    level: Level
    found: str
    cure: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at: a dataset folder (or where one would be made; None is the current
    folder; a URL is an object store's), this machine's state file, and whom the canary asks;
    `proxy` stands in between.

    `cvdf` is the address of CVDF's archives or a mirror of them, without a slash at its end;
    `youtube` that of a video, with `{id}` where its id belongs, None is YouTube itself. `keep_free`
    bytes of the disk are to stay free.
    """

    root: str | Path | None
    state_file: Path
    cvdf: str
    youtube: str | None = None
    proxy: str | None = None
    keep_free: int = 0

    @property
    def remote(self) -> bool:
        """Whether the root is in an object store or on a web server."""
        return self.root is not None and is_url(str(self.root))

    @property
    def folder(self) -> Path:
        """The folder itself or, where it is not made yet, the nearest one above it; for an object
        store the scratch folder.
        """
        wanted = scratch.folder() if self.remote else Path(self.root or "").absolute()
        return next(path for path in (wanted, *wanted.parents) if path.is_dir())
