"""Finding the list files of Kinetics in a folder: one for each split, of one version.

Known are `train.csv`, `validate.csv`, `kinetics-600_val.csv`, `k700-2020_test.csv` and the like,
and `train.txt` as one mirror has it, down to two folder levels. Looks at names, opens nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from manifests.errors import ClipmillError
from manifests.rows import SPLITS
from pipeline.annotate.fetch import is_url
from pipeline.annotate.layout import SPLIT_WORDS, split_of
from pipeline.annotate.text import shown
from pipeline.annotate.walk import some

DEPTH = 2
_SPLIT = re.compile(rf"(?<![a-z])(?:{'|'.join(SPLIT_WORDS)})(?![a-z])")
_VERSION = re.compile(r"(?:kinetics|(?<![a-z])k)[-_ /]?(400|600|700)(?:[-_ ]?(2020))?(?![0-9])")
_EXPECTED = "a CSV of Kinetics, or a folder with train.csv, val.csv (or validate.csv) and test.csv"


@dataclass(frozen=True, slots=True)
class ListFile:
    """One list, and what its name tells: the split and the version, where it does."""

    path: Path
    split: str | None
    version: str | None


def find_lists(
    lists: Path, version: str | None, typed: str | None = None
) -> tuple[list[ListFile], list[str]]:
    """Return the list files in order of their splits, and notes about what was left aside.

    `typed` is the archive or web address that `lists` came from: its name counts where the names
    inside tell no version.

    Raises:
        ClipmillError: there is none, or it is not clear which one is meant, or its name says
            another version than the one wished.
    """
    lists = lists.absolute()
    told = version_in(_tail(typed or str(lists)))
    if not lists.is_dir():
        if not lists.exists():
            raise ClipmillError(f"{shown(lists)} does not exist; expected {_EXPECTED}.")
        file = _named(lists, lists.parent, told)
        if not _fits(file, version):
            raise ClipmillError(
                f"{shown(lists)} is a list of Kinetics-{file.version} by its name (or its "
                f"folder's), and --version says {version}; expected the same. Leave --version out, "
                f"give the list of {version}, or mend the name."
            )
        return [file], []
    seen = [_named(path, lists, told) for path in _files(lists, DEPTH)]
    notes, files = [], []
    for what, test in (
        ("JSON lists (the CSV says the same)", lambda file: file.path.suffix.lower() == ".json"),
        ("lists of a second, held-out test", lambda file: "holdout" in file.path.name.lower()),
        (f"lists of other versions than {version}", lambda file: not _fits(file, version)),
    ):
        aside = [file for file in seen if test(file)]
        seen = [file for file in seen if not test(file)]
        if aside:
            notes.append(f"left aside {what}: {_names(lists, aside)}")
    files = [file for file in seen if file.split]
    if not files:
        if len(seen) != 1:
            what = f"several CSVs whose names tell no split ({_names(lists, seen)})"
            found = what if seen else "no list" + (f" of Kinetics-{version}" if version else "")
            aside = f" ({'; '.join(notes)})" if notes else ""
            raise ClipmillError(
                f"{shown(lists)} holds {found}{aside}; expected {_EXPECTED}. Give one file as "
                "--lists."
            )
        return seen, notes
    if others := [file for file in seen if not file.split]:
        notes.append(f"left aside CSVs whose names tell no split: {_names(lists, others)}")
    _require_one_each(lists, files)
    return sorted(files, key=lambda file: SPLITS.index(str(file.split))), notes


def split_in(name: str) -> str | None:
    """Return the split that a file name tells, or None where it tells none or several."""
    told = {split_of(word) for word in _SPLIT.findall(name.lower())}
    return told.pop() if len(told) == 1 else None


def version_in(path: str) -> str | None:
    """Return 400, 600, 700 or 700-2020, whichever the last part of a path that tells one says."""
    told = [*_VERSION.finditer(path.lower())]
    return "-".join(filter(None, told[-1].groups())) if told else None


def _tail(typed: str) -> str:
    """Return what of a path or web address may tell a version: not all the folders above it."""
    if is_url(typed):
        address = urlsplit(typed)
        return unquote(f"{address.path}?{address.query}")
    return "/".join(Path(typed).expanduser().absolute().parts[-2:])


def _named(path: Path, base: Path, told: str | None) -> ListFile:
    version = version_in(path.relative_to(base).as_posix())
    return ListFile(path, split_in(path.stem), version or told)


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Yield what can be a list, by name, in a fixed order."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__MACOSX")):
            continue
        suffix = path.suffix.lower()
        if path.is_dir():
            if depth:
                yield from _files(path, depth - 1)
        elif (
            suffix == ".csv"
            or (suffix == ".json" and split_in(path.stem))
            or (suffix == ".txt" and path.stem.lower() in SPLIT_WORDS)
        ):
            yield path


def _fits(file: ListFile, version: str | None) -> bool:
    """Whether a file can be of the wished version; a folder `kinetics700` may hold the 2020 one."""
    told = file.version
    return None in (told, version) or told == version or (told, version) == ("700", "700-2020")


def _require_one_each(lists: Path, files: list[ListFile]) -> None:
    by_version = {file.version: file for file in files if file.version}
    if len(by_version) > 1:
        both = " and ".join(sorted(f"Kinetics-{version}" for version in by_version))
        raise ClipmillError(
            f"{shown(lists)} holds lists of {both} ({_names(lists, [*by_version.values()])}); "
            "expected one version. Say which with --version, or give one folder as --lists."
        )
    by_split: dict[str | None, list[ListFile]] = defaultdict(list)
    for file in files:
        by_split[file.split].append(file)
    for split, several in by_split.items():
        if len(several) > 1:
            raise ClipmillError(
                f"{shown(lists)} holds {len(several)} lists of {split}: "
                f"{_names(lists, several)}; expected one. Give the folder of one release as "
                "--lists, or move the others away."
            )


def _names(lists: Path, files: list[ListFile]) -> str:
    return some([str(file.path.relative_to(lists)) for file in files])
