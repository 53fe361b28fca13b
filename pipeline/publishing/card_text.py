"""What a dataset card says in words: splits, classes, ClipSpec, how to read it, whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from manifests.console import size
from manifests.dataset import Dataset
from manifests.spec import ClipSpec
from pipeline.publishing.card_header import HUB_SPLITS

_SOURCES = {
    "kinetics": "Kinetics is lists of parts of YouTube videos: the videos are their owners', and a "
    "list gives no right to them.",
    "ucf101": "UCF101 is clips of YouTube videos, collected by the Center for Research in Computer "
    "Vision of the University of Central Florida: the terms are to be checked on its page of "
    "UCF101.",
    "hmdb51": "HMDB51 is clips of films and of videos from the web, collected by the Serre Lab of "
    "Brown University: the terms are to be checked on its page of HMDB.",
}
_ALL_CLASSES = 30  # shown at once; more are folded

_SAMPLING = {
    "stride": "one frame in {rate:g}",
    "fps": "frames at {rate:g} a second, by their timestamps",
    "uniform": "frames spread over the whole span",
}
_FIT = {
    "crop": "scaled by its short side, then cut to the centre",
    "stretch": "stretched, whatever its aspect ratio",
    "pad": "scaled whole and filled up with black",
}
_CODEC = {
    "raw": "an uncompressed uint8 `.npy` of shape {shape}",
    "jpeg": "one q95 JPEG strip, its {frames} frames one below the other",
}


def body(dataset: Dataset, facts: dict[str, Any], licence: str | None) -> str:
    """Return the card below its front matter."""
    sets = facts["sets"]
    parts = [
        f"# {_plain(dataset.name)}",
        f"{facts['clips']:,} clips of {len(dataset.labels):,} classes, decoded once into "
        "[WebDataset](https://github.com/webdataset/webdataset) shards by clipmill. "
        f"What is there has one name, whatever shards it lies in: `sha256:{facts['sha256']}`.",
        "## Splits",
        _table(
            ("split set", "split", "clips", "asked for"),
            [(one["split_set"], one["split"], one["packed"], one["asked"]) for one in sets],
        ),
        f"Shards follow the first set, `{dataset.split_sets[0]}`; other sets choose their clips "
        "from all shards by `manifests/splits.parquet`.",
        _table(
            ("split", "in `datasets`", "shards", "samples", "size"),
            (
                (
                    one["split"],
                    HUB_SPLITS.get(one["split"], one["split"]),
                    one["shards"],
                    one["samples"],
                    size(one["bytes"]),
                )
                for one in facts["shards"]
            ),
        ),
        *_dropped(facts["dropped_in_shards"]),
        "## What a clip is",
        in_words(dataset.spec),
        _table(("ClipSpec", "value"), dataset.spec.as_dict().items()),
        f"Digest of the ClipSpec: `{dataset.spec.digest}`.",
        "## How to read it",
        _reading(dataset.spec),
        "## Classes",
        _classes(dataset.labels, facts["classes"]),
        "## Sources and licence",
        _rights(facts["datasets"], licence),
    ]
    return "\n" + "\n\n".join(parts) + "\n"


def in_words(spec: ClipSpec) -> str:
    """Return a ClipSpec as a sentence."""
    taken = _SAMPLING[spec.sampling].format(rate=spec.rate)
    codec = _CODEC[spec.codec].format(shape=spec.shape, frames=spec.frames)
    several = (
        f" Clips of test are stored as {spec.views} such views spread over the span, each a sample "
        "of its own (`CLIP@v0`, `CLIP@v1`, ...)."
        if spec.views > 1
        else ""
    )
    return (
        f"Of each video's span {spec.frames} RGB frames are stored: {taken}. A picture becomes "
        f"{spec.height}x{spec.width} (height x width): {_FIT[spec.fit]}. In the tar a clip is "
        f"{codec}, with its class number in `.cls` (-1: none) and where it comes from in `.json`. "
        "A span too short for its stride takes the largest stride that fits, then runs backwards; "
        f"what was done stands in each clip's `.json`.{several}"
    )


def _reading(spec: ClipSpec) -> str:
    if spec.codec == "raw":
        key, pixels = "npy", 'clip["npy"].astype("uint8")'
    else:
        key, pixels = "jpg", f'clip["jpg"].reshape{spec.shape}'
    decode = 'wds.WebDataset("shards/train-000000.tar", shardshuffle=False)'
    decode += ".decode()" if spec.codec == "raw" else '.decode("rgb8")'
    return f"""With Hugging Face `datasets`, from this folder:

```python
import datasets

clips = datasets.load_dataset("PATH/OF/THIS/FOLDER", streaming=True).with_format("numpy")
clip = next(iter(clips["train"]))
pixels = {pixels}  # {spec.shape}: time, height, width, RGB
label = clip["cls"]
```

With clipmill: `clipmill train --root DIR --run RUN`. With `tar tf`, or with webdataset:

```python
import webdataset as wds

for clip in {decode}:
    ...  # clip["{key}"], clip["cls"], clip["json"]
```"""


def _classes(labels: Sequence[str], counts: dict[int | None, int]) -> str:
    rows = [(number, label, counts.get(number, 0)) for number, label in enumerate(labels)]
    if counts.get(None):
        rows.append((-1, "(no label)", counts[None]))
    table = _table(("number", "class", "clips"), rows)
    if len(rows) <= _ALL_CLASSES:
        return table
    return f"<details><summary>{len(labels):,} classes</summary>\n\n{table}\n\n</details>"


def _dropped(clips: list[str]) -> list[str]:
    if not clips:
        return []
    return [
        f"{len(clips):,} samples were dropped after they were packed: shards never change, so they "
        "are still in the tars (and in the numbers of samples above). clipmill passes them over; "
        "other readers must leave out the keys in `manifests/dropped`. Do not publish these shards."
    ]


def _rights(datasets: list[str], licence: str | None) -> str:
    lines = [f"Annotated as: {', '.join(_plain(name) for name in datasets)}."]
    lines += [
        text for name, text in _SOURCES.items() if any(one.startswith(name) for one in datasets)
    ]
    if licence:
        lines.append(f"Licence, as stated by whoever made this folder: {_plain(licence)}.")
    else:
        lines.append(
            "**The licence is not stated.** clipmill does not know it: the owner of this folder is "
            "asked to say here (`clipmill card --license …`) under what terms videos and lists "
            "came, and what others may do with these clips."
        )
    lines.append(
        "Whoever owns a video can have it taken out: `clipmill drop --root DIR --ids ID` keeps its "
        "clips out from then on."
    )
    return "\n\n".join(lines)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else _plain(str(value))


def _plain(text: str) -> str:
    """Return a text that Markdown takes letter for letter, in one line."""
    spaced = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in spaced)
