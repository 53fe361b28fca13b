"""The pages on which web servers list a folder: those of nginx, Apache, `python -m http.server`.

What counts is the address of a link: a plain name, or one with a slash for a folder. nginx writes
the bytes behind it; of others nothing but the names is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote

_BEHIND = re.compile(r"\s+\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d\s+(\d{1,18})\s")  # nginx


@dataclass
class Index:
    """Names of a folder's files, with their bytes where the page tells them, and of its folders."""

    files: dict[str, int | None] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


def parse(page: str) -> Index:
    """Return what a page lists; nothing where it lists nothing."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.index


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.index = Index()
        self._link: str | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._link = None
        if tag == "a":
            self._inside = True
            name = plain(dict(attrs).get("href") or "")
            if name.endswith("/"):
                self.index.folders.add(name[:-1])
            elif name:
                self._link = name
                self.index.files.setdefault(name, None)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._link and not self._inside and (found := _BEHIND.match(data + "\n")):
            self.index.files[self._link] = int(found[1])
            self._link = None


def plain(link: str) -> str:
    """Return the name that a link leads to, with a slash for a folder; empty for any other link."""
    link = link.removeprefix("./")
    if re.search(r"[?#:\\]", link):  # sorting, other schemes; a name would have them escaped
        return ""
    name = unquote(link)
    bare = name.removesuffix("/")
    hidden = not bare or bare.startswith(".")
    return "" if hidden or "/" in bare or "\0" in bare else name
