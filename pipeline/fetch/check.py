"""Nothing counts until it was looked at: what a file that came over a network must be.

The packets are held against the length that the header claims, so that a body cut short under a
whole header does not pass, and against the clip's span. Nothing is read for it: see video/probe.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from manifests.reasons import Reason
from pipeline.fetch.source import Want
from pipeline.video.errors import VideoError
from pipeline.video.probe import Probe

# Headers round, and some claim a frame more than there is.
SLACK_S = 0.5
# A video may end before its clip does, but not before most of it.
LEAST = 0.5


def require_whole(probe: Probe) -> None:
    """Raise CORRUPT when fewer pictures came than the header claims."""
    if probe.missing_packets:
        there = probe.packets
        text = f"{probe.missing_packets:,} pictures of {there + probe.missing_packets:,} are not"
        raise VideoError(Reason.CORRUPT, f"{text} there or not whole: it is cut")
    if probe.missing_s > SLACK_S:
        claimed = probe.duration_s + probe.missing_s
        text = f"{probe.duration_s:.2f} s of pictures, {claimed:.2f} s in the header: it is cut"
        raise VideoError(Reason.CORRUPT, text)


def require_span(probe: Probe, wants: Iterable[Want], start_s: float) -> None:
    """Raise SHORT when a file that begins at `start_s` of the source holds too little of a clip."""
    for want in wants:
        begin, end = want.start_s or 0.0, want.end_s
        if end is None:
            continue
        held = start_s + probe.duration_s - begin
        if held < LEAST * (end - begin):
            text = f"it ends {max(held, 0.0):.2f} s after the clip begins, which lasts "
            raise VideoError(Reason.SHORT, f"{text}{end - begin:.2f} s")
