"""Files of the scratch folder that tests fetch: bytes by name, and who fetched them."""

import os
import random
from collections.abc import Callable
from pathlib import Path

SIZE = 10_000


def bytes_of(name: str) -> bytes:
    return random.Random(name).randbytes(SIZE)


def fetching(name: str, counted: list[str] | None = None) -> Callable[[int], None]:
    def fetch(fd: int) -> None:
        if counted is not None:
            counted.append(name)
        os.pwrite(fd, bytes_of(name), 0)

    return fetch


def files(place: Path) -> list[Path]:
    return sorted((place / "files").iterdir())
