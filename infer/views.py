"""Where in a stored clip the network looks when it looks more than once.

Pure arithmetic. Several views are averaged as probabilities: what papers call video accuracy, as
against the accuracy of one centre view.
"""

from __future__ import annotations

from manifests.errors import ClipmillError
from manifests.spec import ClipSpec, Window

Position = tuple[slice, slice, slice]


def positions(spec: ClipSpec, window: Window, clips: int, crops: int) -> list[Position]:
    """Return slices of (T, H, W): `clips` windows in time, `crops` places (1 or 3) in each.

    Windows are spread evenly from the first frame to the last; one is in the middle. Three crops
    are the two ends and the middle of the side with more room.

    Raises:
        ClipmillError: more windows than there are places for, or crops that are not 1 or 3.
    """
    window.require_inside(spec)
    room = spec.frames - window.frames
    if not 1 <= clips <= room + 1:
        raise ClipmillError(
            f"--clips {clips}; stored clips of {spec.frames} frames have {room + 1} places for "
            f"windows of {window.frames}. Take 1 to {room + 1}."
        )
    if crops not in (1, 3):
        raise ClipmillError(f"--crops {crops}; expected 1 (centre) or 3 (both ends and centre).")
    starts = _spread(room, clips)
    down, across = spec.height - window.height, spec.width - window.width
    wide = across >= down
    tops = _spread(down, 1 if wide else crops)
    lefts = _spread(across, crops if wide else 1)
    return [
        (
            slice(start, start + window.frames),
            slice(top, top + window.height),
            slice(left, left + window.width),
        )
        for start in starts
        for top in tops
        for left in lefts
    ]


def _spread(room: int, count: int) -> list[int]:
    """Return `count` starts from 0 to `room`, the middle one for a single one."""
    if count == 1:
        return [(room + 1) // 2]
    return [round(place * room / (count - 1)) for place in range(count)]
