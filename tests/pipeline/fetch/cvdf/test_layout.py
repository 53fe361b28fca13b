"""Addresses of lists and archives, and what their names tell."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.fetch.cvdf.layout import (
    CVDF,
    LAYOUTS,
    archives_in,
    base_of,
    class_of,
    encoded,
    in_question,
    plain,
)

MIRROR = "http://127.0.0.1:8/m"


def test_where_lists_lie():
    addresses = {name: one.list_of(CVDF, "val") for name, one in LAYOUTS.items()}
    assert addresses == {
        "kinetics400": f"{CVDF}/400/val/k400_val_path.txt",
        "kinetics600": f"{CVDF}/600/val/k600_val_path.txt",
        "kinetics700": f"{CVDF}/700_2020/val/k700_2020_val_path.txt",
        "kinetics700-2020": f"{CVDF}/700_2020/val/k700_2020_val_path.txt",
    }


def test_lists_of_every_form():
    lines = [
        f"{CVDF}/600/train/petting animal (not cat).tar.gz",
        "",
        f"  {CVDF}/600/train/petting%20cat.tar.gz  ",
        "HTTP://S3.amazonaws.com/kinetics/600/train/a.tgz",
        "https://elsewhere.org/x/100% best.tar.gz?signature=a%2Fb",
        f"{CVDF}/600/train/petting%20cat.tar.gz",
        "https://s3.amazonaws.com/kinetics-700/part.tar",
    ]
    text = "\ufeff" + "\r\n".join(lines)
    assert archives_in(text.encode(), "list", MIRROR) == [
        f"{MIRROR}/600/train/petting%20animal%20%28not%20cat%29.tar.gz",
        f"{MIRROR}/600/train/petting%20cat.tar.gz",
        f"{MIRROR}/600/train/a.tgz",
        "https://elsewhere.org/x/100%25%20best.tar.gz?signature=a%2Fb",
        "https://s3.amazonaws.com/kinetics-700/part.tar",
    ]
    assert archives_in(text.encode(), "list", CVDF)[0].startswith(CVDF + "/600/train/petting%20")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"<html>\n", "list:1: '<html>'"),
        (b"https://a/b.tar.gz\nhttps://a/b.mp4", "list:2: 'https://a/b.mp4'"),
        (b"\n\xff\xfe\x00", "list:2: "),
        (b"file:///etc/x.tar.gz", "list:1: 'file:"),
        (b"part_0.tar.gz", "list:1: 'part_0.tar.gz'"),
        (b"\r\n\r\n", "list is empty"),
    ],
)
def test_what_is_no_list_is_told(data, found):
    with pytest.raises(ClipmillError) as error:
        archives_in(data, "list", CVDF)
    assert str(error.value).startswith(found) and "expected the address" in str(error.value)


@given(st.lists(st.text(), max_size=5))
def test_any_text_is_a_list_or_an_error(lines):
    data = "\n".join(lines).encode("utf-8", "replace")
    try:
        found = archives_in(data, "list", MIRROR)
    except ClipmillError:
        return
    assert found and len(set(found)) == len(found)


@given(st.text())
def test_an_address_is_encoded_once(text):
    text = text.encode("utf-8", "replace").decode()
    once = encoded(text)
    assert encoded(once) == once and once.isascii() and " " not in once and "(" not in once
    if "%" not in text:
        assert unquote(once) == text


@pytest.mark.parametrize("text", ["http://h:1/a b/", " https://h ", "https://h/x/"])
def test_a_base_has_no_slash_at_its_end(text):
    assert base_of(text) == encoded(text.strip()).rstrip("/")


@pytest.mark.parametrize(
    "text", ["", "/mnt/x", "s3://kinetics", "h:8000", "http://", "http://[x/", "http://h:x/"]
)
def test_a_base_is_a_web_address(text):
    with pytest.raises(ClipmillError, match="--cvdf"):
        base_of(text)


def test_classes_by_their_letters_and_digits():
    assert plain("Petting animal (not cat)") == "pettinganimalnotcat"
    assert class_of(f"{CVDF}/600/train/petting%20animal_%28not%20cat%29.tar.gz") == plain(
        "petting animal (not cat)"
    )
    assert class_of("http://h/a/part_0.TAR.GZ") == "part0"
    assert class_of("http://h/x.tar") == "x"


def addresses(*names):
    return [f"http://h/{name}.tar.gz" for name in names]


def test_archives_in_question():
    known = {"a", "b", "c"}
    assert in_question(addresses("c", "a", "b", "odd"), {"a"}, known) == addresses("a", "odd")
    assert in_question(addresses("odd", "a"), {"a"}, known) == addresses("a", "odd")
    assert in_question(addresses("c", "a", "b"), {"", "a"}, known) == addresses("c", "a", "b")
    assert in_question(addresses("c", "b"), {"a"}, known) == []


def test_of_a_part_of_the_classes_others_are_left_out():
    others = [f"other{n}" for n in range(9)]
    assert in_question(addresses("a", "b", *others), {"a"}, {"a", "b"}) == addresses("a")
    # But where a class has no archive of its name, it may be any of them.
    found = in_question(addresses("a", *others), {"a", "b"}, {"a", "b"})
    assert found == addresses("a", *others)
