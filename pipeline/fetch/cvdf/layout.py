"""Where CVDF keeps what: lists of archives, and what their names tell. Asks nobody, costs nothing.

BASE/400/train/k400_train_path.txt -> BASE/400/train/part_0.tar.gz, ...
BASE/600/train/k600_train_path.txt -> BASE/600/train/abseiling.tar.gz, ... (one a class)
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from manifests.errors import ClipmillError
from pipeline.annotate.sources import is_address

CVDF = "https://s3.amazonaws.com/kinetics"
_OWN = re.compile(rf"https?://{re.escape(CVDF.partition('//')[2])}(?=/)", re.IGNORECASE)
_ENDINGS = (".tar.gz", ".tgz", ".tar")
# What stands in an address as it is; blanks, parentheses and letters of other scripts do not.
_KEPT = "/:?&=%@!$,;+*~[]"
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a data set lies there. `by_class` are the splits with one archive a class; `mended` is
    an archive of clips that are broken in the others.
    """

    folder: str
    by_class: tuple[str, ...] = ()
    mended: str = ""

    def list_of(self, base: str, split: str) -> str:
        """Return the address of a split's list of archives."""
        return f"{base}/{self.folder}/{split}/k{self.folder}_{split}_path.txt"


# By the name that `annotate kinetics` gives a data set. CVDF has the newer edition of 700 alone.
LAYOUTS: Mapping[str, Layout] = {
    "kinetics400": Layout("400", mended="400/replacement_for_corrupted_k400.tgz"),
    "kinetics600": Layout("600", by_class=("train", "val")),
    "kinetics700": Layout("700_2020"),
    "kinetics700-2020": Layout("700_2020"),
}


def base_of(text: str) -> str:
    """Return the address below which all lies, without a slash at its end.

    Raises:
        ClipmillError: it is no web address.
    """
    base = encoded(text.strip()).rstrip("/")
    if not is_address(base + "/"):
        raise ClipmillError(
            f"--cvdf {text!r}; expected the address of a mirror of CVDF's archives, below which "
            f"400/, 600/ or 700_2020/ lie, as in {CVDF}."
        )
    return base


def encoded(address: str) -> str:
    """Return an address with what may not stand in one percent-encoded, once."""
    return quote(_LONE_PERCENT.sub("%25", address), safe=_KEPT)


def archives_in(data: bytes, where: str, base: str) -> list[str]:
    """Return the addresses in a list of archives, each once; CVDF's own are taken from `base`.

    Raises:
        ClipmillError: it holds anything else than addresses of archives, or none.
    """
    found: dict[str, None] = {}
    for number, line in enumerate(data.decode("utf-8-sig", "replace").split("\n"), 1):
        text = line.strip()
        if not text:
            continue
        address = _OWN.sub(lambda _: base, encoded(text))
        path = urlsplit(address).path.lower()
        if not is_address(address) or not path.endswith(_ENDINGS):
            raise ClipmillError(
                f"{where}:{number}: {text[:80]!r}; expected the address of a tar.gz archive on "
                "each line. Look at what the server gives there."
            )
        found[address] = None
    if not found:
        raise ClipmillError(
            f"{where} is empty; expected the address of a tar.gz archive on each line. Look at "
            "what the server gives there."
        )
    return list(found)


def plain(name: str) -> str:
    """Return a class name's letters and digits, in lower case: archives spell them otherwise."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def class_of(address: str) -> str:
    """Return the plain class name that an archive's address tells, if it is one of a class."""
    name = posixpath.basename(unquote(urlsplit(address).path))
    ending = next((end for end in _ENDINGS if name.lower().endswith(end)), "")
    return plain(name[: len(name) - len(ending)])


def in_question(archives: Iterable[str], wanted: set[str], known: set[str]) -> list[str]:
    """Return the archives, one a class, in which clips of the plain classes `wanted` can be.

    Those of the classes come first, then those whose name is no class that is `known`. Where most
    names are no known classes, the user's list is of a part of the classes, and the others are
    left out if each wanted class has its own. An unlabelled clip (class "") can be in any.
    """
    archives = list(archives)
    names = [class_of(address) for address in archives]
    if "" in wanted:
        return archives
    named = [x for x, name in zip(archives, names, strict=True) if name in wanted]
    strange = [x for x, name in zip(archives, names, strict=True) if name not in known]
    if 2 * len(strange) > len(archives) and wanted <= set(names):
        return named
    return [*named, *strange]
