"""A temporary copy without a name, for archives that must be read here and there. Disk speed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from manifests.errors import StoppedError
from pipeline.annotate.text import shown


@contextmanager
def copied(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Give a copy, at its start, which is gone with this process.

    Raises:
        StoppedError: it cannot be written.
    """
    with tempfile.TemporaryFile(prefix="clipmill-", buffering=0) as copy:
        try:
            shutil.copyfileobj(file, copy, 1 << 20)
            copy.seek(0)
        except OSError as error:
            raise StoppedError(
                f"no room in {tempfile.gettempdir()} for a copy of {shown(name)} "
                f"({error.strerror}); free some, or set TMPDIR to a folder on another disk, then "
                "run the same command again."
            ) from error
        yield cast(BinaryIO, copy)
