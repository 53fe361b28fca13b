"""Budgets, pauses and limits: by a clock of the test's own, and in real processes."""

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from manifests.errors import StoppedError, UnreachableError
from pipeline.fetch.hosts import BUCKET, read_hosts
from pipeline.fetch.pace import Pace, Rates

REPO = Path(__file__).resolve().parents[3]


class Clock:
    """A wall clock that the test sets; a thread that waits on its event moves it."""

    def __init__(self, at=1000.0):
        self.at = at

    def __call__(self):
        return self.at

    def event(self):
        clock = self

        class Waiting(threading.Event):
            def wait(self, timeout=None):
                clock.at += timeout or 0
                return self.is_set()

        return Waiting()


def test_a_budget_is_kept_over_an_hour():
    clock = Clock()
    pace = Pace(Rates({"h": 60.0}), now=clock)
    stop, times = clock.event(), []
    for _ in range(70):
        pace.ask("h", stop)
        times.append(clock.at - 1000)
    assert times[int(BUCKET) - 1] == 0
    assert times[-1] == pytest.approx((70 - BUCKET) * 60, rel=0.01)


def test_a_budget_survives_a_restart_and_is_shared(tmp_path):
    clock, file = Clock(), tmp_path / "state" / "budget.json"
    first = Pace(Rates({"h": 60.0}), file, now=clock)
    for _ in range(int(BUCKET)):
        first.ask("h", clock.event())
    second = Pace(Rates({"h": 60.0}), file, now=clock)
    second.ask("h", clock.event())
    assert clock.at - 1000 == pytest.approx(60, rel=0.01)


def test_processes_share_one_budget(tmp_path):
    program = (
        "import sys, threading, time\n"
        "from pathlib import Path\n"
        "from pipeline.fetch.pace import Pace, Rates\n"
        "pace = Pace(Rates({'h': 3600.0 * 20}), Path(sys.argv[1]))\n"
        "for _ in range(25): pace.ask('h', threading.Event())\n"
    )
    file = tmp_path / "budget.json"
    started = time.monotonic()
    several = [subprocess.Popen([sys.executable, "-c", program, file], cwd=REPO) for _ in range(3)]
    assert [one.wait(60) for one in several] == [0, 0, 0]
    assert time.monotonic() - started > (75 - BUCKET) / 20 * 0.9


def test_a_damaged_file_is_begun_anew(tmp_path):
    file = tmp_path / "budget.json"
    for text in ("", "{", "[]", '{"h": 3}', '{"h": {"tokens": "x"}}', '{"h": {}}'):
        file.write_text(text)
        Pace(Rates({"h": 60.0}), file).ask("h", threading.Event())
        assert json.loads(file.read_text())["h"]["tokens"] == pytest.approx(BUCKET - 1)


def test_a_block_closes_the_host_for_ever_longer_and_then_stops_the_stage():
    clock, said = Clock(), []
    pace = Pace(Rates({"h": 3600.0}, give_up=3), say=said.append, now=clock)
    pace.blocked("h", "captcha")
    pace.blocked("h", "captcha")  # a second worker hears the same
    before = clock.at
    pace.ask("h", clock.event())
    first = clock.at - before
    pace.blocked("h", "captcha")
    before = clock.at
    pace.ask("h", clock.event())
    second = clock.at - before
    assert first >= 300 and second >= 600 and len(said) == 2
    with pytest.raises(StoppedError, match=r"3 times in a row.*run the same command again"):
        pace.blocked("h", "captcha")


def test_an_answer_makes_the_next_block_the_first_again(tmp_path):
    clock, said = Clock(), []
    pace = Pace(Rates({"h": 3600.0}, give_up=2), tmp_path / "b", said.append, clock)
    for _ in range(5):
        pace.blocked("h", "captcha")
        pace.ask("h", clock.event())
        pace.answered("h")
    assert len(said) == 5


def test_a_block_survives_a_restart(tmp_path):
    clock, file = Clock(), tmp_path / "b"
    Pace(Rates({"h": 3600.0}), file, lambda text: None, clock).blocked("h", "captcha")
    again = Pace(Rates({"h": 3600.0}), file, now=clock)
    again.ask("h", clock.event())
    assert clock.at >= 1300


