"""`--split-set all`: each of a data set's split sets in turn, in a folder of its name."""

from __future__ import annotations

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.rows import CLIP_ID

ALL = "all"
FINISHED = "finished.json"
"""In a folder of runs: the split sets whose runs have come to their end."""


def every(dataset: Dataset) -> tuple[str, ...]:
    """Return the names of all split sets, the default one first.

    Raises:
        ClipmillError: a name that is no plain folder name, so nothing is written elsewhere.
    """
    for name in dataset.split_sets:
        if not CLIP_ID.fullmatch(name):
            raise ClipmillError(
                f"split set {name!r} of {dataset.storage.root} cannot name a folder; expected "
                "letters, digits, - and _. Train and score it alone, by --split-set and its name."
            )
    return dataset.split_sets
