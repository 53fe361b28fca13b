"""YouTube as a source: one look at a video serves all its clips, by one file or a piece for each.

A look is one request of the host's budget; a guest session is blocked after some 300 an hour.
What comes is looked at by whoever records it. About 0.3 s for the first look of a thread, then
what YouTube costs.
"""

from __future__ import annotations

import dataclasses
import io
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from manifests.addresses import host_of
from manifests.errors import ClipmillError, StoppedError
from manifests.reasons import Reason
from pipeline.annotate.sources import YOUTUBE, names_host
from pipeline.fetch.errors import FetchError
from pipeline.fetch.source import Arrived, Refused, Tools, Want
from pipeline.fetch.taxonomy import Rule, Then
from pipeline.fetch.youtube import bringing, javascript, mirror, names
from pipeline.fetch.youtube.cookies import read_cookies
from pipeline.fetch.youtube.options import Setting
from pipeline.fetch.youtube.pieces import SMALL, pieces
from pipeline.fetch.youtube.session import Session

WATCH = "https://www.youtube.com/watch?v={id}"
HOST = "www.youtube.com"
# YouTube blocks a guest session after about 300 videos an hour, for hours: slower is faster.
PER_HOUR = 300.0
OWN_HOSTS = frozenset({HOST, "youtube.com", "m.youtube.com", "youtu.be"})
DOMAINS = ("youtube.com", "google.com")  # a login is kept by both
_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_PIECES_OF = ("http", "https", "m3u8", "m3u8_native")  # protocols that ffmpeg can seek in
NO_ID = Rule(Then.GONE, Reason.MISSING, ())
PAST_THE_END = Rule(Then.RETRY, Reason.SHORT, ())

Unit = tuple[Want, ...]


class YouTube:
    """Sources `youtube:ID`, from YouTube or from a mirror that has the videos by id.

    `template` is the address of a video with `{id}` in it; videos of more than `small` bytes may
    be fetched in pieces. A mirror's is that of a file, which comes whole. Rows tell a mirror by its
    own name: what it lacks may still be on YouTube.

    Raises:
        ClipmillError: a template that is none, cookies that cannot be used.
    """

    divides = False

    def __init__(
        self,
        cache: Path,
        template: str | None = None,
        cookies: Path | None = None,
        small: int = SMALL,
    ) -> None:
        self._template = template or WATCH
        self._cache, self._small = cache, small
        if "{id}" not in self._template or not names_host(self._template):
            raise ClipmillError(
                f"--youtube {template}; expected a web address with {{id}} where a video's id "
                "stands, such as https://mirror.example/{id}.mp4."
            )
        name = urlsplit(self._template).hostname or ""
        self._mirror = name not in OWN_HOSTS
        self.name = mirror.NAME if self._mirror else "youtube"
        self.host = host_of(self._template) if self._mirror else HOST
        domains = (name,) if self._mirror else DOMAINS
        self._cookies = None if cookies is None else read_cookies(cookies, domains)
        self._threads = threading.local()

    def serves(self, source: str) -> bool:
        """Whether a source URI names a video of YouTube."""
        return source.startswith(YOUTUBE)

    def units(self, wants: Sequence[Want], tools: Tools) -> list[tuple[Unit, int]]:
        """One unit a video, for all its clips.

        Raises:
            ClipmillError: this machine lacks what YouTube's pages need.
        """
        videos: dict[str, list[Want]] = {}
        for want in wants:
            videos.setdefault(want.source, []).append(want)
        if videos and not self._mirror and (lacking := javascript.lacking()):
            raise ClipmillError(f"YouTube cannot be asked: {lacking}. Then run it again.")
        return [(tuple(several), len(several)) for several in videos.values()]

    def fetch(self, unit: Unit, tools: Tools) -> Iterator[Arrived | Refused]:
        """Bring one video, or pieces of it."""
        source = unit[0].source
        if not _ID.fullmatch(video := source.removeprefix(YOUTUBE)):
            text = f"{video!r} is no id of YouTube: expected 11 letters, digits, - and _"
            yield Refused(unit, NO_ID, text)
            return
        left, failures = list(unit), 0
        for found in names.here(left, tools.storage):
            left = _without(left, found)
            yield found
        while left and not tools.stop.is_set():
            try:
                for found in self._bring(video, left, tools):
                    left, failures = _without(left, found), 0
                    yield found
                names.sweep_unfinished(source, tools.storage)
                return
            except FetchError as error:
                if tools.stop.is_set():
                    return
                failures += 1
                if not self._again(error, failures, tools):
                    yield Refused(left, self._rule(error, tools), error.message)
                    return

    def _again(self, error: FetchError, failures: int, tools: Tools) -> bool:
        """Wait as the error asks; return whether the same video is to be tried again now.

        Raises:
            StoppedError: nothing more can be got on this machine, or from this address.
        """
        rule = error.rule
        if rule.then is Then.STOP:
            raise StoppedError(
                f"{error.message}. That is this machine's: mend it, then run the same command "
                "again; what was finished is kept."
            ) from error
        if rule.then is Then.PAUSE:
            tools.pace.blocked(self.host, error.message, error.after_s)
            return True
        if rule.reason is not Reason.NETWORK or failures > tools.patience.retries:
            return False
        patience = tools.patience
        growing = min(patience.pause * 2 ** (failures - 1), patience.longest_pause)
        tools.stop.wait(growing if error.after_s is None else error.after_s)
        return True

    def _rule(self, error: FetchError, tools: Tools) -> Rule:
        """Return what an error means here; where somebody answered, the line works."""
        rule = mirror.meaning(error.rule) if self._mirror else error.rule
        return dataclasses.replace(rule, line=rule.line and not self._session(tools).answered)

    def _bring(self, video: str, wants: list[Want], tools: Tools) -> Iterator[Arrived | Refused]:
        """Look at a video and bring what its clips need.

        Raises:
            FetchError, StoppedError: see bringing.py.
        """
        tools.pace.ask(self.host, tools.stop)
        if tools.stop.is_set():
            return
        session = self._session(tools)
        info = session.look(self._template.replace("{id}", video))
        size = info.get("filesize") or info.get("filesize_approx")
        found = None
        if info.get("protocol") in _PIECES_OF and str(info.get("url")).startswith("http"):
            found = pieces(wants, info.get("duration"), size, self._small)
        if found is None:
            yield Arrived(wants, bringing.whole(session, info, wants[0].source, tools))
            return
        for piece in found:
            yield bringing.piece_of(session, info, piece, tools)
        for want in set(wants).difference(*(piece.wants for piece in found)):
            text = f"the video ends at {info['duration']} s, the clip begins at {want.start_s} s"
            yield Refused([want], PAST_THE_END, text)

    def _session(self, tools: Tools) -> Session:
        """This thread's YoutubeDL."""
        if not hasattr(self._threads, "session"):
            make = lambda: self._setting(tools)  # noqa: E731
            self._threads.session = Session(tools, self.host, make, direct=self._mirror)
        return self._threads.session

    def _setting(self, tools: Tools) -> Setting:
        import imageio_ffmpeg

        return Setting(
            extractor="generic" if self._mirror else "youtube",
            patience=tools.patience,
            logger=None,
            ffmpeg=imageio_ffmpeg.get_ffmpeg_exe(),
            cache=self._cache,
            wait=lambda n: 0.0,
            hook=lambda status: None,
            proxy=tools.proxy,
            cookies=None if self._cookies is None else io.StringIO(self._cookies),
        )


def _without(wants: list[Want], found: Arrived | Refused) -> list[Want]:
    gone = set(found.wants)
    return [want for want in wants if want not in gone]
