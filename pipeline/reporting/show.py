"""A status report as a person reads it."""

from __future__ import annotations

from typing import Any

from manifests.console import Ui, clock, size

WORST = 10
FUNNEL = ("asked", "acquired", "packed", "pending", "failed", "gone")


def show(report: dict[str, Any], ui: Ui, every_class: bool = False) -> None:
    """Print a report; with `every_class` all classes instead of the worst ten."""
    _funnel(report, ui)
    if report["official"]:
        _official(report["official"], ui)
    (_all_classes if every_class else _worst_classes)(report["classes"], ui)
    _failures(report, ui)
    _acquired(report["acquired"], ui)
    for one in report["budgets"]:
        _budget(one, ui)
    if report["dropped"]:
        ui.note(f"{report['dropped']:,} clips of the lists were dropped; no number above has them")
    for one in report["again"]:
        if one["command"] != report["next"]:
            reasons = ", ".join(one["reasons"])
            ui.note(f"To try {one['clips']:,} failed clips again ({reasons}): {one['command']}")
    ui.note(f"{report['shards']:,} shards, {size(report['bytes'])}. Next: {report['next']}")


def _funnel(report: dict[str, Any], ui: Ui) -> None:
    rows = [
        (name, *(counts[column] for column in FUNNEL), part(counts["held"], counts["asked"]))
        for name, counts in report["splits"].items()
    ]
    if len(rows) > 1:
        sums = {name: sum(x[name] for x in report["splits"].values()) for name in (*FUNNEL, "held")}
        rows.append(("all", *(sums[name] for name in FUNNEL), part(sums["held"], sums["asked"])))
    title = f"{report['name']} ({report['split_set']})"
    ui.table(title, ("split", *FUNNEL, "% here"), rows)


def _official(found: dict[str, Any], ui: Ui) -> None:
    """What the list asks for, what the reference had, what is here."""
    reference = found["reference"]
    ui.table(
        f"against {reference} of {found['data_set']}",
        ("split", reference, "asked", "here", "of asked", f"of {reference}"),
        [
            (
                " and ".join(one["splits"]),
                one["official"],
                one["asked"],
                one["held"],
                part(one["held"], one["asked"]),
                part(one["held"], one["official"]),
            )
            for one in found["splits"]
        ],
    )
    others = [
        f"{name} {' / '.join(f'{count:,}' for count in counts.values())}"
        for name, counts in found["releases"].items()
        if name != reference
    ]
    if others:
        ui.note(f"Also known (train / val / test): {'; '.join(others)}")


def _worst_classes(classes: dict[str, Any], ui: Ui) -> None:
    """The classes of which most is missing."""
    lacking = [
        (name, counts) for name, counts in classes.items() if counts["packed"] < counts["asked"]
    ]
    if lacking:
        whole = len(classes) - len(lacking)
        ui.table(
            f"{whole:,} of {len(classes):,} classes are whole; the worst others",
            ("class", "asked", "acquired", "packed", "coverage"),
            [
                (
                    name,
                    counts["asked"],
                    counts["acquired"],
                    counts["packed"],
                    part(counts["packed"], counts["asked"]),
                )
                for name, counts in lacking[:WORST]
            ],
        )


def _all_classes(classes: dict[str, Any], ui: Ui) -> None:
    ui.table(
        "classes, the worst covered first",
        ("class", *FUNNEL, "% here", "% packed"),
        [
            (
                name,
                *(counts[column] for column in FUNNEL),
                part(counts["held"], counts["asked"]),
                part(counts["packed"], counts["asked"]),
            )
            for name, counts in classes.items()
        ],
    )


def _failures(report: dict[str, Any], ui: Ui) -> None:
    """Why clips failed, over all splits and in each."""
    rows = [
        (
            one["stage"],
            one["reason"],
            one["failed"],
            one["gone"],
            one["meaning"],
            f"{one['example']}: {one['message']}",
        )
        for one in report["failures"]
    ]
    if not rows:
        return
    columns = ("stage", "reason", "failed", "gone", "meaning", "for example")
    ui.table("why clips failed", columns, rows)
    if len(report["splits"]) > 1:
        ui.table(
            "why clips failed, by split",
            ("split", "failed", "gone"),
            [
                (name, *(_listed(counts["reasons"][verdict]) for verdict in ("failed", "gone")))
                for name, counts in report["splits"].items()
                if counts["failed"] or counts["gone"]
            ],
        )


def _listed(reasons: dict[str, int]) -> str:
    return ", ".join(f"{name or 'no reason'} {count:,}" for name, count in reasons.items())


def _acquired(found: dict[str, Any], ui: Ui) -> None:
    if found["via"]:
        ui.table(
            "where videos came from",
            ("source", "clips", "files", "bytes"),
            [(name, x["clips"], x["files"], size(x["bytes"])) for name, x in found["via"].items()],
        )


def _budget(one: dict[str, Any], ui: Ui) -> None:
    if one["closed_s"]:
        blocked = f"blocks this address ({one['blocks']} in a row)" if one["blocks"] else "rests"
        ui.note(f"{one['host']} {blocked} until {one['closed_until']}, {clock(one['closed_s'])}")
    else:
        ui.note(f"{one['host']}: {one['requests']:,} requests may go at once")


def part(count: int, of: int) -> str:
    """Return a share as people read it: whole percents would call 479,900 of 480,000 100%."""
    if not of:
        return ""
    if count == of:
        return "100%"
    # Rounded down, so that what lacks one is not whole.
    return f"{int(1000 * count / of) / 10:.1f}%"
