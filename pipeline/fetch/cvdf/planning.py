"""What is to be read, by what earlier runs know of archives: lists asked for, clips dealt out.

Some seconds for half a million clips; a list is asked for only where an archive is to be read that
is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from manifests.storage import Storage
from pipeline.acquiring.locate import own_stem
from pipeline.fetch.cvdf.index import Index
from pipeline.fetch.cvdf.reading import Reading
from pipeline.fetch.cvdf.wanted import Split, stem_of_want
from pipeline.fetch.source import Arrived, Want

MANY = 100  # files that are there already, looked at by one thread


@dataclass(frozen=True)
class Unit:
    """Files that are there already, or an archive to read; without either its splits only end."""

    splits: list[Split]
    here: Sequence[Arrived] = ()
    reading: Reading | None = None


@dataclass
class Deal:
    """What becomes of a split's clips: files that are there, and archives to read in this order."""

    split: Split
    here: list[Arrived] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)


def by_split(
    wants: Iterable[Want], splits_of: Callable[[str], Sequence[str]], order: Sequence[str]
) -> dict[str, list[Want]]:
    """Return the clips of each split, in this order; "" is none. One in several is in the first."""
    found: dict[str, list[Want]] = {name: [] for name in (*order, "")}
    for want in wants:
        splits = splits_of(want.clip_id)
        found[next((name for name in order if name in splits), "")].append(want)
    return {name: several for name, several in found.items() if several}


def deal(
    split: Split,
    archives: Sequence[str],
    index: Index,
    storage: Storage,
    own: Collection[str] | None = None,
) -> Deal:
    """Find each clip that is known in the first archive that has it, or on the disk already.

    Archives that are not known are to be read where clips are in none that is. Only `own` ones are
    read, None for all: of the split remains what can be in these, or is this share's to refuse.
    """
    own = archives if own is None else own
    result = Deal(split)
    free = set(split.wants)
    for url in archives:
        held: set[str] = set()
        for name, size in index.members(url):
            stem, _, extension = name.rpartition(".")
            if stem not in free:
                continue
            free.discard(stem)
            want = split.wants[stem][0]
            file = f"{own_stem(want.source, stem)}.{extension}"
            if url not in own:
                del split.wants[stem]
            elif storage.size(file) != size:
                held.add(stem)
                split.held[stem] = url
            elif wants := split.take(stem):
                result.here.append(Arrived(wants, file, stem_of_want(want)[1]))
        if held:
            result.readings.append(Reading(url, [split], held))
    unknown = [url for url in archives if not index.known(url)]
    unread = [url for url in unknown if url in own]
    split.others = len(unknown) - len(unread)
    if free and unread:
        result.readings += [Reading(url, [split]) for url in unread]
    else:
        for stem in free.difference(split.lacking()):
            del split.wants[stem]
    return result


def mended_first(mended: str, deals: Sequence[Deal], index: Index) -> Reading | None:
    """Take the archive of mended clips out of all splits' readings, to be read before the others.

    It is also asked for when it was not there in an earlier run, if anything is.
    """
    own = [one for each in deals for one in each.readings if one.url == mended]
    for each in deals:
        each.readings = [one for one in each.readings if one.url != mended]
    others = [one for each in deals for one in each.readings]
    if not own and not (others and (index.lacks(mended) or not index.known(mended))):
        return None
    expected = {stem for one in own for stem in one.expected}
    first = Reading(mended, [each.split for each in deals], expected, may_lack=True)
    for one in others:
        one.after = first.done
    return first


def units_of(deals: Sequence[Deal], first: Reading | None) -> Iterator[tuple[Unit, int]]:
    """Yield units of work with their numbers of clips; each split's number of units is noted."""
    units: list[Unit] = [] if first is None else [Unit(first.splits, reading=first)]
    here: list[tuple[Unit, int]] = []
    for each in deals:
        alone = [each.split]
        for at in range(0, len(each.here), MANY):
            some = each.here[at : at + MANY]
            here.append((Unit(alone, some), sum(len(one.wants) for one in some)))
        units += [Unit(alone, reading=one) for one in each.readings]
        if not each.readings and not (first and each.split in first.splits):
            units.append(Unit(alone))
    for unit in (*units, *(one for one, _ in here)):
        for split in unit.splits:
            split.ends += 1
    # Nobody knows how many clips an archive will give: they are spread evenly.
    left = sum(map(_coming, deals))
    if deals and (most := deals[0].split.allowance.left) is not None:
        left = min(left, most)
    yield from here
    for place, unit in enumerate(units):
        yield unit, left * (place + 1) // len(units) - left * place // len(units)


def _coming(each: Deal) -> int:
    """Return about how many clips of a split will have an outcome, where other shares read too."""
    split = each.split
    clips = sum(map(len, split.wants.values()))
    if not split.others:
        return clips
    held = sum(len(split.wants.get(stem, ())) for stem in split.held)
    unread = sum(not one.expected for one in each.readings)
    return held + math.ceil((clips - held) * unread / (unread + split.others))
