"""Bodies over a real server: every drop, stall and lie ends in the right bytes or one error."""

import contextlib
import itertools
import socket
import threading
import time

import pytest

from manifests.errors import StoppedError
from pipeline.fetch.body import Body, Patience, pool
from pipeline.fetch.errors import FetchError
from pipeline.fetch.pace import Pace, Rates
from pipeline.fetch.taxonomy import Then

DATA = bytes(itertools.islice(itertools.cycle(range(251)), 3_000_000))
QUICK = Patience(connect=2, stall=0.5, retries=3, pause=0.01, longest_pause=0.05, window=0.5)


@pytest.fixture
def body(site):
    site.files["/a.mp4"] = DATA

    def make(path="/a.mp4", **more):
        return Body(site.url + path, pool(), Pace(Rates()), QUICK, **more)

    return make


def test_a_whole_file(body, site):
    one = body()
    assert b"".join(one) == DATA
    assert one.total == len(DATA) and one.mark
    assert site.asked["/a.mp4"] == 1


def test_drops_are_taken_up_where_they_broke(body, site, fault):
    site.faults = lambda path, number: fault(drop_after=700_000) if number < 3 else None
    assert b"".join(body()) == DATA
    assert site.asked["/a.mp4"] == 4
    starts = [start for _, start in site.ranges]
    assert starts[0] == 0 and starts == sorted(starts) and 0 < starts[1] <= 700_000


def test_a_line_that_drops_for_ever_but_moves_is_followed_to_the_end(body, site, fault):
    site.files["/a.mp4"] = DATA * 3
    site.faults = lambda path, number: fault(drop_after=700_000)
    assert b"".join(body()) == DATA * 3
    assert site.asked["/a.mp4"] > QUICK.retries + 2


def test_a_body_that_ends_early_is_taken_up(body, site, fault):
    site.faults = lambda path, number: fault(short_after=1_000_000) if number == 0 else None
    assert b"".join(body()) == DATA


def test_a_stall_is_noticed(body, site, fault):
    site.faults = lambda path, number: fault(stall_after=500_000) if number == 0 else None
    assert b"".join(body()) == DATA


def test_a_server_without_ranges_is_read_again_from_its_start(body, site, fault):
    site.faults = lambda path, number: (
        fault(drop_after=900_000, no_ranges=True) if number == 0 else fault(no_ranges=True)
    )
    assert b"".join(body()) == DATA


def test_going_on_from_an_earlier_run(body):
    first = body()
    list(first)
    second = body(start=2_000_000, total=first.total, mark=first.mark)
    assert b"".join(second) == DATA[2_000_000:]


def test_what_is_whole_already_is_not_sent_again(body, site):
    first = body()
    list(first)
    before = site.sent["/a.mp4"]
    assert b"".join(body(start=len(DATA), total=len(DATA), mark=first.mark)) == b""
    assert site.sent["/a.mp4"] == before


def test_more_than_the_server_has(body):
    with pytest.raises(FetchError, match="shorter file") as raised:
        list(body(start=len(DATA) + 5))
    assert raised.value.changed


def test_content_that_changed_in_between(body, site, fault):
    def change(path, number):
        if number == 1:
            site.files["/a.mp4"] = DATA[::-1]
        return fault(drop_after=600_000) if number == 0 else None

    site.faults = change
    with pytest.raises(FetchError, match="changed") as raised:
        list(body())
    assert raised.value.changed and not raised.value.passing


@pytest.mark.parametrize(
    ("status", "requests", "then"),
    [(404, 1, Then.GONE), (403, 1, Then.RETRY), (500, 4, Then.RETRY), (503, 4, Then.RETRY)],
)
def test_refusals(body, site, fault, status, requests, then):
    site.faults = lambda path, number: fault(status=status)
    with pytest.raises(FetchError, match=f"status {status}") as raised:
        list(body())
    assert site.asked["/a.mp4"] == requests
    assert raised.value.rule.then is then


def test_retry_after_is_respected_by_all(body, site, fault):
    site.faults = lambda path, number: fault(status=503, retry_after="0") if number == 0 else None
    started = time.monotonic()
    assert b"".join(body()) == DATA
    assert time.monotonic() - started > 0.9


