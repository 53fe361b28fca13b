"""`annotate kinetics` and `status` of 480,000 clips: seconds and peak memory of each process.

Makes lists like the real ones (600 classes, ids of eleven characters, a test without labels) and
annotates them without videos and with an empty folder of videos, which gives every clip a row.
Writes results/annotate.json. The bounds are 15 seconds and 1 GB.
"""

from __future__ import annotations

import csv
import json
import random
import string
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import about, in_child, keep, measured

CLIPS = {"train": 400_000, "val": 30_000, "test": 50_000}
CLASSES = 600
ALPHABET = string.ascii_letters + string.digits + "_-"
WORDS = [
    "catching",
    "throwing",
    "playing",
    "person's",
    "head",
    "(in",
    "game)",
    "American",
    "football",
    "piano",
    "snow",
]


def write_lists(folder: Path) -> None:
    """Write one CSV a split, the same ones every time."""
    rng = random.Random(0)
    labels = [f"{' '.join(rng.sample(WORDS, 3))} {number}" for number in range(CLASSES)]
    for split, clips in CLIPS.items():
        with (folder / f"kinetics-600_{split}.csv").open("w", newline="") as handle:
            writer = csv.writer(handle)
            header = ["label", "youtube_id", "time_start", "time_end", "split"]
            writer.writerow(header if split != "test" else header[1:])
            for number in range(clips):
                start = int(rng.expovariate(1 / 80))
                row = ["".join(rng.choices(ALPHABET, k=11)), start, start + 10, split]
                writer.writerow(row if split == "test" else [labels[number % CLASSES], *row])


def annotate(lists: str, root: str, videos: str = "") -> None:
    """Do what the verb does, in this process; without `videos` none is looked at."""
    from manifests.console import Ui
    from manifests.spec import ClipSpec
    from pipeline import annotating, running
    from pipeline.annotate.kinetics import read_kinetics

    found = read_kinetics(Path(lists))
    place, options = Path(videos) if videos else None, running.Options(retry="failed")
    annotating.annotate(root, found, ClipSpec(), 0, place, options, Ui())


def status(root: str) -> None:
    """Do what `clipmill status` does, in this process."""
    from manifests.console import Ui
    from manifests.dataset import Dataset
    from pipeline import status as reporting

    reporting.show(reporting.status(Dataset.open(root), None), Ui())


def main() -> None:
    """Measure both verbs, twice, and keep what came of it."""
    with tempfile.TemporaryDirectory() as temporary:
        lists, empty = Path(temporary) / "lists", Path(temporary) / "empty"
        lists.mkdir()
        empty.mkdir()
        write_lists(lists)
        result: dict[str, Any] = {"machine": about(), "clips": sum(CLIPS.values())}
        for name, videos in (("", ""), ("_with_videos", str(empty))):
            root = f"{temporary}/root{name}"
            result[f"annotate{name}"] = measured(__file__, "annotate", str(lists), root, videos)
            result[f"status{name}"] = measured(__file__, "status", root)
    print(json.dumps(result, indent=1))
    print("written to", keep("annotate", result))


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else in_child({"annotate": annotate, "status": status})
