"""A video that ends its decoder child is tried once more, by the other decoder, and no more.

What kills one libav need not kill the other: PyAV's and the ffmpeg binary's are two versions. A
crash costs the restart of a child (0.2 s) beside the second decode. Only the row says who made it:
of a clip in a shard that was adopted after a kill the name is lost. In the tar it would change the
bytes with each accident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from manifests.reasons import Reason
from pipeline.video.decoder import Backend, Decoder
from pipeline.video.errors import VideoError

T = TypeVar("T")
OTHER: Mapping[Backend, Backend] = {"pyav": "ffmpeg", "ffmpeg": "pyav"}


def in_either(
    decoder_of: Callable[[Backend], Decoder], first: Backend, ask: Callable[[Decoder], T]
) -> tuple[T, Mapping[str, str]]:
    """Ask a decoder or, where its child crashes, the other one.

    Returns the answer and, where it is the other one's, its name and versions, for the row.

    Raises:
        VideoError: CRASH with both stories when both fail, or what the first says of the video.
    """
    try:
        return ask(decoder_of(first)), {}
    except VideoError as error:
        if error.reason is not Reason.CRASH:
            raise
        crash = error
    second = OTHER[first]
    other = decoder_of(second)
    try:
        answer = ask(other)
        return answer, {"decoder": second, **other.versions()}
    except VideoError as error:
        raise VideoError(
            Reason.CRASH,
            f"{first}: {crash.message}; then {second}: {error.reason}: {error.message}",
        ) from error
    finally:
        other.close()  # two children would be twice the memory
