"""Which part of a data set a run takes: a share of many machines', some classes, so many clips."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from manifests.errors import ClipmillError

_PART = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Selection:
    """`part` is (i, n), i from 1: videos are dealt to n shares by the hash of their source, and
    what lies in a list that all machines have, by its place there.
    """

    part: tuple[int, int] = (1, 1)
    classes: frozenset[str] | None = None
    limit: int | None = None
    retry: str = "none"

    @classmethod
    def of(
        cls, part: str | None, classes: Iterable[str] | None, limit: int | None, retry: str
    ) -> Self:
        """Return the selection that options describe.

        Raises:
            ClipmillError: a part that is not one.
        """
        share = (1, 1)
        if part is not None:
            match = _PART.fullmatch(part)
            share = (int(match[1]), int(match[2])) if match else (0, 0)
            if not 1 <= share[0] <= share[1]:
                raise ClipmillError(
                    f"--part {part}; expected I/N with I from 1 to N, such as 2/8 for the second "
                    "of eight machines."
                )
        return cls(share, None if classes is None else frozenset(classes), limit, retry)

    @property
    def digest(self) -> str:
        """A name of this selection, for the plans that it makes."""
        classes = None if self.classes is None else sorted(self.classes)
        text = repr((self.part, classes, self.limit, self.retry))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def shared(self) -> bool:
        """Whether it is one of several shares."""
        return self.part != (1, 1)

    def takes(self, source: str, label: str | None) -> bool:
        """Whether a clip of this video and class is among them; clips of one video go together."""
        return self.takes_class(label) and self.takes_video(source)

    def takes_class(self, label: str | None) -> bool:
        """Whether clips of this class are among them, in any share."""
        return self.classes is None or label in self.classes

    def takes_video(self, source: str) -> bool:
        """Whether this video falls to this share."""
        index, count = self.part
        if count == 1:
            return True
        digest = hashlib.sha256(source.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8]) % count == index - 1

    def takes_place(self, place: int) -> bool:
        """Whether what lies at a place (from 0) of a list falls to this share."""
        index, count = self.part
        return place % count == index - 1


EVERYTHING = Selection()
