"""Versions are compared by their numbers."""

from hypothesis import given
from hypothesis import strategies as st

from manifests.versions import numbers

versions = st.lists(st.integers(0, 3000), min_size=1, max_size=4)


@given(one=versions, two=versions)
def test_versions_are_compared_by_their_numbers(one: list[int], two: list[int]) -> None:
    def trimmed(values: list[int]) -> list[int]:
        while values and not values[-1]:
            values = values[:-1]
        return values

    left, right = (numbers(".".join(map(str, x))) for x in (one, two))
    assert (left < right) == (trimmed(one) < trimmed(two))


def test_marks_behind_a_version_do_not_count() -> None:
    assert numbers("2.13.0+cpu") == numbers("2.13") == (2, 13)
    assert numbers("1.0rc1") == (1,) and numbers("") == ()
