import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.annotate.text import (
    bad_line,
    did_you_mean,
    is_unicode,
    open_text,
    read_lines,
    read_names,
    shown,
)


@pytest.mark.parametrize(
    "raw",
    [
        b"a 1\nb 2\n",
        b"a 1\r\nb 2\r\n",
        b"a 1\rb 2\r",
        b"\xef\xbb\xbfa 1  \nb 2\t",
        "a 1\r\nb 2".encode("utf-16"),
        b"\xfe\xff" + "a 1\nb 2".encode("utf-16-be"),
    ],
)
def test_marks_and_line_endings_do_not_matter(tmp_path, raw):
    path = tmp_path / "list.txt"
    path.write_bytes(raw)
    assert list(read_lines(path)) == [(1, "a 1"), (2, "b 2")]


def test_blank_lines_count_as_lines_but_are_not_given(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\r\n  \r\na\r\n\r\n")
    assert list(read_lines(path)) == [(3, "a")]


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Zs", "Cc", "Zl", "Zp")))))
def test_unicode_separators_split_no_line(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("text") / "list.txt"
    lines = [f"y{name}\u2028x\x0by" for name in names]
    path.write_text("\n".join(lines), "utf-8")
    assert [text for _, text in read_lines(path)] == lines


def test_bytes_of_unknown_encoding_survive(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"caf\xe9.avi\n")
    [(_, text)] = read_lines(path)
    assert os.fsencode(text) == b"caf\xe9.avi"
    assert not is_unicode(text)
    assert shown(text) == "caf\\xe9.avi"


def test_files_that_cannot_be_read_say_why(tmp_path):
    with pytest.raises(ClipmillError, match=r"nowhere.txt does not exist; expected a list"):
        list(read_lines(tmp_path / "nowhere.txt"))
    with pytest.raises(ClipmillError, match="is no regular file"):
        list(read_lines(tmp_path))
    path = tmp_path / "binary"
    path.write_bytes(b"a\n\x00\x01")
    with pytest.raises(ClipmillError, match=r"binary:2: a NUL byte; expected text. Is this a"):
        list(read_lines(path))
    path.write_bytes(b"\xff\xfea\x00\x00\xd8")
    with pytest.raises(ClipmillError, match="neither UTF-8 nor whole UTF-16"):
        list(read_lines(path))


def test_an_unreadable_file_is_an_error_with_its_reason(tmp_path, monkeypatch):
    path = tmp_path / "list.txt"
    path.write_text("a")

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with (
        pytest.raises(ClipmillError, match=r"cannot read .*list.txt: Permission denied"),
        open_text(path),
    ):
        pass


def test_names_are_kept_letter_for_letter_and_stand_once(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("massaging person's head\npassing (in game)\n")
    assert read_names(path) == ["massaging person's head", "passing (in game)"]
    path.write_text("a\nb\na\n")
    with pytest.raises(
        ClipmillError, match=r"classes.txt:3: label 'a' again \(it stands in line 1\)"
    ):
        read_names(path)
    path.write_text("\n")
    with pytest.raises(ClipmillError, match="is empty; expected one class on each line"):
        read_names(path, "class")
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(ClipmillError, match=r"expected UTF-8. Save the file as UTF-8"):
        read_names(path)


def test_messages(tmp_path):
    error = bad_line(tmp_path / "x.csv", 7, "'a'", "'b'", "Do c.")
    assert str(error) == f"{tmp_path}/x.csv:7: 'a'; expected 'b'. Do c."
    assert did_you_mean("handstandpushup", ["Punch", "HandstandPushups"]) == (
        "Did you mean 'HandstandPushups'?"
    )
    assert did_you_mean("zzz", ["Punch"]) == ""
