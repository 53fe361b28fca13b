"""Names of our own for web addresses."""

import pytest

from pipeline.acquiring.locate import is_own
from pipeline.fetch.https import Https, name_of
from pipeline.fetch.source import Want


@pytest.mark.parametrize(
    ("url", "readable", "extension"),
    [
        ("https://a.example/v/clip%201.MP4?key=1#t", "clip_1", ".mp4"),
        ("http://a.example/../../etc/passwd", "passwd", ""),
        ("http://a.example/", "", ""),
        ("http://a.example/x.exe", "x", ""),
        ("http://a.example/-rf.avi", "-rf", ".avi"),
    ],
)
def test_a_name_is_ours_and_stays_in_its_folder(url, readable, extension):
    name = name_of(url)
    assert is_own(url, name) and name.count("/") == 2 and ".." not in name
    assert readable.strip("-") in name and name.endswith(extension)
    assert name == name_of(url) != name_of(url + "x")


def test_one_unit_a_file_for_all_its_clips(tools):
    wants = [Want(str(i), 1, f"http://x/{i % 2}.mp4", "", None, None) for i in range(5)]
    units = Https().units(wants, tools)
    assert [count for _, count in units] == [3, 2]
    assert {want.source for want in units[0][0]} == {"http://x/0.mp4"}


@pytest.mark.parametrize(
    ("source", "served"),
    [
        ("http://a/b.mp4", True),
        ("HTTPS://a/b", True),
        ("file:http://a/b", False),
        ("youtube:abc", False),
        ("https://", False),
        ("http://a/b c", False),
    ],
)
def test_what_is_an_address(source, served):
    assert Https().serves(source) is served
