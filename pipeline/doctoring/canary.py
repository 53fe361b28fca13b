"""One small request to each that serves videos: does it answer this address now?

At most some twenty seconds where nobody answers. Nothing is fetched but a list and a video's facts.
"""

from __future__ import annotations

import contextlib
from typing import Any

from urllib3.exceptions import HTTPError

from manifests.errors import ClipmillError
from manifests.reasons import MEANING
from pipeline.doctoring.finding import Finding, Patient
from pipeline.fetch.taxonomy import Then, judge

# The first video of all, there since 2005.
VIDEO = "jNQXAC9IVRw"
SECONDS = 8.0
_CURES = {
    Then.PAUSE: "wait some hours; then lower --per-hour, or give --cookies or --proxy",
    Then.STOP: "mend that, and run doctor again",
    Then.GONE: "look at the address: nothing is there",
}
_OTHER = "look at the network, its proxy and its firewall; what needs no download works"


def cvdf(patient: Patient) -> Finding:
    """Ask for the head of a list of CVDF's archives."""
    from pipeline.fetch.body import pool

    url = _list_of(patient)
    heads = {"Range": "bytes=0-1023", "Accept-Encoding": "identity"}
    try:
        response = pool(patient.proxy).request(
            "GET", url, headers=heads, timeout=SECONDS, preload_content=False
        )
        try:
            status, text = response.status, response.read(1024)
        finally:
            response.close()
    except (HTTPError, OSError) as error:
        # Without the wrapping that tells of retries, for there are none.
        return _trouble(url, str(getattr(error, "reason", None) or error))
    if status not in (200, 206):
        return _trouble(url, f"status {status} {response.reason or ''}".strip())
    if b"tar" not in text:
        return _trouble(url, f"{text[:60]!r} is no list of archives")
    return Finding("ok", f"{url} answers")


def _list_of(patient: Patient) -> str:
    """Return the address of the list of val: a mirror may have the data set at hand alone."""
    from manifests.dataset import Dataset
    from pipeline.fetch.cvdf.layout import LAYOUTS

    layout = LAYOUTS["kinetics600"]
    if patient.root is not None:
        with contextlib.suppress(ClipmillError):
            layout = LAYOUTS.get(Dataset.open(str(patient.root)).name, layout)
    return layout.list_of(patient.cvdf, "val")


def youtube(patient: Patient) -> Finding:
    """Ask yt-dlp for the facts of a video that has been there for long."""
    import yt_dlp
    from yt_dlp.utils import YoutubeDLError

    from pipeline.fetch.errors import FetchError
    from pipeline.fetch.youtube.javascript import RUNTIMES
    from pipeline.fetch.youtube.mirror import look
    from pipeline.fetch.youtube.youtube import WATCH

    url = (patient.youtube or WATCH).replace("{id}", VIDEO)
    options: Any = {
        "logger": _Silent(),
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "cachedir": False,
        "socket_timeout": SECONDS,
        "retries": 0,
        "extractor_retries": 0,
        "noplaylist": True,
        "js_runtimes": {name: {} for name in RUNTIMES},
        "allowed_extractors": ["generic" if patient.youtube else "youtube"],
    }
    if patient.proxy is not None:
        options["proxy"] = patient.proxy
    try:
        with yt_dlp.YoutubeDL(options) as session:
            if patient.youtube:
                facts: Any = look(session, url, lambda: None)
            else:
                facts = session.extract_info(url, download=False)
    except (YoutubeDLError, OSError, FetchError) as error:
        return _trouble(url, str(error))
    formats = facts.get("formats") or []
    if not formats:
        return _trouble(url, "no video formats found")
    return Finding("ok", f"{url} answers, with {len(formats)} formats")


def _trouble(url: str, message: str) -> Finding:
    """Return what the taxonomy says of a message; what cannot be reached is no fault of ours."""
    rule = judge(message)
    meaning = MEANING[rule.reason]
    details = {"reason": str(rule.reason), "message": message, "then": rule.then.name}
    words = message.removeprefix("ERROR: ").partition(" (caused by ")[0]
    words = words.partition("; please report")[0]
    return Finding("warn", f"{url}: {meaning} ({words})", _CURES.get(rule.then, _OTHER), details)


class _Silent:
    """A logger of yt-dlp that says nothing: what matters is raised."""

    def debug(self, message: str) -> None:
        """Say nothing."""

    warning = error = info = debug
