import csv
import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.annotate.listing import SAMPLE, Listed, read_listing


def read(tmp_path, text):
    path = tmp_path / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_listing(path, tmp_path / "videos")[0]


def test_a_full_row(tmp_path):
    text = "path,label,split,start,end,group\n\na b/c.mp4, walk ,Validate,1.5,3,g1\n"
    text += "d.avi,run,train,,,\n"
    assert read(tmp_path, text) == [
        Listed("a b/c.mp4", "walk", "val", 1.5, 3.0, "g1", 3),
        Listed("d.avi", "run", "train", None, None, None, 4),
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"a.avi,walk\nb.avi,run\n",
        b"\xef\xbb\xbfpath,label\r\na.avi,walk\r\nb.avi,run\r\n\r\n",
        b"path;label\ra.avi;walk\rb.avi;run",
        b'label\tpath\nwalk\t"a.avi"\nrun\tb.avi\n',
        "path\tlabel\r\na.avi\twalk\r\nb.avi\trun\r\n".encode("utf-16"),
        b"path,label,,\na.avi,walk,,\nb.avi,run,,\n",
        b'"path","label"\n"a.avi","walk"\n"b.avi","run"\n,\n',
        b"path,label,fps\na.avi,walk,25\nb.avi,run,\n",
    ],
)
def test_many_ways_to_write_the_same_list(tmp_path, raw):
    found = read(tmp_path, raw)
    assert [(row.path, row.label, row.split) for row in found] == [
        ("a.avi", "walk", None),
        ("b.avi", "run", None),
    ]


def test_optional_cells_may_be_missing_at_the_end_of_a_row(tmp_path):
    found = read(tmp_path, "path,label,split,start,end\na.avi,walk,train,1\nb.avi,run,val\n")
    assert [(row.label, row.split, row.start_s, row.end_s) for row in found] == [
        ("walk", "train", 1.0, None),
        ("run", "val", None, None),
    ]
    assert [row.split for row in read(tmp_path, "path,label,split\na.avi,walk\n")] == [None]


HEADER = "path,label,split,start,end\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEADER + "a.avi\n",
            r"list.csv:2: 1 columns in 'a.avi'; expected 5 "
            r"\(path, label, split, start, end\). Write the missing cells",
        ),
        (
            HEADER + "a.avi,walk, slow,train,0,1\n",
            r":2: 6 columns in .*; expected 5 .* Quote cells that hold a comma",
        ),
        (
            "a.avi,walk\nb.avi\n",
            r":2: 1 columns in 'b.avi'; expected 2 \(path, label\). Write the missing",
        ),
        (
            "start,path,label\n0,a.avi\n",
            r":2: 2 columns in '0,a.avi'; expected 3",
        ),
        (HEADER + "a.avi,walk,train,zero,1\n", r":2: start 'zero'; expected seconds from 0 on"),
        (HEADER + "a.avi,walk,train,-1,1\n", r":2: start '-1'; expected seconds"),
        (HEADER + "a.avi,walk,train,0,nan\n", r":2: end 'nan'; expected seconds"),
        (HEADER + "a.avi,walk,train,0,1e999\n", r":2: end '1e999'; expected seconds"),
        (HEADER + "a.avi,walk,train,0,1_0\n", r":2: end '1_0'; expected seconds"),
        (HEADER.replace(",", ";") + "a.avi;walk;train;0;1,5\n", r":2: end '1,5'; expected seconds"),
        (HEADER + "a.avi,walk,train,5,5\n", r":2: start 5.0 and end 5.0; expected an end after"),
        (HEADER + "a.avi,walk,train,,0\n", r":2: start 0.0 and end 0.0; expected an end after"),
        (HEADER + "a.avi,walk,holdout,0,1\n", r":2: split 'holdout'; expected train, val or test"),
        (
            HEADER + "a.avi,walk,train,0,1\n\nb.avi,run,,0,1\n",
            r":4: an empty split; expected train, val",
        ),
        (HEADER + "a.avi, ,train,0,1\n", r":2: an empty label; expected a class"),
        (HEADER + " ,walk,train,0,1\n", r":2: path ' '; expected the path of a video"),
        (
            HEADER + "/etc/a.avi,walk,train,0,1\n",
            r":2: path '/etc/a.avi'; expected a path below the "
            r"videos folder. Give paths relative to --videos",
        ),
        (HEADER + "../a.avi,walk,train,0,1\n", r":2: path '../a.avi'; expected a path below"),
        (HEADER + "x/../../a.avi,walk,train,0,1\n", r"expected a path below the videos folder"),
        (HEADER + "..\\a.avi,walk,train,0,1\n", r"expected a path below the videos folder"),
        (HEADER + "C:\\v\\a.avi,walk,train,0,1\n", r"expected a path below the videos folder"),
        (HEADER + "./,walk,train,0,1\n", r"expected a path below the videos folder"),
        (
            HEADER + "s3://x/a.mp4,walk,train,0,1\n",
            r"the URL 's3://x/a.mp4'; .* Download the",
        ),
        (
            HEADER + '"a.avi,walk,train,0,1\n',
            r"list.csv:2: broken quoting \(unexpected end of data\)",
        ),
        (HEADER + '"a"b.avi,walk,train,0,1\n', r":2: broken quoting .* close every quote"),
        (
            HEADER.encode() + b"a.avi,caf\xe9,train,0,1\n",
            r":2: label 'caf\\udce9'; expected UTF-8. Save",
        ),
        (HEADER, r"list.csv lists no video; expected a row for each clip"),
        (b"a\x00b,c\n", r"holds NUL bytes; expected a CSV"),
        (
            HEADER + "a.avi,w,train,0,1\n" * SAMPLE + "a\0.avi,w,train,0,1\n",
            r"path 'a\\x00.avi'; expected",
        ),
        ("", r"is empty"),
    ],
)
def test_bad_rows_are_told_with_their_line(tmp_path, text, message):
    with pytest.raises(ClipmillError, match=message):
        read(tmp_path, text)


