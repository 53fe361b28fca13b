"""A dataset card's YAML front matter, by which Hugging Face `datasets` finds and types the shards.

Scalars are written as JSON strings, which are YAML: no YAML library is needed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from manifests.spec import ClipSpec
from shards.format import EXTENSION

# What `datasets` calls our splits; any other keeps its name.
HUB_SPLITS = {"val": "validation"}
_ABOUT = {
    "clip_id": "string",
    "view": "int64",
    "label": "string",
    "video_id": "string",
    "start_s": "float64",
    "end_s": "float64",
    "stride": "int64",
    "mirrored": "bool",
    "fps": "float64",
    "spec": "string",
}
_COUNTS = ("frames_decoded", "packets", "errors", "rotation")


def header(
    name: str, licence: str | None, splits: Sequence[str], labels: Sequence[str], spec: ClipSpec
) -> str:
    """Return the front matter of a root whose shards belong to `splits`.

    The types are declared, for guessing them from the first clips goes wrong: spans and strides
    may be null there and numbers later, and pixels become lists of lists.
    """
    files = [
        line
        for split in splits
        for line in (
            f"  - split: {HUB_SPLITS.get(split, split)}",
            f"    path: shards/{split}-*.tar",
        )
    ]
    lines = [
        "---",
        f"pretty_name: {quoted(name)}",
        *([f"license: {quoted(licence)}"] if licence else []),
        "task_categories:",
        "- video-classification",
        "tags:",
        "- webdataset",
        "- clipmill",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *files,
        "dataset_info:",
        "  config_name: default",
        "  features:",
        *_pixels(spec),
        *_label(labels),
        "  - name: json",
        "    struct:",
        *(f"    - name: {key}\n      dtype: {kind}" for key, kind in _ABOUT.items()),
        "    - name: indices\n      sequence: int64",
        "    - name: counts\n      struct:",
        *(f"      - name: {key}\n        dtype: int64" for key in _COUNTS),
        "  - name: __key__\n    dtype: string",
        "  - name: __url__\n    dtype: string",
        "---",
    ]
    return "\n".join(lines) + "\n"


def _pixels(spec: ClipSpec) -> list[str]:
    if spec.codec == "jpeg":
        return [f"  - name: {EXTENSION[spec.codec]}", "    dtype: image"]
    shape = ", ".join(map(str, spec.shape))
    return [
        f"  - name: {EXTENSION[spec.codec]}",
        "    dtype:",
        "      array4_d:",
        f"        shape: [{shape}]",
        "        dtype: uint8",
    ]


def _label(labels: Sequence[str]) -> list[str]:
    if not labels:
        return ["  - name: cls", "    dtype: int64"]
    names = [f"          '{number}': {quoted(label)}" for number, label in enumerate(labels)]
    return ["  - name: cls", "    dtype:", "      class_label:", "        names:", *names]


def quoted(text: str) -> str:
    """Return a YAML string: JSON's, with what cannot be printed as escapes that YAML knows."""
    return "".join(
        letter if letter.isprintable() else f"\\U{ord(letter):08x}"
        for letter in json.dumps(text, ensure_ascii=False)
    )
