"""The clips that are still wanted of one split, shared by all threads that read its archives.

One dict of file names for the whole split: about 0.2 KB a clip, whatever the number of archives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from manifests.reasons import Reason
from pipeline.acquiring.finding import Span, stems
from pipeline.fetch.cvdf.layout import class_of
from pipeline.fetch.source import Refused, Want
from pipeline.fetch.taxonomy import Rule, Then

MANY = 1000  # refused clips that are handed over at once


class Unread(NamedTuple):
    """An archive that could not be read to its end, and why."""

    url: str
    reason: Reason
    message: str


def stem_of_want(want: Want) -> tuple[str, float]:
    """Return the file name (without extension) under which CVDF has a clip, and where it begins."""
    return stems(Span(want.source, want.start_s, want.end_s))[0]


@dataclass
class Allowance:
    """How many clips may still have an outcome, of all splits together; None is no bound."""

    left: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def grant(self, wants: list[Want]) -> list[Want]:
        """Return as many of the clips as may be had, and count them."""
        with self._lock:
            granted = wants[: self.left]
            if self.left is not None:
                self.left -= len(granted)
        return granted

    def give_back(self, count: int) -> None:
        """Allow again what was granted."""
        with self._lock:
            if self.left is not None:
                self.left += count


@dataclass
class Split:
    """What is wanted of a split: file name -> clips that nobody has brought yet.

    `by_class` is whether it has one archive a class, and `archives` is how many can hold any of the
    clips, read in earlier runs or to be read in this one. `ends` is how many units of work are
    still to end: by the last one it is known what is lacking. `held` is which clips this share of
    the machines is known to find where; `others` is how many archives that other shares read are
    not known: as long as there are any, nobody can tell what is in none. Then each share tells of
    the videos that it `takes`.
    """

    name: str
    wants: dict[str, list[Want]] = field(default_factory=dict)
    by_class: bool = False
    archives: int = 0
    ends: int = 0
    unread: list[Unread] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    others: int = 0
    takes: Callable[[str], bool] = lambda source: True
    allowance: Allowance = field(default_factory=Allowance)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, want: Want) -> None:
        """Want one more clip."""
        self.wants.setdefault(stem_of_want(want)[0], []).append(want)

    def take(self, stem: str) -> list[Want]:
        """Return the clips that a file of this name serves, for the caller alone; or none."""
        return self.allowance.grant(self.wants.pop(stem, []))

    def give_back(self, stem: str, wants: list[Want]) -> None:
        """Want again what the caller could not bring."""
        self.wants[stem] = wants
        self.allowance.give_back(len(wants))

    def may_take(self, stem: str) -> bool:
        """Whether a file of this name is wanted and may still be had."""
        return self.allowance.left != 0 and stem in self.wants

    def may_take_any(self) -> bool:
        """Whether any file is wanted and may still be had."""
        return self.allowance.left != 0 and bool(self.wants)

    def lacking(self) -> list[str]:
        """Return the file names of the clips that are this share's to refuse, as far as archives
        are known: those that others may have are not.
        """
        lost = {one.url for one in self.unread}
        return [
            stem
            for stem, wants in self.wants.items()
            if self.held.get(stem) in lost or (not self.others and self.takes(wants[0].source))
        ]

    def failed(self, unread: Unread) -> None:
        """Take note of an archive that could not be read."""
        self.unread.append(unread)

    def end(self) -> bool:
        """Take note that one unit of work has ended; return whether it was the last."""
        with self._lock:
            self.ends -= 1
            return not self.ends


def refusals(
    split: Split, class_of_clip: dict[str, str] | None, known: set[str]
) -> Iterator[Refused]:
    """Hand back what is lacking of a split whose archives were all asked for.

    A clip may come back by --retry while an archive that can hold it was not read. With one
    archive a class, `class_of_clip` has the clips' plain classes, and `known` all there are.
    """
    together: dict[str, list[Want]] = {}
    for stem in split.lacking():
        for want in split.take(stem):
            name = "" if class_of_clip is None else class_of_clip.get(want.clip_id, "")
            together.setdefault(name, []).append(want)
    split.wants.clear()
    for name, wants in together.items():
        rule, message = _why(split, [x for x in split.unread if _may_hold(x.url, name, known)])
        for at in range(0, len(wants), MANY):
            yield Refused(wants[at : at + MANY], rule, message)


def _may_hold(url: str, name: str, known: set[str]) -> bool:
    """Whether an archive may hold clips of a class; "" is any."""
    return not name or class_of(url) == name or class_of(url) not in known


def _why(split: Split, unread: Sequence[Unread]) -> tuple[Rule, str]:
    """Return why a clip is refused, where these archives could not be read."""
    number = split.archives
    if not unread:
        text = f"CVDF has no archive of {split.name} that could hold it"
        if number:
            archives = f"{number:,} archive{'' if number == 1 else 's'}"
            text = f"none of CVDF's {archives} of {split.name} has it"
        return Rule(Then.RETRY, Reason.NO_SOURCE, ()), text
    first = next((one for one in unread if one.reason is Reason.NETWORK), unread[0])
    more = f" ({len(unread) - 1:,} more could not be read)" if len(unread) > 1 else ""
    text = f"it may be in an archive of {split.name} that could not be read: {first.message}{more}"
    # An archive that is gone takes no video down.
    reason = Reason.NO_SOURCE if first.reason is Reason.REMOVED else first.reason
    return Rule(Then.RETRY, reason, (), line=reason is Reason.NETWORK), text
