"""Lists at once and archives block by block, through what servers do."""

import pytest

from manifests.errors import ClipmillError, StoppedError
from pipeline.fetch.cvdf.fetching import GIVE_UP, MOST_OF_A_LIST, Line, blocks, body_of, list_at
from pipeline.fetch.errors import FetchError
from pipeline.fetch.pace import Rates


def test_a_list_through_drops(site, fault, tools):
    site.files["/l"] = b"https://a/b.tar.gz\n" * 9000
    tools.pace.rates = Rates(first_pause_s=0.05)
    faults = {0: {"status": 503}, 1: {"drop_after": 90_000}, 2: {"status": 429}}
    site.faults = lambda path, number: fault(**faults.get(number, {}))
    assert list_at(f"{site.url}/l", tools) == site.files["/l"]


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [(404, ClipmillError, 2), (403, ClipmillError, 2), (500, StoppedError, 3)],
)
def test_a_list_that_cannot_be_had(site, fault, tools, status, kind, code):
    site.faults = lambda path, number: fault(status=status)
    with pytest.raises(kind, match=f"status {status}") as error:
        list_at(f"{site.url}/l", tools)
    assert error.value.exit_code == code and f"{site.url}/l" in str(error.value)


def test_a_list_without_a_server(tools):
    with pytest.raises(StoppedError, match="Look at the connection"):
        list_at("http://127.0.0.1:9/l", tools)


def test_a_list_that_is_none_ends(site, tools):
    site.files["/l"] = bytes(MOST_OF_A_LIST + 1)
    with pytest.raises(ClipmillError, match="longer than any list"):
        list_at(f"{site.url}/l", tools)


def test_a_run_that_ends_has_no_list(site, fault, tools):
    site.faults = lambda path, number: fault(status=503)
    tools.stop.set()
    assert list_at(f"{site.url}/l", tools) is None


def test_a_blocked_session_goes_on_where_it_was(site, fault, tools):
    data = site.files["/a"] = bytes(range(256)) * 4000
    tools.patience = type(tools.patience)(connect=2, stall=1, retries=1, pause=0.01)
    tools.pace.rates = Rates(first_pause_s=0.05)
    faults = {0: {"drop_after": 500_000}, **{n: {"status": 429} for n in (1, 2, 3, 4)}}
    site.faults = lambda path, number: fault(**faults.get(number, {}))
    assert b"".join(blocks(body_of(f"{site.url}/a", tools), tools)) == data
    assert site.ranges[-1][1] > 400_000


def test_it_gives_up_when_it_stays_blocked(site, fault, tools):
    tools.patience = type(tools.patience)(connect=2, stall=1, retries=0, pause=0.01)
    tools.pace.rates = Rates(first_pause_s=0.01, give_up=3)
    site.faults = lambda path, number: fault(status=429)
    with pytest.raises(StoppedError, match="3 times in a row"):
        list(blocks(body_of(f"{site.url}/a", tools), tools))


def test_other_refusals_pass_through(site, tools):
    with pytest.raises(FetchError, match="404"):
        list(blocks(body_of(f"{site.url}/a", tools), tools))


def test_a_dead_line_is_told_from_a_dead_archive():
    line = Line()
    for _ in range(3):
        for _ in range(GIVE_UP - 1):
            line.failed("timed out")
        line.works()
    with pytest.raises(StoppedError, match=f"{GIVE_UP} archives in a row"):
        for _ in range(GIVE_UP):
            line.failed("timed out")
