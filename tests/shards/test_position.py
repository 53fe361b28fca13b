"""Where a stream stands: plain numbers that go on from themselves, and what is refused."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from shards.position import Course, Position, required

COURSE = Course("d" * 16, 3, 6, 8, 2)
SAMPLES = 50


@given(st.integers(0, 9), st.integers(0, 8), st.integers(0, 50), st.integers(0, 5))
def test_a_state_gives_its_position_back(epoch: int, step: int, skipped: int, bad: int) -> None:
    at = Position(epoch, step, skipped, 6, bad)
    state = at.state(COURSE)
    assert all(type(value) in (int, str) for value in state.values())
    assert required(state, COURSE, SAMPLES, recut=False) == at


@pytest.mark.parametrize("key", ["version", "digest", "seed", "block", "lanes", "global_batch"])
def test_another_course_is_refused_by_name(key: str) -> None:
    state = Position(laid=6).state(COURSE)
    other = state | {key: "x" if key == "digest" else state[key] + 1}
    with pytest.raises(ClipmillError, match=rf"reached with {key} .*, this run has"):
        required(other, COURSE, SAMPLES, recut=False)


@pytest.mark.parametrize("key", [field.name for field in dataclasses.fields(Position)])
@pytest.mark.parametrize("value", [-1, None, "1", 1.5, True])
def test_numbers_that_cannot_be(key: str, value: object) -> None:
    state = Position(laid=6).state(COURSE) | {key: value}
    with pytest.raises(ClipmillError, match=rf"has {key} .*expected a whole number from 0"):
        required(state, COURSE, SAMPLES, recut=False)


@pytest.mark.parametrize(("key", "value"), [("step", 10), ("skipped", 51)])
def test_places_beyond_the_epoch(key: str, value: int) -> None:
    state = Position(laid=6).state(COURSE) | {key: value}
    with pytest.raises(ClipmillError, match=rf"has {key} {value}; expected .* from 0 to"):
        required(state, COURSE, SAMPLES, recut=False)


@pytest.mark.parametrize("laid", [0, 3])
def test_lanes_that_could_not_be_laid(laid: int) -> None:
    with pytest.raises(ClipmillError, match=rf"laid for batches of {laid}"):
        required(Position(laid=laid).state(COURSE), COURSE, SAMPLES, recut=False)


def test_another_batch_goes_on_after_what_was_read_where_that_is_asked_for() -> None:
    state = Position(epoch=2, step=3, skipped=4, laid=6).state(COURSE)
    other = dataclasses.replace(COURSE, global_batch=4)
    with pytest.raises(ClipmillError, match=r"global_batch 6, this run has 4.*ask for a re-cut"):
        required(state, other, SAMPLES, recut=False)
    found = required(state, other, SAMPLES, recut=True)
    assert found == Position(epoch=2, step=0, skipped=4 + 3 * 6, laid=6)
    again = required(found.state(other), COURSE, SAMPLES, recut=True)
    assert again.skipped == 22 and again.laid == 6