def test_a_429_is_not_asked_again_at_once(body, site, fault):
    site.faults = lambda path, number: fault(status=429, retry_after="7")
    with pytest.raises(FetchError, match="status 429") as raised:
        list(body())
    assert site.asked["/a.mp4"] == 1
    assert raised.value.rule.then is Then.PAUSE and raised.value.after_s == 7


def test_a_line_that_gives_next_to_nothing_a_connection_is_given_up(body, site, fault):
    site.faults = lambda path, number: fault(drop_after=1000)
    with pytest.raises(FetchError):
        list(body())
    assert site.asked["/a.mp4"] == QUICK.retries + 1


def test_a_line_that_crawls_is_given_up_however_much_it_moves(body, site, fault):
    site.faults = lambda path, number: fault(drip=0.05)
    one = body()
    one.patience = Patience(stall=5, retries=2, pause=0.01, window=0.2, slowest=100_000)
    with pytest.raises(FetchError, match="timed out"):
        list(one)
    assert site.asked["/a.mp4"] == 3


def answer(reply):
    """Serve one answer, byte by byte as given, to whoever asks; return the address."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(reply)

    threading.Thread(target=serve, daemon=True).start()
    return server, f"http://127.0.0.1:{server.getsockname()[1]}/x.mp4"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"200 OK\r\nContent-Length: \xb2", "Content-Length"),
        (b"200 OK\r\nContent-Length: " + b"9" * 5000, "Content-Length"),
        (b"200 OK\r\nContent-Length: 5, 6", "Content-Length"),
        (b"200 OK\r\nContent-Length: 1000000000001", "no video has"),
        (b"206 OK\r\nContent-Length: 2\r\nContent-Range: bytes 0-1/" + b"9" * 5000, "Content-R"),
        (b"302 x\r\nContent-Length: 0\r\nLocation: http://[bad/x", "no address"),
        (b"302 x\r\nContent-Length: 0\r\nLocation: http://a:99999999/x", "99999999"),
        (b"302 x\r\nContent-Length: 0\r\nLocation: file:///etc/passwd", "No host"),
        (b"404 \x1b[2J\x1b]0;pwn\x07 not\r\nContent-Length: 0", "status 404 [^\x00-\x1f]*$"),
    ],
)
def test_hostile_answers_are_errors_of_one_fetch(head, found):
    server, url = answer(b"HTTP/1.1 " + head + b"\r\n\r\nab")
    with server, pytest.raises(FetchError, match=found):
        list(Body(url, pool(), Pace(Rates()), QUICK))


def test_budgets_that_cannot_be_kept_are_no_fault_of_the_line(body, site, tmp_path):
    (tmp_path / "afile").write_text("x")
    one = body()
    one.pace = Pace(Rates({"": 3600.0}), tmp_path / "afile" / "b")
    with pytest.raises(StoppedError, match="afile"):
        list(one)
    assert not site.asked


def test_nothing_is_asked_once_it_is_to_end(body, site):
    one = body()
    one.stop.set()
    with pytest.raises(FetchError, match="interrupted"):
        list(one)
    assert not site.asked


def test_a_burst_of_errors_passes(body, site, fault):
    site.faults = lambda path, number: fault(status=503) if number < 3 else None
    assert b"".join(body()) == DATA


def test_a_slow_drip_is_given_up(body, site, fault):
    site.faults = lambda path, number: fault(drip=0.2)
    one = body()
    one.patience = Patience(stall=5, retries=0, window=0.3, slowest=100_000)
    with pytest.raises(FetchError, match="timed out") as raised:
        list(one)
    assert raised.value.rule.then is Then.RETRY


def test_redirects_are_followed_but_not_for_ever(body, site, fault):
    site.faults = lambda path, number: fault(location="/a.mp4") if path == "/r" else None
    assert b"".join(body("/r")) == DATA
    site.faults = lambda path, number: fault(location="/r")
    with pytest.raises(FetchError):
        list(body("/r"))


def test_nobody_listens():
    one = Body("http://127.0.0.1:9/x", pool(), Pace(Rates()), QUICK)
    with pytest.raises(FetchError, match="refused"):
        list(one)


def test_stop_ends_it(body, site, fault):
    site.faults = lambda path, number: fault(drip=0.01)
    one = body()
    threading.Timer(0.2, one.stop.set).start()
    with pytest.raises(FetchError, match="interrupted"):
        list(one)
