"""Opening a video with libav and feeding its decoder: formats, protocols, flags, damaged packets.

Opening costs about a millisecond. Runs in the decoder child; av is imported when first used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from manifests.reasons import Reason
from pipeline.video.errors import VideoError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Containers of people's own folders too; mp3, wav and flac so that sound alone is "no video".
FORMATS = "avi,mov,mp4,m4a,3gp,matroska,webm,mpegts,flv,mpeg,gif,asf,ogg,mp3,wav,flac"
PROTOCOLS = "fd"
# A frame that is damaged becomes an error that is counted, not a picture with grey blocks.
ERR_DETECT = "explode"


def open_container(fd: int, max_pixels: int, **more: str) -> InputContainer:
    """Open the descriptor's file through libav's `fd:` protocol and no other."""
    import av
    import av.error

    os.lseek(fd, 0, os.SEEK_SET)
    options = {
        "fd": str(fd),
        "protocol_whitelist": PROTOCOLS,
        "format_whitelist": FORMATS,
        "max_pixels": str(max_pixels),
        **more,
    }
    try:
        return av.open("fd:", mode="r", options=options, metadata_errors="ignore")
    except MemoryError:
        raise
    except av.error.ArgumentError as error:  # what libav says of a format off the whitelist
        raise VideoError(Reason.FORMAT, f"{error}; allowed are {FORMATS}") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError(Reason.UNREADABLE, str(error)) from error


def video_stream(container: InputContainer, max_pixels: int) -> VideoStream:
    """Return the first real video stream, ready to decode exactly and on one thread."""
    from av.codec.context import Flags
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
        raise VideoError(Reason.NO_VIDEO, f"no video stream; there are: {kinds}")
    stream = streams[0]
    context: Any = stream.codec_context
    if context is None:
        raise VideoError(Reason.UNREADABLE, "no decoder for the codec of the video stream")
    check_pixels(context.width, context.height, max_pixels)
    context.thread_count = 1
    context.flags |= int(Flags.bitexact)
    context.options = {"err_detect": ERR_DETECT, "max_pixels": str(max_pixels)}
    return stream


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise TOO_LARGE for a picture of more pixels than the limit."""
    if width * height > max_pixels:
        raise VideoError(
            Reason.TOO_LARGE, f"{width}x{height} pixels; the limit is {max_pixels} in all"
        )


def packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Yield the stream's packets; where the container breaks off, the rest is not there."""
    import av.error

    found = container.demux(stream)
    while True:
        try:
            packet = next(found)
        except StopIteration:
            return
        except MemoryError:
            raise
        except (av.error.FFmpegError, OSError):
            return
        if packet.size == 0 and packet.dts is None:
            return  # PyAV's own end mark
        yield packet


def tells_cuts(container: str) -> bool:
    """Whether a packet called corrupt lacks bytes; in MPEG-TS it may follow a mere joint."""
    return container != "mpegts"


def decode(stream: VideoStream, packet: Packet[VideoStream] | None) -> tuple[list[VideoFrame], int]:
    """Return the frames that come out after this packet (None: the rest), and 1 for an error.

    A packet that the file's end has cut off is one: decoders make a picture of what is left of it.
    """
    import av.error

    if packet is not None and packet.is_corrupt and tells_cuts(stream.container.format.name):
        return [], 1
    try:
        return stream.codec_context.decode(packet), 0
    except MemoryError:
        raise
    except av.error.EOFError:
        return [], 0
    except av.error.FFmpegError:
        return [], 1
