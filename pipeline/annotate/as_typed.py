"""Errors about lists from an archive or a web address, with what the user typed in them.

Such lists are read from a temporary folder, which is gone when the message is read. Costs nothing
where nothing fails.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from manifests.errors import ClipmillError, StoppedError
from pipeline.annotate.fetch import file_name, is_url
from pipeline.annotate.text import shown

PREFIX = "clipmill-lists-"  # of the temporary folders' names


@contextmanager
def as_typed(where: str) -> Iterator[None]:
    """Replace our temporary folders by `where` in the errors that the block raises.

    What stopped for lack of space keeps the folder: there it is the place that matters.
    """
    try:
        yield
    except StoppedError:
        raise
    except ClipmillError as error:
        error.args = (reworded(str(error), where),)
        raise


def reworded(text: str, where: str) -> str:
    """Return a text in which what lies in our temporary folders is told by what was typed.

    A member becomes `lists.zip/member`; the file that a web address gave is that address.
    """
    ours = re.escape(f"{tempfile.gettempdir()}/{PREFIX}") + r"[a-z0-9_]+"
    fetched = rf"(?:/{re.escape(file_name(where))}(?![\w/-]))?" if is_url(where) else ""
    return re.sub(ours + fetched, lambda _: shown(where), text)
