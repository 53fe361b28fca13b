"""The files of one video that was looked at: all of it by yt-dlp, or a piece of it by ffmpeg.

A file grows under a name of its own and gets its final one when it is safe on the disk.
"""

from __future__ import annotations

from typing import Any

from pipeline.fetch.errors import FetchError
from pipeline.fetch.partfile import PART
from pipeline.fetch.source import Arrived, Tools
from pipeline.fetch.youtube import cut, names
from pipeline.fetch.youtube.pieces import TAIL_S, Piece
from pipeline.fetch.youtube.session import Session

ROUNDED_S = 1.0  # YouTube tells a video's length in whole seconds


def whole(session: Session, info: dict[str, Any], source: str, tools: Tools) -> str:
    """Bring all of a video; return its name under the root.

    Raises:
        FetchError, StoppedError: see session.py; what came stays for the next time.
    """
    extension = names.extension_of(info.get("ext"))
    name = names.unfinished_name(source, str(info.get("format_id")), extension)
    path = tools.storage.place(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    tools.require_space(int(info.get("filesize") or 0))
    try:
        session.fetch(info, path)
    except FetchError as error:
        if error.status == 416:  # the part is longer than the file: yt-dlp asks for more for ever
            tools.storage.delete(name + PART)
        raise
    return _finished(name, f"{names.whole_stem(source)}.{extension}", tools)


def piece_of(session: Session, info: dict[str, Any], piece: Piece, tools: Tools) -> Arrived:
    """Bring a piece of a video.

    Raises:
        FetchError, StoppedError: see cut.py; nothing stays.
    """
    source, extension = piece.wants[0].source, cut.extension_for(str(info.get("ext")))
    name = names.unfinished_name(source, f"piece-{round(piece.start_s * 1000)}", extension)
    path = tools.storage.place(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    tools.require_space()
    url = str(info["url"])
    asked = cut.Cut(
        url,
        dict(info.get("http_headers") or {}),
        session.cookies_for(url),
        piece.start_s,
        piece.end_s + TAIL_S,
        extension,
    )
    least = min(piece.end_s, float(info["duration"]) - ROUNDED_S)
    ffmpeg = session.ydl.params["ffmpeg_location"]
    try:
        start = cut.run(ffmpeg, asked, path, tools, least)
        final = names.piece_name(source, start, piece.end_s, extension)
        return Arrived(piece.wants, _finished(name, final, tools), start)
    finally:
        tools.storage.delete(name)  # a piece cannot be gone on with


def _finished(name: str, final: str, tools: Tools) -> str:
    """Give a whole file its name once it is safe on the disk; return that name."""
    with tools.storage.part(name, tools.storage.size(name) or 0):
        pass
    tools.storage.publish(name, final)
    return final
