"""The command that brings a dataset folder further, and those that try failed clips again.

Every verb that names a next command has it from here. A pure function of counts and of the
sources that can have the clips. Costs nothing.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from manifests.dataset import Dataset
from manifests.reasons import Reason
from pipeline.acquiring.locate import Places
from pipeline.acquiring.nothing import WANTED
from pipeline.annotate.sources import SCHEME, YOUTUBE
from pipeline.reporting.acquired import LOCAL
from pipeline.reporting.lacking import Lacking
from pipeline.reporting.states import WEB, kinds

# What passes by itself, or with another connection, cookies or JavaScript runtime.
_PASSING = {
    Reason.NETWORK,
    Reason.ACCESS,
    Reason.GEO,
    Reason.UNAVAILABLE,
    Reason.NO_FORMAT,
    Reason.BLOCKED,
    Reason.MACHINE,
    Reason.UNKNOWN,
    Reason.TIMEOUT,
    Reason.MEMORY,
    Reason.CRASH,
}
# What the owner of the videos can mend in place.
_CURABLE = _PASSING | {
    Reason.MISSING,
    Reason.EMPTY,
    Reason.FORBIDDEN,
    Reason.CHANGED,
    Reason.UNREADABLE,
}
Serving = Mapping[str, tuple[str, ...]]


class Again(NamedTuple):
    """A command that may bring failed clips: how many, and for which reasons they failed."""

    command: str
    clips: int
    reasons: tuple[str, ...]


def serving(dataset: Dataset) -> Serving:
    """Return for each kind of source the names in --source that can have it, in their order."""
    from pipeline.fetch.network import DEFAULT, SOURCES, Network
    from pipeline.fetch.selection import EVERYTHING

    order = [*DEFAULT, *(name for name in SOURCES if name not in DEFAULT)]
    sources = {
        name: SOURCES[name](dataset, Network(), EVERYTHING) for name in order if name != LOCAL
    }
    places = Places.of(dataset)
    # Sources go by the kind and by the data set, so an example tells.
    examples = {SCHEME: f"{SCHEME}x.mp4", YOUTUBE: f"{YOUTUBE}jNQXAC9IVRw", WEB: f"{WEB}//x.org/x"}
    return {
        kind: tuple(
            name
            for name in order
            if (not places.waits(example) if name == LOCAL else sources[name].serves(example))
        )
        for kind, example in examples.items()
    }


def next_command(
    dataset: Dataset,
    total: Mapping[str, Any],
    groups: Sequence[Lacking],
    again: Sequence[Again],
) -> str:
    """Return the command that brings this folder further.

    `total` are the counts of reporting/funnel.py, `groups` the clips that have no video.
    """
    serve, root = serving(dataset), shlex.quote(dataset.storage.root)
    if _lacks_videos(dataset, total, groups, serve):
        return f"the same `clipmill annotate` with {WANTED}"
    wanted: Counter[str] = Counter()
    for group in groups:
        if group.status == "pending" and (source := _unasked(group, serve)):
            wanted[_command(dataset, source)] += group.clips
    if wanted:
        return wanted.most_common(1)[0][0]
    if total["pending"] and total["pending"] == total["waiting"]:
        return f"clipmill pack --root {root}"  # building would fetch what failed, too
    if total["pending"] and (total["waiting"] or not again):
        return f"clipmill build --root {root}"
    if not total["packed"]:
        return again[0].command if again else f"clipmill build --root {root} --retry all"
    run = shlex.quote(f"runs/{dataset.name}")
    return (
        f"clipmill train --root {root} --run {run} --width 16 "
        f"--frames {min(16, dataset.spec.frames)} --epochs 40 --optimizer adamw --lr 1e-3 "
        "--schedule cosine"
    )


def again_commands(
    dataset: Dataset,
    total: Mapping[str, Any],
    groups: Sequence[Lacking],
    failures: Sequence[Mapping[str, Any]],
) -> list[Again]:
    """Return the commands that may bring failed clips, the one for the most clips first.

    What a source lacks is asked of the next one; what passes is asked of the same one again.
    """
    serve = serving(dataset)
    found: dict[str, Counter[str]] = {}
    for group in groups:
        if group.status == "failed" and (command := _again(dataset, group, serve)):
            found.setdefault(command, Counter())[group.reason] += group.clips
    root = shlex.quote(dataset.storage.root)
    later = [one for one in failures if one["stage"] != "download" and one["failed"]]
    for one in later:
        if one["reason"] in _CURABLE or not total["packed"]:
            command = f"clipmill {one['stage']} --root {root} --retry failed"
            found.setdefault(command, Counter())[one["reason"]] += one["failed"]
    if total["pending"]:  # what is pending comes first
        found = {x: reasons for x, reasons in found.items() if x.startswith("clipmill download")}
    every = [
        Again(command, sum(reasons.values()), tuple(name for name, _ in reasons.most_common()))
        for command, reasons in found.items()
    ]
    return sorted(every, key=lambda one: -one.clips)


def after_annotating(dataset: Dataset, lacking: bool, changed: bool) -> str:
    """Return what to say after an annotation: `lacking` where no video was found by name,
    `changed` where videos are others than before.
    """
    root, serve = shlex.quote(dataset.storage.root), serving(dataset)
    present = kinds(dataset.clips["source"]).unique().to_pylist()
    network = [name for kind in present for name in serve[kind] if name != LOCAL]
    if WEB in present:
        return _command(dataset, network[0])
    if dataset.videos and not lacking:
        return f"clipmill pack --root {root}{' --retry failed' if changed else ''}"
    videos = f"the same command with {WANTED}"
    if network:
        return f"{_command(dataset, network[0])} (or {videos}, where you have them)"
    return f"{videos}; without them nothing can be packed."


def _again(dataset: Dataset, group: Lacking, serve: Serving) -> str:
    """Return the command that may bring a group of failed clips, or nothing."""
    from pipeline.fetch.network import ASKED_AS

    if group.via == LOCAL:
        if (source := _unasked(group, serve)) and source != LOCAL:
            return _command(dataset, source)
        return f"clipmill build --root {shlex.quote(dataset.storage.root)} --retry failed"
    if group.via in ASKED_AS:  # a mirror, whose address the user knows
        source = "" if group.reason in _PASSING else _unasked(group, serve)
        same = f"{_command(dataset, ASKED_AS[group.via])} --youtube ADDRESS --retry failed"
        return _command(dataset, source) if source else same
    if group.reason in _PASSING:
        return f"{_command(dataset, group.via)} --retry failed"
    if source := _unasked(group, serve):
        return _command(dataset, source)
    return (
        "" if group.reason == Reason.NO_SOURCE else f"{_command(dataset, group.via)} --retry failed"
    )


def _unasked(group: Lacking, serve: Serving) -> str:
    """Return the first source that can have these clips and was not asked, or nothing."""
    return next((name for name in serve[group.kind] if name not in group.asked), "")


def _command(dataset: Dataset, source: str) -> str:
    """Return the command that asks a source for what it was not asked for yet."""
    from pipeline.fetch.network import DEFAULT

    root = shlex.quote(dataset.storage.root)
    if source == LOCAL:
        return f"clipmill build --root {root}"
    named = "" if source in DEFAULT else f" --source {source}"
    return f"clipmill download --root {root}{named}"


def _lacks_videos(
    dataset: Dataset, total: Mapping[str, Any], groups: Sequence[Lacking], serve: Serving
) -> bool:
    """Whether no stage can go on before the videos are named: none was, or the wrong place.

    A place that is not there now may come back, as a disk does that is not mounted.
    """
    fetched = any(name != LOCAL for group in groups for name in serve[group.kind])
    if total["held"] or fetched or not groups:
        return False
    only_missing = {group.reason for group in groups} == {Reason.MISSING}
    wrong = only_missing and not total["pending"] and Path(dataset.videos).exists()
    return not dataset.videos or wrong
