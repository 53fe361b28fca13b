"""What every `annotate` verb does with what its reader found: keep it, then look at the videos."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import TypeVar

from manifests import annotations
from manifests.console import Ui
from manifests.errors import ClipmillError
from manifests.reasons import Reason
from manifests.rows import SPLITS, Annotation
from manifests.spec import ClipSpec
from manifests.storage import open_storage
from pipeline import running
from pipeline.acquiring.exchanged import changed_videos, forget_tensors, videos_before
from pipeline.acquiring.nothing import nothing_found, require_place
from pipeline.next_step import after_annotating


def annotate(
    root: str,
    found: Annotation,
    spec: ClipSpec,
    seed: int,
    videos: Path | None,
    options: running.Options,
    ui: Ui,
) -> None:
    """Write the tables of an annotation and look at each clip's video.

    Without `videos` it is where the last annotate said; where none did, none is looked at, and
    `clipmill download` gets those that have a web address. Annotating again looks again
    at the videos that were missing or unreadable, and at those that are others than before.

    Raises:
        ClipmillError: what is packed would no longer be true (labels, ClipSpec, videos), or
            there is no such place; nothing is written then.
    """
    if videos is not None:
        require_place(videos)
    for text in found.notes:
        ui.note(text)
    for text in found.warnings:
        ui.warn(text)
    storage = open_storage(root)
    place = videos_before(storage) if videos is None else videos.absolute()
    changed = changed_videos(storage, found.clips, place) if place else {}
    dataset = annotations.annotate(root, found, spec, seed, str(place or ""))
    if changed:
        ui.note(f"{len(changed):,} clips have another video than before; it is looked at anew")
        forget_tensors(dataset, changed)
    ui.finish(
        {
            "root": dataset.storage.root,
            "clips": len(found.clips),
            "classes": len(found.labels),
            "split_sets": found.split_sets,
            "notes": found.notes,
            "warnings": found.warnings,
        }
    )
    ui.table(
        f"annotated {dataset.name} into {dataset.storage.root}",
        ("split set", "train", "val", "test"),
        [(name, *_counts(found, name)) for name in found.split_sets],
    )
    lacking = None
    if place is not None:
        options = dataclasses.replace(options, changed=changed)
        [looked] = running.run(root, ["download"], options, ui)
        if lacking := nothing_found(dataset, found.clips, looked.reasons[Reason.MISSING]):
            ui.finish({"warnings": [*found.warnings, lacking]})
            ui.warn(lacking)
    ui.note(f"Next: {after_annotating(dataset, bool(lacking), bool(changed))}")


def _counts(found: Annotation, split_set: str) -> list[int]:
    mine = Counter(row.split for row in found.splits if row.split_set == split_set)
    return [mine[split] for split in SPLITS]


W = TypeVar("W", bound=str)


def val_option(text: str, word: W) -> float | W:
    """Return --val as a fraction, or the word that an annotator knows."""
    if text == word:
        return word
    try:
        return float(text)
    except ValueError:
        raise ClipmillError(
            f"--val {text!r}; expected a fraction such as 0.1, 0 for none, or the word {word}."
        ) from None
