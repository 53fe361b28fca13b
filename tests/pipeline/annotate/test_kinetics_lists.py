"""Lines of Kinetics lists: every wrong one counted, the first one told with its line."""

from pathlib import Path

import pytest

from manifests.errors import ClipmillError
from pipeline.annotate.kinetics_files import ListFile
from pipeline.annotate.kinetics_lists import SAMPLE, BadLines, Row, read_rows

HEADER = "label,youtube_id,time_start,time_end,split\n"
GOOD = "abseiling,dMzycn1d3qU,0,10,val\n"
NAME = "list.csv"


def read(
    folder: Path, text: str | bytes, split: str | None = None, classes: list[str] | None = None
) -> list[Row]:
    path = folder / NAME
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    bad = BadLines()
    found = read_rows(ListFile(path, split, None), classes, bad)
    bad.raise_any()
    return found


def test_a_row(tmp_path: Path) -> None:
    expected = [Row("dMzycn1d3qU", 0.0, 10.0, "abseiling", "val", 2)]
    assert read(tmp_path, HEADER + GOOD) == expected
    assert read(tmp_path, HEADER + " abseiling , dMzycn1d3qU ,0, 10.,VALIDATE,,\n") == expected


def test_the_name_of_the_file_says_the_split_where_no_row_does(tmp_path: Path) -> None:
    for text in ("youtube_id,time_start,time_end\ndMzycn1d3qU,0,10\n", "dMzycn1d3qU,0,10\n"):
        [row] = read(tmp_path, text, split="test")
        assert (row.split, row.label) == ("test", None)
    [row] = read(tmp_path, HEADER + "run,dMzycn1d3qU,0,10\n", split="train")
    assert row.split == "train"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run,dMzycn1d3q,0,10,val", r"youtube_id 'dMzycn1d3q'; expected 11 of"),
        ("run,dMzycn1d3qU.,0,10,val", r"youtube_id 'dMzycn1d3qU.'; expected"),
        ("run,dMzycn 1d3U,0,10,val", r"youtube_id 'dMzycn 1d3U'; expected"),
        ("run,dMzycn1d3qÜ,0,10,val", r"youtube_id 'dMzycn1d3qÜ'; expected"),
        ("run,dMzycn1d3qU,10,10,val", r"time_start 10 and time_end 10; expected an end after"),
        ("run,dMzycn1d3qU,10,0,val", r"time_start 10 and time_end 0; expected an end after"),
        ("run,dMzycn1d3qU,0,60.5,val", r"time_start 0 and time_end 60.5; .* 60 seconds at most"),
        ("run,dMzycn1d3qU,-1,9,val", r"time_start '-1'; expected seconds from 0 on"),
        ("run,dMzycn1d3qU,nan,9,val", r"time_start 'nan'; expected seconds"),
        ("run,dMzycn1d3qU,0,inf,val", r"time_end 'inf'; expected seconds"),
        ("run,dMzycn1d3qU,0,1_0,val", r"time_end '1_0'; expected seconds"),
        ("run,dMzycn1d3qU,٠,9,val", r"time_start '٠'; expected seconds"),
        (f"run,dMzycn1d3qU,0,{'9' * 400},val", r"time_start 0 and time_end 9+; expected"),
        ("run,dMzycn1d3qU,,9,val", r"time_start ''; expected seconds"),
        ("run,dMzycn1d3qU,0,10,holdout", r"split 'holdout'; expected train, val"),
        ("run,dMzycn1d3qU,0,10,", r"split ''; .*a column called split, or a name such as"),
        (",dMzycn1d3qU,0,10,val", r"an empty label; expected a class"),
        ("r\0n,dMzycn1d3qU,0,10,val", r"label 'r\\x00n'; expected UTF-8"),
        ("run,dMzycn1d3qU,0", r"3 columns in 'run,dMzycn1d3qU,0'; expected 5 \(label, youtube"),
        ("run,slow,dMzycn1d3qU,0,10,val", r"6 columns in .*; expected 5"),
        ('"run,dMzycn1d3qU,0,10,val', r"broken quoting"),
    ],
)
def test_a_bad_line_is_told(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ClipmillError, match=rf"{NAME}:3: {message}"):
        read(tmp_path, f"{HEADER}{GOOD}{line}\n")


def test_all_bad_lines_are_counted_and_the_first_is_told(tmp_path: Path) -> None:
    bad = "run,short,0,10,val\n"
    text = HEADER + GOOD + bad + GOOD * SAMPLE + bad * 41
    told = rf"{NAME}:3: youtube_id.*\. 42 lines are bad in all\.$"
    with pytest.raises(ClipmillError, match=told):
        read(tmp_path, text)


def test_an_unknown_class_has_a_guess(tmp_path: Path) -> None:
    with pytest.raises(ClipmillError, match=r":2: label 'abseiling'.*Did you mean 'Abseiling'\?"):
        read(tmp_path, HEADER + GOOD, classes=["Abseiling", "zumba"])


def test_a_test_may_lack_labels_and_train_may_not(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER + ",dMzycn1d3qU,0,10,test\n" + GOOD)
    assert [row.label for row in rows] == [None, "abseiling"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (HEADER, "lists no clip"),
        (HEADER.encode() + b"caf\xe9,dMzycn1d3qU,0,10,val\n", "expected UTF-8. Save the file"),
    ],
)
def test_lists_of_nothing(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ClipmillError, match=message):
        read(tmp_path, text)


def test_line_numbers_count_lines_not_records(tmp_path: Path) -> None:
    with pytest.raises(ClipmillError, match=rf"{NAME}:5: youtube_id"):
        read(tmp_path, f'{HEADER}"two\nlines",dMzycn1d3qU,0,10,val\n\nrun,short,0,10,val\n')
