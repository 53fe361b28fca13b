"""What is a shard's name, and what is none: paths, URLs, commands, other files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from manifests.shardnames import named, require_name, split_and_number

HOSTILE = [
    "",
    "train-000000",
    "train-0.tar",
    "train-000000.tar\n",
    "train-000000.tar\0",
    "\0train-000000.tar",
    "../train-000000.tar",
    "..",
    "a/train-000000.tar",
    "a\\train-000000.tar",
    "/etc/train-000000.tar",
    "~/train-000000.tar",
    "pipe:touch here",
    "pipe:cat train-000000.tar",
    "s3://bucket/train-000000.tar",
    "gopher://host/train-000000.tar",
    "http://host/train-000000.tar",
    "file:train-000000.tar",
    "train-000000.tar?x=1",
    "train-000000.tar#x",
    "train-%2e%2e000000.tar",
    "train-000000.tar.gz",
    "train-000000.pkl",
    "$(touch here)-000000.tar",
    "train-٠٠٠٠٠٠.tar",
    "trаin-000000.tar",  # one letter of it is Cyrillic
    "train-" + "0" * 300 + ".tar",
    "-" * 300 + "-000000.tar",
]


def test_names_and_their_parts() -> None:
    for split, number, name in (
        ("train", 0, "train-000000.tar"),
        ("test", 1234567, "test-1234567.tar"),
        ("un_split", 5, "un_split-000005.tar"),
        ("two-parts", 5, "two-parts-000005.tar"),
    ):
        assert named(split, number) == require_name(name) == name
        assert split_and_number(name) == (split, number)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_none_is_refused(name: str) -> None:
    with pytest.raises(ClipmillError, match=r"is no shard's name; expected a name as"):
        require_name(name)


@pytest.mark.parametrize("split", ["", "..", "a/b", "a b", "pipe:x", "a\0", "train\n"])
def test_no_name_is_made_of_a_hostile_split(split: str) -> None:
    with pytest.raises(ClipmillError, match="is no shard's name"):
        named(split, 0)


@given(st.text(max_size=30))
def test_a_name_that_passes_is_one_plain_file(name: str) -> None:
    try:
        require_name(name + "-000000.tar")
    except ClipmillError:
        return
    assert (name.isascii() and name.replace("-", "").replace("_", "a").isalnum()) or set(name) == {
        "-"
    }
