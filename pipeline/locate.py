"""Where a clip's video lies: one decision for every stage.

`file:` sources lie in the folder that `annotate --videos` named and are used in place; all else
lies under the root, where `download` put it. Costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from manifests.dataset import Dataset
from pipeline.annotate.sources import SCHEME, path_of


@dataclass(frozen=True, slots=True)
class Places:
    """The folders in which videos can lie."""

    root: Path
    videos: Path

    @classmethod
    def of(cls, dataset: Dataset) -> Places:
        """Return the places of a dataset folder."""
        return cls(dataset.storage.local("."), Path(dataset.videos))

    def local(self, source: str) -> Path:
        """Return the path of a `file:` source."""
        return self.videos / path_of(source)

    def acquired(self, source: str, path: str) -> Path:
        """Return where the file of a download row is now."""
        return self.local(source) if source.startswith(SCHEME) else self.root / path
