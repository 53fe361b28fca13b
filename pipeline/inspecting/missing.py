"""Why a clip cannot be shown: unknown, or asked for and how far it came."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from manifests import tables
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.reasons import MEANING, Reason

_STAGES = ("pack", "decode", "download")
_CANDIDATES = 5000  # ids compared letter by letter: a tenth of a second


def not_packed(dataset: Dataset, clip: str, known: pa.ChunkedArray) -> ClipmillError:
    """Return the error for a clip that has no row in `samples`; `known` are those that have."""
    if pc.any(pc.equal(dataset.dropped, clip)).as_py():  # type: ignore[attr-defined]
        return ClipmillError(
            f"clip {clip} was dropped from {dataset.storage.root}; what is dropped is not shown. "
            "`manifests/dropped` says when and why."
        )
    asked = dataset.clips["clip_id"]
    if not pc.any(pc.equal(asked, clip)).as_py():  # type: ignore[attr-defined]
        names = pa.chunked_array([*known.chunks, *asked.chunks])
        return ClipmillError(
            f"unknown clip {clip!r}; expected the clip_id of one of {len(asked):,} clips."
            f"{nearest(clip, _candidates(names, clip))}"
        )
    root = shlex.quote(dataset.storage.root)
    for stage in _STAGES:
        own = dataset.parts(stage).filter(pc.field("clip_id") == clip)
        for row in tables.latest(own).select(["status", "reason", "message"]).to_pylist():
            if row["status"] == "done":
                break
            reason = row["reason"] or ""
            meaning = MEANING[Reason(reason)] if reason in set(Reason) else reason
            return ClipmillError(
                f"clip {clip} is asked for, but not packed: {stage} says {row['status']}, "
                f"{reason} ({meaning}): {row['message'] or ''}. Once that is mended, run "
                f"`clipmill build --root {root} --retry {row['status']}`."
            )
    return ClipmillError(
        f"clip {clip} is asked for, but not packed yet: it is pending. "
        f"Run `clipmill build --root {root}`."
    )


def nearest(text: str, names: Sequence[str]) -> str:
    """Return a guess as a sentence with a space before it, or nothing."""
    lower = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(text.casefold(), lower, n=1)
    if not near:
        near = [name for name in lower if text and text.casefold() in name][:1]
    return f" Did you mean {lower[near[0]]!r}?" if near else ""


def _candidates(ids: pa.ChunkedArray, text: str) -> list[str]:
    """Return the ids that hold the rarest third of `text`: few are then compared by letters.

    One letter mistyped leaves two thirds whole:  vid0000777_|000001_0000|11-5de3fX
    """
    step = max(1, -(-len(text) // 3))
    parts = [text[start : start + step] for start in range(0, len(text), step)]
    hits = [ids.filter(pc.match_substring(ids, part, ignore_case=True)) for part in parts]  # type: ignore[attr-defined]
    rarest = min((found for found in hits if len(found)), key=len, default=ids.slice(0, 0))
    return rarest.slice(0, _CANDIDATES).unique().to_pylist()
