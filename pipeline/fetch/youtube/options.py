"""What YoutubeDL is told, each value with its reason: a pure function.

The library's defaults are not the command line's: without these it tries once, prints, and would
load plugins' extractors for any address. No configuration file is read, for only the command line
does that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.fetch.body import Patience
from pipeline.fetch.youtube.javascript import RUNTIMES

# A preference, not a cap: pictures without sound, H.264, over plain HTTP, whose parts can resume.
# Sound alone is no video: it comes where the JavaScript failed, and is told as no format.
FORMAT = "bv*[vcodec^=avc1][protocol^=http]/bv*[vcodec^=avc1]/bv*"
# The nearest to 360 lines, of these the smallest; "+res" would take 144.
FORMAT_SORT = ("res:360", "+size", "+br")
STALL_S = 15.0  # a thread that waits for a dead line ends before the run stops waiting for it


@dataclass(frozen=True)
class Setting:
    """What the options depend on.

    `extractor` is the only one allowed; `wait` sleeps before the n-th retry and returns 0, for it
    has slept; `hook` is told of progress; `cookies` is a stream of its own for each YoutubeDL.
    """

    extractor: str
    patience: Patience
    logger: Any
    ffmpeg: str
    cache: Path
    wait: Callable[[int], float]
    hook: Callable[[dict[str, Any]], None]
    proxy: str | None = None
    cookies: IO[str] | None = None


def options(setting: Setting) -> dict[str, Any]:
    """Return the dictionary for YoutubeDL."""
    patience = setting.patience
    chosen: dict[str, Any] = {
        "format": FORMAT,
        "format_sort": list(FORMAT_SORT),
        # What is fetched. An id is one video, whatever list its page shows it in.
        "noplaylist": True,
        "allowed_extractors": [setting.extractor],
        "skip_unavailable_fragments": False,  # a video with holes is none
        # Endurance: 0 retries unless said.
        "retries": patience.retries,
        "fragment_retries": patience.retries,
        "extractor_retries": patience.retries,
        "retry_sleep_functions": dict.fromkeys(("http", "fragment", "extractor"), setting.wait),
        "socket_timeout": min(patience.stall, STALL_S),
        # Names are ours and stable (see names.py), so that a part is gone on with.
        "continuedl": True,
        "nopart": False,
        "updatetime": False,
        "fixup": "never",  # the decoder reads what players do not
        # Nothing but the video.
        "writeinfojson": False,
        "writedescription": False,
        "writethumbnail": False,
        "writesubtitles": False,
        # Nothing on the terminal: messages go where they are judged.
        "logger": setting.logger,
        "quiet": True,
        "noprogress": True,
        "color": "never",
        # Programs: the ffmpeg that came with us, and any runtime; no downloader of another make
        # (CVE-2026-50574), no component from elsewhere.
        "ffmpeg_location": setting.ffmpeg,
        "js_runtimes": {name: {} for name in RUNTIMES},
        "external_downloader": None,
        "remote_components": (),
        "cachedir": str(setting.cache),
        "progress_hooks": [setting.hook],
    }
    if setting.proxy is not None:  # else the environment's
        chosen["proxy"] = setting.proxy
    if setting.cookies is not None:
        chosen["cookiefile"] = setting.cookies
    return chosen
