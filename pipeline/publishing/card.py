"""The dataset card: README.md of a root, for people, and for Hugging Face `datasets`.

Says what the tables say (about 5 s for 500,000 clips, most of it the digest); looks at no shard.
A card that somebody wrote in since is not replaced unasked.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import xxhash

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.rows import SPLITS
from manifests.storage import Storage
from pipeline.publishing.card_header import header
from pipeline.publishing.card_text import body
from pipeline.publishing.freeze import digest, frozen_rows

FILE = "README.md"
_MARK = re.compile(r"<!-- clipmill card ([0-9a-f]{16}): .* -->\n\Z")


def write_card(
    dataset: Dataset, out: Path | None, *, licence: str | None = None, force: bool = False
) -> dict[str, Any]:
    """Write a root's card (to its README.md unless told otherwise) and return what it says.

    Raises:
        ClipmillError: nothing is packed, or another text stands there and `force` is not given.
    """
    dataset.require_own_shards()
    facts = gather(dataset)
    if not facts["shards"]:
        raise ClipmillError(
            f"{dataset.storage.root} holds no shard; expected a packed root. Run "
            "`clipmill build --root DIR` first."
        )
    text = card(dataset, facts, licence)
    storage, name = dataset.storage, FILE
    if out is not None:
        storage, name = LocalStorage(out.absolute().parent), out.name
    place = f"{storage.root}/{name}"
    if not force:
        _require_ours(storage, name, place)
    storage.write(name, text.encode())
    return {"file": place, **facts}


def gather(dataset: Dataset) -> dict[str, Any]:
    """Return the numbers of a card: what was asked for, what is there, per split and class."""
    rows = frozen_rows(dataset, None)
    packed = set(rows["clip_id"].to_pylist())
    counts: dict[tuple[str, str], Counter[str]] = {}
    asked = zip(
        *(dataset.splits[name].to_pylist() for name in ("split_set", "split", "clip_id")),
        strict=True,
    )
    for split_set, split, clip in asked:
        found = counts.setdefault((split_set, split), Counter())
        found["asked"] += 1
        found["packed"] += clip in packed
    samples = dataset.parts("samples", dropped=True)
    shards = dataset.parts("shards").group_by("split")
    sums = shards.aggregate([("samples", "sum"), ("bytes", "sum"), ([], "count_all")]).to_pylist()
    classes = dataset.clips.filter(pc.field("clip_id").isin(rows["clip_id"].unique()))
    return {
        "clips": len(packed),
        "sets": [
            {"split_set": name, "split": split, **counts[name, split]}
            for name in dataset.split_sets
            for split in sorted((one for of, one in counts if of == name), key=_order)
        ],
        "shards": [
            {
                "split": row["split"],
                "shards": row["count_all"],
                "samples": row["samples_sum"],
                "bytes": row["bytes_sum"],
            }
            for row in sorted(sums, key=lambda row: _order(row["split"]))
        ],
        "classes": Counter(classes["label_id"].to_pylist()),
        "datasets": sorted(set(dataset.clips["dataset"].to_pylist())),
        "dropped_in_shards": sorted(
            set(samples["clip_id"].to_pylist()) & set(dataset.dropped.to_pylist())
        ),
        "sha256": digest(rows, dataset.spec),
    }


def _order(split: str) -> tuple[int, str]:
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS), split)


def card(dataset: Dataset, facts: dict[str, Any], licence: str | None) -> str:
    """Return the card's text, which ends with a mark by which it is known again."""
    splits = [row["split"] for row in facts["shards"]]
    text = header(dataset.name, licence, splits, dataset.labels, dataset.spec)
    text += body(dataset, facts, licence)
    note = "written by `clipmill card`, which writes over it only while it is as written"
    return f"{text}\n<!-- clipmill card {_hash(text)}: {note} -->\n"


def _require_ours(storage: Storage, name: str, place: str) -> None:
    """Raise where a text stands that is not a card as it was written."""
    try:
        text = storage.read(name).decode()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError):
        text = ""
    mark = _MARK.search(text)
    if mark is None or mark[1] != _hash(text[: mark.start() - 1]):
        raise ClipmillError(
            f"{place} was not written by `clipmill card`, or was changed since. Give another "
            "--out FILE, or --force to write over it."
        )


def _hash(text: str) -> str:
    return xxhash.xxh3_64_hexdigest(text.encode())
