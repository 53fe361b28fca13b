"""A user's cookies, read once: what one site may see of them, for each worker's copy in memory.

yt-dlp rewrites the file that it is given, and would send what is in it wherever it is led
(CVE-2026-50019). So it gets neither the file nor other sites' cookies.
"""

from __future__ import annotations

from pathlib import Path

from manifests.errors import ClipmillError

HEADER = "# Netscape HTTP Cookie File\n"
_HTTP_ONLY = "#HttpOnly_"
_FIELDS = 7  # domain, subdomains too, path, secure, expires, name, value
_CURE = (
    "expected the text that a browser's export gives in Netscape's format, seven fields a line "
    "with tabs between them"
)


def read_cookies(file: Path, domains: tuple[str, ...]) -> str:
    """Return the text of a cookie file with the lines of these domains and those below them.

    Raises:
        ClipmillError: it cannot be read, is no such file, or has nothing for the first domain.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise ClipmillError(f"--cookies {file}: {why}; {_CURE}.") from error
    entries = [
        line
        for line in text.splitlines()
        if _is_entry(line) and (line.startswith(_HTTP_ONLY) or not line.startswith("#"))
    ]
    if not entries:
        raise ClipmillError(f"--cookies {file}: no line is a cookie; {_CURE}.")
    kept = [line for line in entries if any(_belongs(line, domain) for domain in domains)]
    if not any(_belongs(line, domains[0]) for line in kept):
        raise ClipmillError(
            f"--cookies {file} holds {len(entries)} cookies and none of {domains[0]}; export them "
            "from a browser that is logged in there."
        )
    return HEADER + "".join(_tidy(line) + "\n" for line in kept)


def _tidy(line: str) -> str:
    """Return a line whose second field says what the dot says; Python's reader fails otherwise."""
    domain, _, *rest = line.split("\t")
    below = str(domain.removeprefix(_HTTP_ONLY).startswith(".")).upper()
    return "\t".join((domain, below, *rest))


def _is_entry(line: str) -> bool:
    fields = line.split("\t")
    return len(fields) == _FIELDS and fields[4].replace(".", "", 1).isdigit() | (not fields[4])


def _belongs(line: str, domain: str) -> bool:
    of = line.removeprefix(_HTTP_ONLY).partition("\t")[0].removeprefix(".").lower()
    return of == domain or of.endswith("." + domain)
