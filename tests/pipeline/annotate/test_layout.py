from pathlib import Path

import pytest

from manifests.errors import ClipmillError
from pipeline.annotate.layout import ROLES, SPLIT_WORDS, sniff, split_of

LIST = Path("list.csv")


def layout_of(text):
    return sniff(LIST, text.splitlines(keepends=True), complete=True)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("path|label", {"path": 0, "label": 1}),
        ("Label|FILE", {"label": 0, "path": 1}),
        (" Video |Class|Subset", {"path": 0, "label": 1, "split": 2}),
        (
            "path|label|time_start|End_S|group|split",
            {"path": 0, "label": 1, "start": 2, "end": 3, "group": 4, "split": 5},
        ),
    ],
)
def test_headers_are_read_by_name(delimiter, header, columns):
    layout = layout_of(header.replace("|", delimiter) + "\n")
    assert (layout.delimiter, layout.header, layout.columns) == (delimiter, True, columns)
    assert layout.notes() == []


def test_every_synonym_has_one_meaning():
    names = [name for synonyms in ROLES.values() for name in synonyms]
    assert len(names) == len(set(names))
    for role, synonyms in ROLES.items():
        for name in synonyms:
            other = "label" if role != "label" else "path"
            filler = "path" if role not in ("path", "label") else None
            cells = [name.upper(), other] + ([filler] if filler else [])
            assert layout_of(",".join(cells)).columns[role] == 0


def test_other_columns_are_ignored_with_a_note():
    layout = layout_of("id,path,label,fps,,\n")
    assert layout.width == 4
    assert layout.notes() == ["columns ignored: 'id', 'fps'"]


@pytest.mark.parametrize(
    ("text", "delimiter", "width"),
    [
        ("a.avi,walk\nb.avi,run\n", ",", 2),
        ("a.avi;walk;train\n", ";", 3),
        ("a.avi\twalk, slow\n", "\t", 2),
        # The semicolon belongs to the name (HMDB51 has such names).
        ("ge___;-)_cartwheel.avi,cartwheel\na;b.avi,run\n", ",", 2),
        # A comma in a class, in a file with semicolons.
        ("a.avi;walk, slow\nb.avi;run\n", ";", 2),
        ("a.avi;walk, slow\nb.avi;run, fast\n", ";", 2),
        # Names without an extension: the columns must be even.
        ("clip1;walk, slow\nclip2;run\n", ";", 2),
        ('"a,b.avi",walk\n', ",", 2),
        ("video1,walk\nvideo2,run\n", ",", 2),
        ("a.avi,class\n", ",", 2),
        ("\n  \na.avi,walk\n", ",", 2),
    ],
)
def test_lists_without_a_header_are_told_by_their_rows(text, delimiter, width):
    layout = layout_of(text)
    assert (layout.delimiter, layout.header, layout.width) == (delimiter, False, width)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,split\na.avi,train\n",
            r"list.csv:1: the columns 'path', 'split'; expected one called label",
        ),
        (
            "path,lable\na.avi,walk\n",
            r"the columns 'path', 'lable'; .* Did you mean 'label' by 'lable'\? Rename that",
        ),
        (
            "label,start\nwalk,3\n",
            r"expected one called path, file, .* Name the column of the path",
        ),
        (
            "path,File,label\n",
            r"columns 'path' and 'File', which both can be the path; .* remove one",
        ),
        ("path,label,label\n", r"columns 'label' and 'label', which both can be the label"),
        (
            "name,what\na.avi,walk\n",
            r"the columns 'name', 'what'; expected a header with path and label",
        ),
        ("a.avi\nb.avi\n", r"one column in 'a.avi'; expected path,label\[,split\], by comma, semi"),
        ("a.avi walk\n", r"one column in 'a.avi walk'"),
        (
            "a.avi,walk,train,3,4\n",
            r"5 columns without a header; expected 2 or 3 .* Put a header above",
        ),
        ("\n \n", r"list.csv is empty; expected a CSV with the columns path,label"),
        ("", r"is empty"),
    ],
)
def test_what_is_no_list_is_told(text, message):
    with pytest.raises(ClipmillError, match=message):
        layout_of(text)


def test_a_record_cut_off_by_the_sample_is_not_judged():
    sample = ["a.avi,walk\n", '"b.avi\n']
    assert sniff(LIST, sample, complete=False).delimiter == ","


def test_split_words():
    assert split_of("VALID") == "val"
    assert split_of("holdout") is None
    assert set(SPLIT_WORDS.values()) == {"train", "val", "test"}
