"""Statistics and sheets as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manifests.console import Ui, clock, size

_MOST = 6  # values of a column that are named; the others are counted together
_EMPTIEST = 5
_COLUMNS = ("what", "how much", "more")


def show_picture(report: Mapping[str, Any], ui: Ui) -> None:
    """Say where the sheet lies and what is on it."""
    pages = "" if report["pages"] == 1 else f", page {report['page']:,} of {report['pages']:,}"
    clips = len(report["clips"])
    ui.note(
        f"wrote {report['out']} ({report['width']}x{report['height']} pixels, {clips:,} "
        f"clip{'' if clips == 1 else 's'}{pages})"
    )


def show_statistics(report: Mapping[str, Any], ui: Ui) -> None:
    """Print a root's statistics."""
    ui.table(
        f"{report['name']} ({report['split_set']})",
        ("split", "clips", "samples", "shards", "bytes"),
        [
            (name, entry["clips"], entry["samples"], entry["shards"], size(entry["bytes"]))
            for name, entry in report["splits"].items()
        ],
    )
    facts = [*_stored(report["stored"]), *_classes(report["classes"])]
    ui.table("what is packed", _COLUMNS, facts)
    ui.table("of what videos", _COLUMNS, _sources(report["sources"]))
    ui.table("what decoding came to", _COLUMNS, _decoding(report["decoding"]))


def _stored(stored: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    tars = f"in {stored['shards']:,} of {stored['root_shards']:,} shards"
    rows = [
        ("samples", f"{stored['samples']:,}", f"{tars} ({size(stored['root_bytes'])} in all)"),
        ("stored frames", f"{stored['frames']:,}", f"{size(stored['bytes'])} of pixels"),
        ("strides", "", _named(stored["strides"])),
        ("mirrored in time", f"{stored['mirrored']:,}", ""),
    ]
    spread = stored["bytes_a_sample"]
    if spread:
        words = f"{size(spread['min'])} to {size(spread['max'])}"
        rows.insert(2, ("bytes a sample", size(spread["mean"]), words))
    return rows


def _classes(classes: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    spread = classes["samples"]
    if spread is None:
        return [("classes", "0", "")]
    words = f"{spread['min']:,.0f} to {spread['max']:,.0f} samples, median {spread['median']:,.6g}"
    emptiest = sorted(classes["of"].items(), key=lambda item: (item[1], item[0]))[:_EMPTIEST]
    return [
        ("classes", f"{classes['classes']:,}", f"{words}; {classes['empty']:,} are empty"),
        ("the emptiest", "", ", ".join(f"{name} {count:,}" for name, count in emptiest)),
    ]


def _sources(sources: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    rows = [("clips", f"{sources['clips']:,}", f"of {sources['files']:,} files")]
    if spread := sources["duration_s"]:
        rows.append(("durations", f"{spread['median']:.4g} s", _between(spread, " s")))
        rows.append(("together", clock(spread["sum"]), "a file counts once for each of its clips"))
    if spread := sources["bytes"]:
        words = f"{size(spread['min'])} to {size(spread['max'])}"
        rows.append(("bytes a file", size(spread["median"]), words))
    for key, title in (
        ("fps", "frame rates"),
        ("size", "heights x widths"),
        ("codec", "codecs"),
        ("container", "containers"),
        ("rotation", "rotations"),
    ):
        rows.append((title, f"{len(sources[key]):,}", _named(sources[key])))
    return rows


def _decoding(decoding: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    frames, packets = decoding["frames"], decoding["packets"]
    rows = [
        ("frames", f"{frames:,}", f"of {packets:,} packets, {decoding['clips']:,} clips"),
        ("errors", f"{decoding['errors']:,}", f"in {decoding['clips_with_errors']:,} clips"),
    ]
    lacking, worst = decoding["clips_that_lack_frames"], decoding["worst_clip"]
    words = f"the worst: {worst} kept {decoding['worst_kept']:.1%}" if lacking else ""
    return [*rows, ("fewer frames than packets", f"{lacking:,}", words)]


def _between(spread: Mapping[str, float], unit: str) -> str:
    return (
        f"{spread['min']:.4g} to {spread['max']:.4g}{unit}; nine tenths from "
        f"{spread['p5']:.4g} to {spread['p95']:.4g}{unit}"
    )


def _named(found: Mapping[str, int]) -> str:
    """Values with their counts, the most frequent first."""
    words = [f"{value}: {count:,}" for value, count in list(found.items())[:_MOST]]
    rest = list(found.values())[_MOST:]
    if rest:
        words.append(f"{len(rest):,} others: {sum(rest):,}")
    return ", ".join(words)
