"""Which parts of a video are fetched: all of it, or a piece for each of its clips. Pure.

A whole file resumes after a drop and serves later clips; a piece is what a long video is fetched
for, where a clip of ten seconds would cost an hour's bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.fetch.source import Want

SMALL = 8 << 20  # bytes; some four minutes of 360 lines: not worth a piece's requests
SHARE = 0.25  # of the video; above it pieces save less than a whole file is worth
LEAD_S = 5.0  # how far the key frame lies before a clip, as YouTube encodes
TAIL_S = 1.0  # fetched past the end: a cut ends by decoding order, not by display order
NEAR_S = 10.0  # clips so near to each other cost less together


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a video, in seconds, and the clips that it is for."""

    start_s: float
    end_s: float
    wants: tuple[Want, ...]


def pieces(
    wants: Sequence[Want], duration_s: float | None, size: int | None, small: int = SMALL
) -> list[Piece] | None:
    """Return the pieces to fetch of a video, None for all of it.

    All of it where its length is not known, where a clip has no span, and where that is cheap.
    Clips that begin after its end are in no piece.
    """
    if duration_s is None or any(want.start_s is None or want.end_s is None for want in wants):
        return None
    if size is not None and size <= small:
        return None
    found: list[Piece] = []
    for want in sorted(wants, key=lambda want: (want.start_s, want.end_s)):
        start, end = want.start_s or 0.0, want.end_s or 0.0
        if start >= duration_s:
            continue
        if found and start - found[-1].end_s <= NEAR_S:
            last = found[-1]
            found[-1] = Piece(last.start_s, max(last.end_s, end), (*last.wants, want))
        else:
            found.append(Piece(start, end, (want,)))
    fetched = sum(piece.end_s - piece.start_s + LEAD_S + TAIL_S for piece in found)
    return None if fetched > SHARE * duration_s else found