@pytest.mark.parametrize(
    ("status", "header", "asked", "rests"),
    [
        (503, "7", 7, 7),
        (503, "99999999", 3600, 3600),
        (503, "-5", 1, 1),
        (503, "0", 1, 1),
        (503, "nan", None, 0),
        (503, "inf", None, 0),
        (503, "Thu, 01 Jan 1970 00:17:40 GMT", 60, 60),
        (503, "Mon, 01 Jan 1970 00:00:00 GMT", 1, 1),
        (503, "soon", None, 0),
        (503, None, None, 0),
        (429, "120", 120, 0),
        (404, "120", None, 0),
    ],
)
def test_retry_after(status, header, asked, rests):
    clock = Clock()
    pace = Pace(Rates(), say=lambda text: None, now=clock)
    assert pace.refused("h", status, header) == asked
    pace.ask("h", clock.event())
    assert clock.at - 1000 == pytest.approx(rests)


@pytest.mark.parametrize(
    ("header", "pauses"),
    [("0", [300, 600]), ("nan", [300, 600]), (None, [300, 600]), ("500", [500, 600])],
)
def test_a_429_is_a_block_whatever_time_it_names(header, pauses):
    clock, said = Clock(), []
    pace = Pace(Rates(give_up=3), say=said.append, now=clock)
    took = []
    for _ in range(2):
        before = clock.at
        pace.blocked("h", "status 429", pace.refused("h", 429, header))
        pace.ask("h", clock.event())
        took.append(clock.at - before)
    assert took == pytest.approx(pauses) and len(said) == 2
    with pytest.raises(UnreachableError, match="3 times in a row"):
        pace.blocked("h", "status 429", pace.refused("h", 429, header))


def test_a_host_that_an_earlier_run_closed_is_waited_for_aloud_and_once(tmp_path):
    clock, file, said = Clock(), tmp_path / "b", []
    rates = Rates({"h": 3600.0})
    Pace(rates, file, lambda text: None, clock).blocked("h", "captcha")
    again = Pace(rates, file, said.append, clock)
    threads = [threading.Thread(target=again.ask, args=("h", clock.event())) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    [text] = said
    assert re.fullmatch(r"h is closed to this address until \d\d:\d\d \(captcha\); waiting", text)
    again.blocked("h", "captcha")
    again.ask("h", clock.event())
    assert len(said) == 2  # the pause of our own is told as such


def test_what_is_closed_to_this_address_is_open_to_a_proxy(tmp_path):
    clock, file = Clock(), tmp_path / "b"
    rates = Rates({"h": 3600.0})
    Pace(rates, file, lambda text: None, clock).blocked("h", "captcha")
    other = Pace(rates, file, now=clock, via="proxy:3128")
    other.ask("h", clock.event())
    assert clock.at == 1000
    assert set(read_hosts(file)) == {"h", "h via proxy:3128"}
    assert read_hosts(file)["h"].why == "captcha"


def test_a_state_folder_that_cannot_be_written_stops_with_its_name(tmp_path):
    (tmp_path / "afile").write_text("x")
    file = tmp_path / "afile" / "budgets.json"
    with pytest.raises(StoppedError, match=r"afile/budgets\.json.*XDG_STATE_HOME"):
        Pace(Rates({"h": 1.0}), file).ask("h", threading.Event())


def test_the_limit_of_bytes_is_shared_by_threads():
    pace = Pace(Rates(bytes_s=1_000_000))
    stop = threading.Event()

    def move():
        for _ in range(10):
            pace.moved(25_000, stop)

    started = time.monotonic()
    threads = [threading.Thread(target=move) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert time.monotonic() - started > 0.8


def test_stop_ends_every_wait():
    pace, stop = Pace(Rates({"h": 0.001})), threading.Event()
    for _ in range(int(BUCKET)):
        pace.ask("h", stop)
    threading.Timer(0.1, stop.set).start()
    started = time.monotonic()
    pace.ask("h", stop)
    assert time.monotonic() - started < 4
