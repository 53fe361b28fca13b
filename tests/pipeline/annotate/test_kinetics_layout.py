"""Telling columns: by name in any order, by content where there is no header."""

from pathlib import Path

import pytest

from manifests.errors import ClipmillError
from pipeline.annotate.kinetics_layout import Columns, columns_of

IDS = ("dMzycn1d3qU", "-0l35AkU34_", "00000000012")


def layout(*lines: str) -> Columns:
    return columns_of(Path("list.csv"), [line.split(",") for line in lines])


def test_names_in_any_order_and_spelling() -> None:
    found = layout("is_cc, Time_Start ,split,time_end,YouTube_ID,label,,")
    assert (found.header, found.width) == (True, 6)
    assert (found.id, found.start, found.end) == (4, 1, 3)
    assert (found.label, found.split) == (5, 2)


def test_an_unlabelled_list() -> None:
    found = layout("youtube_id,time_start,time_end,split")
    assert found.label is None and found.split == 3


def test_content_tells_the_columns() -> None:
    spans = ("0,10", "9,19", "1.5,6.5")
    lines = [f"abseiling,{video},{span},validate" for video in IDS for span in spans]
    assert layout(*lines) == Columns(False, ("label", "id", "start", "end", "split"), 1, 2, 3, 0, 4)
    turned = [",".join(reversed(line.split(","))) for line in lines]
    assert layout(*turned) == Columns(
        False, ("split", "end", "start", "id", "label"), 3, 2, 1, 4, 0
    )
    bare = [",".join(line.split(",")[1:4]) for line in lines]
    assert layout(*bare) == Columns(False, ("id", "start", "end"), 0, 1, 2)


def test_flags_and_bad_lines_do_not_matter() -> None:
    lines = [f"tai chi,{video},{10 * n},{10 * n + 10},val,0" for n, video in enumerate(IDS)]
    found = layout("broken", "tai chi,short,x,y,val,0", *lines)
    assert (found.label, found.id, found.start, found.end, found.split) == (0, 1, 2, 3, 4)


def test_ten_seconds_are_the_span_and_a_flag_is_none() -> None:
    found = layout(f"0,abseiling,{IDS[0]},5,15,val")
    assert (found.start, found.end, found.label) == (3, 4, 1)


def test_a_class_of_eleven_letters_is_no_id() -> None:
    assert layout(*(f"headbanging,{video},5,15,val" for video in IDS)).id == 1
    assert layout(*(f"{video},headbanging,5,15,val" for video in IDS)).id == 0
    assert layout(f"headbanging,{IDS[0]},5,15,val").id == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("label,youtube_id,time_start,split", r":1: the columns 'label', .*one called time_end"),
        ("label,youtube_idd,time_start,time_end", r"one called youtube_id.*'youtube_id'"),
        ("youtube_id,video_id,time_start,time_end", r"'youtube_id' and 'video_id'.* the id"),
        (f"run,{IDS[0]},val", r":1: no column of start and end.*Put a header above: label,"),
        ("run,5,15,val", r":1: no column of YouTube ids"),
        (f"run,jump,{IDS[0]},5,15", r"columns 1, 2, which all can be the label"),
        ("run/a.avi,run", r":1: no column of YouTube ids"),
    ],
)
def test_what_cannot_be_told_is_an_error(line: str, message: str) -> None:
    with pytest.raises(ClipmillError, match=message):
        layout(line)
