"""One file, by its path or by its address: where it lies, or as a copy in the scratch folder.

A copy is fetched once (manifests/scratch.py); later a request tells whether it is still the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from manifests.addresses import presentable
from manifests.errors import ClipmillError
from manifests.storage import is_url, open_storage


@contextlib.contextmanager
def at_hand(source: str, option: str, *, anew: bool = False) -> Iterator[Path]:
    """Give a file on this machine, which stays for the block; `option` is what named it.

    `source` is a path, or the address of a file: s3://…, https://…. `anew` takes no copy that was
    fetched before.

    Raises (from the block's beginning):
        ClipmillError: there is no such file, it is refused, or the address holds a password.
        StoppedError: the server fails for too long, or the disk is full.
    """
    if not is_url(source):
        path = Path(source).expanduser()
        if not path.is_file():
            what = "a folder" if path.is_dir() else "not there"
            raise ClipmillError(f"{option} {source} is {what}; expected a file.")
        yield path
        return
    with contextlib.ExitStack() as held:
        try:
            folder, name = _split(source, option)
            path = held.enter_context(open_storage(folder).fetched(name, anew=anew))
        except ClipmillError as error:  # storage speaks of the roots it was made for
            raise type(error)(str(error).replace("--root", option)) from error
        if not path.is_file():
            raise ClipmillError(
                f"{option} {presentable(source)}: no such file is there. Mind the address."
            )
        yield path


def _split(url: str, option: str) -> tuple[str, str]:
    """Return the address of the folder and the file's name in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ClipmillError(f"{option} {presentable(url)!r} is no address.") from None
    folder, _, name = url.rpartition("/")
    if parts.query or parts.fragment:
        raise ClipmillError(
            f"{option} {presentable(url.partition('?')[0])}: what follows a ? or # in an address "
            "may be a secret, and would be kept with the run. Give the plain address, or download "
            "the file and give its path."
        )
    if not parts.path.strip("/") or not name:
        raise ClipmillError(f"{option} {presentable(url)}; expected the address of a file.")
    return folder, name
