"""One YoutubeDL of one thread: what yt-dlp does for us, with its failures as ours."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from manifests.errors import ClipmillError
from pipeline.fetch.errors import FetchError
from pipeline.fetch.partfile import PART
from pipeline.fetch.source import Tools
from pipeline.fetch.youtube import mirror
from pipeline.fetch.youtube.messages import failure, plain, warned
from pipeline.fetch.youtube.options import Setting, options

KEPT = 20  # warnings of one video


@dataclass
class Log:
    """yt-dlp's logger: keeps warnings and errors of one video and prints nothing."""

    lines: list[str] = field(default_factory=list)

    def debug(self, message: str) -> None:
        """Progress and chatter."""

    def info(self, message: str) -> None:
        """Chatter."""

    def warning(self, message: str, *, once: bool = False) -> None:
        """Keep it."""
        self.lines = [*self.lines, plain(message)][-KEPT:]

    def error(self, message: str) -> None:
        """Raised as well, so not kept."""


class Session:
    """A YoutubeDL, made when it is first used and never shared by threads.

    With `direct` an address is a video's file or nothing: no extractor is asked. `answered` says
    whether anybody has answered since the last look began.
    """

    def __init__(
        self, tools: Tools, host: str, make: Callable[[], Setting], direct: bool = False
    ) -> None:
        import yt_dlp
        from yt_dlp.globals import plugin_dirs

        plugin_dirs.value = []  # code that lies about on this machine is not run
        self._tools, self._host, self._direct, self.log = tools, host, direct, Log()
        self.answered = False
        self._progress = _Progress(tools)
        setting = replace(make(), logger=self.log, wait=self._wait, hook=self._progress)
        self.ydl: Any = yt_dlp.YoutubeDL(options(setting), auto_init=True)  # type: ignore[arg-type]

    def _wait(self, n: int) -> float:
        """Sleep before the n-th retry, ever longer; wakes up when the run is to end."""
        patience = self._tools.patience
        if self._tools.stop.wait(min(patience.pause * 2**n, patience.longest_pause)):
            raise FetchError("interrupted")
        return 0.0

    def look(self, url: str) -> dict[str, Any]:
        """Return what yt-dlp knows of one video, the chosen format included.

        Raises:
            FetchError: there is none that can be had.
        """
        self.log.lines, self.answered = [], False
        try:
            info = self._judged("", lambda: self._asked(url))
        except FetchError as error:
            self.answered |= error.status is not None
            raise warned(error, self.log.lines) from error
        self.answered = True
        self._tools.pace.answered(self._host)
        if not isinstance(info, dict) or info.get("_type", "video") != "video":
            raise FetchError("there is a list of videos at this address, one was expected")
        if info.get("live_status") in ("is_live", "is_upcoming", "post_live"):
            raise FetchError(f"a live stream that is not over ({info['live_status']})")
        return info

    def fetch(self, info: dict[str, Any], out: Path) -> None:
        """Bring the chosen format to a file, from where an earlier run left it.

        Raises:
            FetchError: it cannot be had now; what came is kept for later.
            StoppedError: the disk would run full.
        """
        part = Path(f"{out}{PART}")
        self._progress.start(part.stat().st_size if part.exists() else 0)
        prefix = "unable to download video data: "
        done = self._judged(prefix, lambda: self.ydl.dl(str(out), info))
        if not done or not done[0]:
            raise FetchError("connection broken: yt-dlp gave up without a reason")

    def _asked(self, url: str) -> Any:
        if not self._direct:
            return self.ydl.extract_info(url, download=False)

        def answered() -> None:
            self.answered = True

        return mirror.look(self.ydl, url, answered)

    def cookies_for(self, url: str) -> str:
        """Return the cookies for an address as ffmpeg takes them."""
        return "".join(
            f"{one.name}={one.value}; path={one.path}; domain={one.domain};\r\n"
            for one in self.ydl.cookiejar.get_cookies_for_url(url)
        )

    def _judged(self, prefix: str, work: Callable[[], Any]) -> Any:
        """Do it; whatever yt-dlp raises becomes a FetchError."""
        from yt_dlp.networking.exceptions import network_exceptions

        try:
            return work()
        except (FetchError, ClipmillError):
            raise  # our own, out of a hook
        except network_exceptions as error:  # YoutubeDL.process_info words them so
            raise failure(error, self._host, self._tools.pace, prefix) from error
        # A library that reads other people's pages may raise anything: it costs that video alone.
        except Exception as error:
            raise failure(error, self._host, self._tools.pace) from error


class _Progress:
    """yt-dlp's progress hook: the bandwidth of all threads, the disk, and the wish to stop."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.start(0)

    def start(self, known: int) -> None:
        """Begin anew with a file of which so many bytes are here."""
        self._known = known
        self._began, self._moved = time.monotonic(), 0

    def __call__(self, status: dict[str, Any]) -> None:
        tools, patience = self._tools, self._tools.patience
        if tools.stop.is_set():
            raise FetchError("interrupted")
        if status.get("status") != "downloading":
            return
        at = int(status.get("downloaded_bytes") or 0)
        moved = max(0, at - self._known)  # less than known: it begins from the start
        self._known = at
        tools.require_space(int(status.get("total_bytes") or at) - at)
        self._moved += moved
        now = time.monotonic()
        if now - self._began >= patience.window:
            if self._moved < patience.slowest * (now - self._began):
                text = f"timed out: {self._moved} bytes in {now - self._began:.0f} s"
                raise FetchError(text)
            self._began, self._moved = now, 0
        tools.pace.moved(moved, tools.stop)
