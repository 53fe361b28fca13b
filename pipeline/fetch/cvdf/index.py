"""What was found in archives that were read, so that none is read again for what it has not.

Rows of the table `archives`: one for each reading of an archive to its end (or to where it is
damaged, with the message), and one for each list of archives. Half a million members are 30 MB.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from manifests.dataset import Dataset

TABLE = "archives"
FOLDER = f"manifests/{TABLE}"
Members = list[tuple[str, int]]  # file names without folders, and sizes


class Index:
    """The table as it was when this was made; what is added goes to the disk and not in here."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        dataset.storage.clean(FOLDER)
        dataset.compact(TABLE)
        self._rows = dataset.parts(TABLE)  # sorted by address and reading
        self._at = {url: place for place, url in enumerate(self._rows["url"].to_pylist())}

    def known(self, url: str) -> bool:
        """Whether an archive was read to its end, or a list was read."""
        return url in self._at and self._cell(url, "message") is None

    def lacks(self, url: str) -> bool:
        """Whether nothing was there when it was asked for, which was no loss."""
        return self.known(url) and self._cell(url, "bytes") == 0

    def mark(self, url: str) -> str | None:
        """Return the server's mark (ETag or date) of what was read."""
        return self._cell(url, "mark") if url in self._at else None

    def members(self, url: str) -> Iterator[tuple[str, int]]:
        """Yield file name (without folders) and size of the videos in an archive that is known."""
        if self.known(url):
            yield from zip(self._cell(url, "members"), self._cell(url, "sizes"), strict=True)

    def listed(self, url: str) -> list[str]:
        """Return the archives that a list named when it was read last; none if it never was."""
        return self._cell(url, "members") if self.known(url) else []

    def add(
        self,
        url: str,
        mark: str | None,
        size: int,
        members: Members,
        message: str | None = None,
    ) -> None:
        """Write down what an archive holds; with a message as far as it could be read."""
        names = [name for name, _ in members]
        self._append(url, mark, size, names, [size for _, size in members], message)

    def add_list(self, url: str, size: int, archives: Sequence[str]) -> None:
        """Write down which archives a list names, if they are others than are known."""
        if self.listed(url) != archives:
            self._append(url, None, size, archives, None, None)

    def _append(
        self,
        url: str,
        mark: str | None,
        size: int,
        members: Sequence[str],
        sizes: Sequence[int] | None,
        message: str | None,
    ) -> None:
        reading = self._cell(url, "reading") + 1 if url in self._at else 1
        row = {
            "url": url,
            "reading": reading,
            "mark": mark,
            "bytes": size,
            "members": members,
            "sizes": sizes,
            "message": message,
            "read_at": datetime.datetime.now(datetime.UTC),
        }
        self._dataset.append(TABLE, [row])

    def _cell(self, url: str, column: str) -> Any:
        return self._rows[column][self._at[url]].as_py()
