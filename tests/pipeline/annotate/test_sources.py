import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from pipeline.annotate.sources import path_of, source_of


@given(st.binary(max_size=60).map(os.fsdecode))
def test_any_file_name_comes_back_and_is_storable(name):
    source = source_of(name)
    assert path_of(source) == name
    source.encode("utf-8")  # no surrogate is left
    assert source.isprintable() or not any(char in source for char in "\n\r\t\x00#?\\")


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_any_text_comes_back(name):
    assert path_of(source_of(name)) == name


@given(st.text(max_size=20), st.text(max_size=20))
def test_different_names_have_different_sources(a, b):
    try:
        sources = {source_of(a), source_of(b)}
    except ClipmillError:
        return  # a lone surrogate, which no file system gives
    assert len(sources) == len({os.fsencode(a), os.fsencode(b)})


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("Punch/v_Punch_g01_c01.avi", "file:Punch/v_Punch_g01_c01.avi"),
        ("a b/;&([!-日本 é.mp4", "file:a b/;&([!-日本 é.mp4"),
        ("#2_Gum_chew 100%?.avi", "file:%232_Gum_chew 100%25%3F.avi"),
        ("a\\b\nc", "file:a%5Cb%0Ac"),
        ("caf\udce9.avi", "file:caf%E9.avi"),
        ("%41", "file:%2541"),
    ],
)
def test_only_what_would_not_survive_is_encoded(name, source):
    assert source_of(name) == source
    assert path_of(source) == name


@pytest.mark.parametrize("source", ["youtube:x", "file:100%", "file:%zz", "Punch/a.avi"])
def test_what_is_no_file_source_is_refused(source):
    with pytest.raises(ClipmillError, match="expected 'file:' and a relative path"):
        path_of(source)


def test_a_lone_surrogate_is_refused():
    with pytest.raises(ClipmillError, match="lone surrogate; rename the file"):
        source_of("a\ud800")
