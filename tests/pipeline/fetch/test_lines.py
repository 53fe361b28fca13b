"""A line that gives nothing costs no clip an attempt; one that gives something blames the clips."""

from pipeline.fetch.lines import GIVE_UP, Lines


def row(number):
    return {"clip_id": str(number), "message": f"timed out {number}"}


def test_failures_wait_until_the_line_gives_something():
    lines = Lines()
    for number in range(GIVE_UP - 1):
        lines.failed("a", [row(number)])
    assert not lines.dead("a") and lines.rest() == []
    assert lines.works("a") == [row(number) for number in range(GIVE_UP - 1)]
    lines.failed("a", [row(9)])
    assert lines.rest() == [row(9)] and lines.error() is None


def test_a_line_that_fails_in_a_row_is_given_up_and_others_are_not():
    lines = Lines()
    lines.works("b")
    lines.works("a")
    for number in range(GIVE_UP):
        lines.failed("a", [row(number)])
    assert lines.dead("a") and not lines.dead("b")
    assert lines.rest() == [] and "a cannot be reached (timed out 5)" in str(lines.error())


def test_a_line_that_never_gave_anything_is_told_at_the_end():
    lines = Lines()
    lines.failed("a", [row(0)])
    lines.failed("b", [row(1)])
    assert not lines.dead("a") and lines.rest() == []
    assert "a and 1 more cannot be reached" in str(lines.error())
