"""What CVDF's archives are made of in these tests: ids, file names, tars; and the rows of clips."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from manifests.dataset import Dataset

Member = bytes | Path | tarfile.TarInfo


def id_of(number: int) -> str:
    """An id of eleven letters; the first ones begin as ids may: with a dash, with an underscore."""
    return f"{'-_abcdefghijklmnopqrstuvwxyz'[number % 28]}0Video{number:04d}"


def stem_of(number: int, start: int = 10) -> str:
    return f"{id_of(number)}_{start:06d}_{start + 1:06d}"


def packed(
    members: Mapping[str, Member] | Iterable[tuple[str, Member]], mode: str = "w:gz"
) -> bytes:
    """A tar.gz of these members, in this order; a name may stand twice."""
    out = io.BytesIO()
    pairs = members.items() if isinstance(members, Mapping) else members
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, what in pairs:
            if isinstance(what, tarfile.TarInfo):
                what.name = name
                archive.addfile(what)
                continue
            data = what.read_bytes() if isinstance(what, Path) else what
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def states(dataset: Dataset) -> dict[str, dict[str, Any]]:
    rows = Dataset.open(dataset.storage.root).parts("download").sort_by("attempt").to_pylist()
    return {row["clip_id"]: row for row in rows}
