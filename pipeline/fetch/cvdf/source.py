"""CVDF as a source: lists of archives, archives, members; and what is in none of them is refused.

A split's archives are read by several threads, which share what is wanted. What an archive holds is
written down once it was read to its end, and from then on it is read again only for a clip that it
holds. Planning costs some seconds for half a million clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from manifests.addresses import host_of
from manifests.dataset import Dataset
from manifests.rows import SPLITS
from pipeline.annotate.sources import YOUTUBE
from pipeline.fetch.cvdf.fetching import Line, list_at
from pipeline.fetch.cvdf.index import Index
from pipeline.fetch.cvdf.layout import CVDF, LAYOUTS, archives_in, base_of, in_question, plain
from pipeline.fetch.cvdf.planning import Unit, by_split, deal, mended_first, units_of
from pipeline.fetch.cvdf.reading import read
from pipeline.fetch.cvdf.wanted import Allowance, Split, refusals
from pipeline.fetch.selection import EVERYTHING, Selection
from pipeline.fetch.source import Arrived, Refused, Tools, Want


class Cvdf:
    """The clips of Kinetics in the archives below an address: CVDF's own, or a mirror's."""

    name = "cvdf"
    divides = True  # by archive: by video, each of many machines would read them all

    def __init__(
        self, dataset: Dataset, base: str | None = None, selection: Selection = EVERYTHING
    ) -> None:
        self._selection = selection
        self._dataset, self._base = dataset, base_of(CVDF if base is None else base)
        self._layout = LAYOUTS.get(dataset.name)
        self._line = Line()

    @property
    def host(self) -> str:
        """The host that is asked once for each archive."""
        return host_of(self._base)

    def serves(self, source: str) -> bool:
        """Whether a source is a YouTube video, in a data set whose clips CVDF has."""
        return self._layout is not None and source.startswith(YOUTUBE)

    def units(self, wants: Sequence[Want], tools: Tools) -> list[tuple[Unit, int]]:
        """One unit for each archive of this share that can hold a clip, and some for files that
        are there; none where nothing of it is this share's.

        Raises:
            ClipmillError, StoppedError: a list of archives cannot be had.
        """
        assert self._layout is not None, f"nothing of {self._dataset.name} is CVDF's"
        self._index = index = Index(self._dataset)
        self._labels = {label: plain(label) for label in self._dataset.labels}
        mended = f"{self._base}/{self._layout.mended}" if self._layout.mended else ""
        of = self._dataset.splits_of(None)
        allowance = Allowance(self._selection.limit if self._selection.shared else None)
        deals = []
        for name, several in by_split(wants, lambda clip: of.get(clip, ()), SPLITS).items():
            split = Split(
                f"{self._dataset.name} {name or 'without a split'}",
                takes=self._selection.takes_video,
                allowance=allowance,
            )
            for want in several:
                split.add(want)
            found = self._archives(name, split, tools) if name else ([], set())
            if found is None:
                return []  # the run is to end
            archives, own = found
            split.archives = len(archives)
            if mended and archives:
                # Every share reads it, for its clips are broken in the archives of all. They have
                # equal rows on several machines, of which tables.unique keeps one.
                archives, own = [mended, *archives], own | {mended}
            dealt = deal(split, archives, index, tools.storage, own)
            if dealt.here or dealt.readings or split.wants:
                deals.append(dealt)
        first = mended_first(mended, deals, index) if mended else None
        return list(units_of(deals, first))

    def fetch(self, unit: Unit, tools: Tools) -> Iterator[Arrived | Refused]:
        """Bring what an archive has of what is wanted; after a split's last one refuse the rest."""
        yield from unit.here
        if unit.reading is not None:
            unit.reading.wait(tools.stop)
            try:
                if not tools.stop.is_set():
                    yield from read(unit.reading, self._index, self._line, tools)
            finally:
                unit.reading.done.set()
        if tools.stop.is_set():
            return
        for split in unit.splits:
            if split.end():
                classes = self._classes(split) if split.by_class and split.unread else None
                yield from refusals(split, classes, set(self._labels.values()))
                for one in split.unread if split.others else ():
                    tools.pace.say(f"{one.message}; the same command asks for it again")

    def _archives(self, name: str, split: Split, tools: Tools) -> tuple[list[str], set[str]] | None:
        """Return the archives that can hold clips of a split, and which of its archives are this
        share's: by their place among all, which is the same for all machines whatever they want.

        None when the run is to end. The list is not asked for again once all of these that are
        this share's were read to their end.
        """
        assert self._layout is not None
        where = self._layout.list_of(self._base, name)
        split.by_class = name in self._layout.by_class
        wanted = set(self._classes(split).values()) if split.by_class else {""}
        known = set(self._labels.values())
        listed = self._index.listed(where)
        archives, own = in_question(listed, wanted, known), self._own(listed)
        if listed and all(self._index.known(url) for url in archives if url in own):
            return archives, own
        data = list_at(where, tools)
        if data is None:
            return None
        listed = archives_in(data, where, self._base)
        self._index.add_list(where, len(data), listed)
        return in_question(listed, wanted, known), self._own(listed)

    def _own(self, listed: Sequence[str]) -> set[str]:
        return {url for place, url in enumerate(listed) if self._selection.takes_place(place)}

    def _classes(self, split: Split) -> dict[str, str]:
        """Return clip_id -> plain class name, "" for none, of what is wanted of a split."""
        ids = {want.clip_id for wants in split.wants.values() for want in wants}
        columns = (self._dataset.clips[name].to_pylist() for name in ("clip_id", "label"))
        return {
            clip: self._labels.get(label, "")
            for clip, label in zip(*columns, strict=True)
            if clip in ids
        }
