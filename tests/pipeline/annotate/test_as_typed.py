"""Errors about lists that lay in a temporary folder: they name what the user typed."""

import tempfile
import zipfile
from pathlib import Path

import pytest

from manifests.errors import ClipmillError, StoppedError
from pipeline.annotate.as_typed import PREFIX, as_typed, reworded
from pipeline.annotate.lists_from import lists_from
from pipeline.annotate.ucf101 import read_ucf101

OURS = f"{tempfile.gettempdir()}/{PREFIX}a1_b2c3d"
URL = "https://host.org/lists/val.csv?raw=1"


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        (f"{OURS}/k/val.csv:3: bad", "a/lists.zip", "a/lists.zip/k/val.csv:3: bad"),
        (f"{OURS} holds no list", "a/lists.zip", "a/lists.zip holds no list"),
        (f"{OURS}/val.csv:3: bad", URL, f"{URL}:3: bad"),
        (f"{OURS}/val.csv is empty", URL, f"{URL} is empty"),
        (f"{OURS}/val.csv/train.csv:1: bad", URL, f"{URL}/val.csv/train.csv:1: bad"),
        ("/data/val.csv:3: bad", "/data", "/data/val.csv:3: bad"),
        (f"{OURS}/a is odd", r"\1\g<0>.zip", r"\1\g<0>.zip/a is odd"),
    ],
)
def test_our_folders_become_what_was_typed(text: str, where: str, expected: str) -> None:
    assert reworded(text, where) == expected


def test_a_bad_line_in_an_archive_names_the_archive(tmp_path: Path) -> None:
    archive = tmp_path / "UCF101 lists.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("lists/classInd.txt", "1 A\n")
        out.writestr("lists/trainlist01.txt", "A/v_A_g01_c01.avi 9\n")
        out.writestr("lists/testlist01.txt", "A/v_A_g02_c01.avi\n")
    with pytest.raises(ClipmillError) as caught, lists_from(str(archive)) as folder:
        read_ucf101(folder / "lists", val=0.1, seed=0)
    assert str(caught.value).startswith(f"{archive}/lists/trainlist01.txt:1: number 9")


def test_a_full_disk_keeps_its_place() -> None:
    with pytest.raises(StoppedError, match=PREFIX), as_typed("lists.zip"):
        raise StoppedError(f"{OURS} could not be written")
