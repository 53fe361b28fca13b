"""One archive read as it comes: Range after drops, gunzip, tar, and only what is wanted is written.

Nothing lies on the disk but the videos that are wanted, each whole under a name of our own. A
dropped connection is taken up where it broke. An archive whose reading was ended (killed, time
over) is read from its start the next time, for gzip cannot be entered in the middle; what came out
of it is not written again. Costs the network's pace, one sync a video, a core for 100s of MB/s.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from manifests.errors import ClipmillError, StoppedError
from manifests.reasons import Reason
from pipeline.acquiring.from_archive import stem_of
from pipeline.acquiring.locate import own_stem
from pipeline.archive.incoming import Incoming
from pipeline.archive.limits import DamagedArchive, DamagedMember
from pipeline.archive.members import Archive, Member
from pipeline.fetch.body import Body
from pipeline.fetch.cvdf.fetching import ABSENT, Line, blocks, body_of
from pipeline.fetch.cvdf.index import Index, Members
from pipeline.fetch.cvdf.wanted import Split, Unread, stem_of_want
from pipeline.fetch.errors import FetchError
from pipeline.fetch.source import Arrived, Tools, Want

CHUNK = 1 << 20
LONGEST_NAME = 80  # of the members that are remembered; those of videos have 29
# A video does not compress: more than twice its archive and some no member can honestly have.
MEMBER_RATIO, MEMBER_FREE = 2, 64 << 20
ARCHIVE = 8 << 30  # what is taken for its size where the server does not tell


@dataclass
class Reading:
    """An archive that is to be read for some splits.

    `expected` are file names that it is known to hold and that are wanted, or none where it is not
    known what it holds. It waits for `after`, and sets `done` when it has ended.
    """

    url: str
    splits: list[Split]
    expected: set[str] = field(default_factory=set)
    may_lack: bool = False
    after: threading.Event | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def wait(self, stop: threading.Event) -> None:
        """Wait for what has to be read before; returns at once when `stop` is set."""
        while self.after is not None and not stop.is_set() and not self.after.wait(0.1):
            pass

    def wants(self) -> bool:
        """Whether it may give anything that is still wanted."""
        if self.expected:
            return any(one.may_take(stem) for one in self.splits for stem in self.expected)
        return any(one.may_take_any() for one in self.splits)

    def take(self, stem: str) -> tuple[Split, list[Want]] | None:
        """Return the clips that a file of this name serves, and their split."""
        for split in self.splits:
            if wants := split.take(stem):
                return split, wants
        return None


def read(reading: Reading, index: Index, line: Line, tools: Tools) -> Iterator[Arrived]:
    """Bring what is wanted of an archive, and write down what it holds.

    What cannot be read is told to the splits. Ends early when all that is wanted is there, or when
    `tools.stop` is set.

    Raises:
        StoppedError: the disk is full, the session stays blocked, or no archive can be reached.
    """
    if not reading.wants():
        return
    url, body = reading.url, body_of(reading.url, tools)
    members: Members = []
    try:
        with contextlib.closing(blocks(body, tools)) as incoming:
            archive = Archive(Incoming(url, incoming), nested=False)
            if (yield from _through(archive, reading, body, index, line, tools, members)):
                index.add(url, body.mark, body.start, members)
    except StoppedError:
        raise
    except FetchError as error:
        if tools.stop.is_set():
            return
        if reading.may_lack and error.status in ABSENT and not reading.expected:
            tools.pace.say(f"{url} is not there ({error.message}); going on without it")
            index.add(url, None, 0, [])
            return
        unread = Unread(url, error.rule.reason, f"{url}: {error.message}")
        if unread.reason is Reason.NETWORK:
            line.failed(unread.message)
        _fail(reading, unread, body, members, index)
    except ClipmillError as error:
        damaged = isinstance(error, DamagedArchive | DamagedMember)
        reason = Reason.CORRUPT if damaged else Reason.UNREADABLE
        _fail(reading, Unread(url, reason, str(error)), body, members, index)


def _fail(reading: Reading, unread: Unread, body: Body, members: Members, index: Index) -> None:
    for split in reading.splits:
        split.failed(unread)
    if not index.known(unread.url):  # what is known of it stays known
        index.add(unread.url, body.mark, body.start, members, unread.message)


def _through(
    archive: Archive,
    reading: Reading,
    body: Body,
    index: Index,
    line: Line,
    tools: Tools,
    members: Members,
) -> Generator[Arrived, None, bool]:
    """Go through an archive, noting its members; False when nothing more of it was wanted."""
    first = True
    for member in archive:
        if first:
            line.works()
            if body.mark is None or body.mark != index.mark(reading.url):
                reading.expected = set()  # it is no longer what it was
            first = False
        stem, extension = stem_of(member.name)
        if not stem:
            continue
        if len(stem) <= LONGEST_NAME and stem.isascii():
            members.append((stem + extension, member.size))
        if found := reading.take(stem):
            split, wants = found
            try:
                name = _write(member, own_stem(wants[0].source, stem) + extension, body, tools)
            except Exception:
                split.give_back(stem, wants)
                raise
            yield Arrived(wants, name, stem_of_want(wants[0])[1])
        if not reading.wants() and body.start != body.total:  # else all of it is here already
            return False
    return True


def _write(member: Member, name: str, body: Body, tools: Tools) -> str:
    """Write a member whole under a name, unless it is there already; return the name."""
    if tools.storage.size(name) == member.size:
        return name  # of an earlier run, whose row was lost with its process
    if member.size > MEMBER_FREE + MEMBER_RATIO * (body.total or ARCHIVE):
        raise ClipmillError(
            f"{body.url} holds a member of {member.size:,} bytes, more than it can; expected an "
            "archive of videos. Do not trust it."
        )
    tools.require_space(member.size)
    with tools.storage.writer(name) as out:
        while data := member.file.read(CHUNK):
            out.write(data)
    return name