def test_a_missing_list_is_told(tmp_path):
    with pytest.raises(ClipmillError, match="does not exist"):
        read_listing(tmp_path / "nowhere.csv", tmp_path)


def test_spellings_are_mended_only_where_no_such_file_is(tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    text = "path,label\n a.avi ,walk\nwalk\\b.avi,walk\n./x//y/../c.avi,walk\n"
    assert [row.path for row in read(tmp_path, text)] == ["a.avi", "walk/b.avi", "x/c.avi"]
    (videos / " a.avi ").touch()
    (videos / "walk\\b.avi").touch()
    assert [row.path for row in read(tmp_path, text)] == [" a.avi ", "walk\\b.avi", "x/c.avi"]


def test_bytes_of_unknown_encoding_find_their_file(tmp_path):
    [row] = read(tmp_path, b"path,label\ncaf\xe9.avi,walk\n")
    assert os.fsencode(row.path) == b"caf\xe9.avi"


def test_a_quoted_line_break_counts_as_a_line(tmp_path):
    text = 'path,label\n"a\nb.avi",walk\nc.avi\n'
    with pytest.raises(ClipmillError, match=r"list.csv:4: 1 columns"):
        read(tmp_path, text)


letters = st.characters(
    codec="utf-8", exclude_characters="\0/\\", exclude_categories=("Zs", "Zl", "Zp", "Cc")
)
cells = st.text(letters, min_size=1, max_size=12)
spans = st.one_of(st.none(), st.tuples(st.integers(0, 99), st.integers(1, 99)))


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            cells, cells, st.sampled_from(["train", "val", "test"]), spans, st.none() | cells
        ),
        min_size=1,
        max_size=2 * SAMPLE,
    ),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.permutations(["path", "label", "split", "start", "end", "group", "what"]),
)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory, table, delimiter, ending, quoting, order
):
    expected, handle = [], io.StringIO(newline="")
    writer = csv.writer(handle, delimiter=delimiter, lineterminator=ending, quoting=quoting)
    writer.writerow(order)
    for name, label, split, span, group in table:
        start, end = (float(span[0]), float(sum(span))) if span else (None, None)
        row = Listed(f"x/{name}.avi", label, split, start, end, group)
        expected.append(row)
        named = {"path": row.path, "label": label, "split": split, "group": group, "what": "?"}
        named |= {"start": start, "end": end}
        writer.writerow([named[role] for role in order])
    path = tmp_path_factory.mktemp("csv") / "list.csv"
    path.write_bytes(handle.getvalue().encode())
    found, notes = read_listing(path, path.parent)
    assert [
        Listed(r.path, r.label, r.split, r.start_s, r.end_s, r.group) for r in found
    ] == expected
    assert notes == ["columns ignored: 'what'"]


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_one_clear_error(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("csv") / "list.csv"
    path.write_bytes(raw)
    try:
        found, _ = read_listing(path, path.parent)
    except ClipmillError as error:
        assert str(path) in str(error)
        str(error).encode()  # it can be printed
    else:
        assert found
