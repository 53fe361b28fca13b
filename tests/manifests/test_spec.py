"""ClipSpec checks itself; equal specs have equal digests, different ones name what differs."""

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from manifests.spec import CODECS, FITS, NAMED, SAMPLINGS, ClipSpec, Window

VALUES = st.one_of(
    st.integers(-5, 5000), st.floats(), st.booleans(), st.none(), st.text(max_size=4),
    st.lists(st.integers(), max_size=2), st.sampled_from([*SAMPLINGS, *FITS, *CODECS]),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([f.name for f in dataclasses.fields(ClipSpec)]), VALUES))
def test_any_values_make_a_spec_or_one_error(values: dict[str, Any]) -> None:
    try:
        spec = ClipSpec(**values)
    except ClipmillError:
        return
    assert ClipSpec.from_dict(json.loads(json.dumps(spec.as_dict())), "here") == spec
    assert spec.nbytes == math.prod(spec.shape)


@given(st.integers(1, 64), st.integers(8, 200), st.sampled_from(FITS), st.sampled_from(CODECS))
def test_the_digest_names_the_spec(frames: int, side: int, fit: str, codec: str) -> None:
    one = ClipSpec(frames=frames, rate=4, height=side, fit=fit, codec=codec)
    same = ClipSpec(frames=frames, rate=4.0, height=side, fit=fit, codec=codec)
    other = dataclasses.replace(one, frames=frames + 1)
    assert one.digest == same.digest
    assert one.digest != other.digest
    one.require(same, "a", "b")
    with pytest.raises(ClipmillError, match=f"frames {frames} against {frames + 1}"):
        one.require(other, "the shards", "the checkpoint")


def test_digests_stay_the_same_for_ever() -> None:
    assert {name: spec.digest for name, spec in NAMED.items()} == {
        "seed": "3146604e25bb30c3",
        "seed-jitter": "49abf9d1a68b55bb",
        "paper": "69462a13b42744ed",
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"frames": 0}, "from 1 to 1024"),
        ({"frames": True}, "whole number"),
        ({"height": 4096}, "from 8 to 2048"),
        ({"fit": "crup"}, "Did you mean 'crop'"),
        ({"rate": 1.5}, "stride is 1.5; expected a whole number"),
        ({"sampling": "uniform"}, "expected 1"),
        ({"rate": math.nan}, "above 0"),
        ({"codec": "jpeg", "frames": 1000}, "one jpeg strip"),
    ],
)
def test_what_is_refused_and_how(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ClipmillError, match=words):
        ClipSpec(**values)


def test_tables_of_values_must_be_whole() -> None:
    values = ClipSpec().as_dict()
    with pytest.raises(ClipmillError, match=r"dataset\.toml.*Did you mean 'frames'"):
        ClipSpec.from_dict(values | {"framse": 1}, "dataset.toml")
    del values["fit"]
    with pytest.raises(ClipmillError, match="lacks fit"):
        ClipSpec.from_dict(values, "dataset.toml")


@given(st.integers(0, 40), st.integers(0, 140), st.integers(0, 140))
def test_a_window_must_fit(frames: int, height: int, width: int) -> None:
    spec, window = ClipSpec(), Window(frames, height, width)
    if 1 <= frames <= 32 and 1 <= height <= 128 and 1 <= width <= 128:
        window.require_inside(spec)
    else:
        with pytest.raises(ClipmillError, match="does not fit"):
            window.require_inside(spec)
