"""Taking the wanted videos out of an archive, into the root's `videos/` under names of our own.

One pass through the archive, at the disk's pace; nothing is decoded. Files of an earlier pass that
are the same are left as they are, so a pass can be killed at any time and run again.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path

from manifests.console import Ui
from manifests.storage import Storage
from pipeline.acquiring.finding import Span, stems
from pipeline.acquiring.locate import YOUTUBE, own_stem
from pipeline.annotate.sources import SCHEME, path_of
from pipeline.annotate.text import shown
from pipeline.annotate.walk import is_media

MB = 1_000_000


class Names:
    """Members' names -> names of our own; None for what is not wanted.

    A `file:` source is served by the member that has its path, or whose path ends with it (below
    UCF-101/, say); a YouTube video by its file names. The first member that serves a source wins.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        self._by_path: dict[str, str] = {}
        self._by_stem: dict[str, str] = {}
        self._member: dict[str, str] = {}
        self.doubles: list[str] = []
        for span in spans:
            if span.source.startswith(SCHEME):
                self._by_path[path_of(span.source)] = span.source
            elif span.source.startswith(YOUTUBE):
                self._by_stem.update((stem, span.source) for stem, _ in stems(span))

    def __call__(self, member: str) -> str | None:
        """Return where a member goes."""
        own = self._own(member)
        if own is None:
            return None
        first = self._member.setdefault(own, member)
        if first != member:
            self.doubles.append(member)
            return None
        return own

    def _own(self, member: str) -> str | None:
        path = member
        while path:  # a/b/c.avi, b/c.avi, c.avi
            if source := self._by_path.get(path):
                return own_stem(source) + _extension(path)
            path = path.partition("/")[2]
        stem, extension = stem_of(member)
        source = self._by_stem.get(stem)
        return own_stem(source, stem) + extension if source else None


def stem_of(member: str) -> tuple[str, str]:
    """Return the file name of a member that is a video, and its extension; two empty texts for
    all else, the `._NAME` that a Mac adds beside a file among it.
    """
    name = posixpath.basename(member)
    if name.startswith("._") or not is_media(name):
        return "", ""
    stem, extension = posixpath.splitext(name)
    return stem, extension.lower()


def _extension(path: str) -> str:
    return posixpath.splitext(path)[1].lower() if is_media(path) else ""


def take_out(archive: Path, spans: Iterable[Span], storage: Storage, ui: Ui) -> dict[Span, str]:
    """Stream the members that serve these spans into the root; return what those lost suffer from.

    Raises:
        ClipmillError: no archive that can be read, or one that breaks a limit.
        StoppedError: the disk is full.
    """
    from pipeline.archive.members import DAMAGED
    from pipeline.archive.unpack import unpack

    spans = list(spans)
    names = Names(spans)
    name, size = shown(archive.name), archive.stat().st_size
    with ui.progress(size // MB, f"taking videos out of {name}, MB") as progress:
        read = 0

        def advance(count: int) -> None:
            nonlocal read
            read += count
            progress.advance(read // MB - progress.done)

        done = unpack(archive, names, storage, advance)
    ui.note(f"{name}: {done.written:,} videos taken out, {done.skipped:,} were there already")
    for why, count in sorted(done.passed_over.items()):
        tell = ui.warn if why == DAMAGED else ui.note
        tell(f"{name}: {count:,} members passed over: {why}")
    if names.doubles:
        ui.warn(
            f"{name}: {len(names.doubles):,} members serve a clip that another one serves "
            f"already, {shown(names.doubles[0])!r} among them; the first one was taken."
        )
    if done.damaged:
        first = next(iter(done.damaged.values()))
        ui.warn(f"{name}: of its videos {len(done.damaged):,} cannot be had: {first}")
    if not done.damaged:
        return {}
    lost = {posixpath.splitext(path)[0]: str(error) for path, error in done.damaged.items()}
    return {span: lost[own] for span in spans for own in _own_stems(span) if own in lost}


def _own_stems(span: Span) -> list[str]:
    if span.source.startswith(SCHEME):
        return [own_stem(span.source)]
    return [own_stem(span.source, stem) for stem, _ in stems(span)]
