"""What people and programs read: durations, sizes, tables, one JSON object, lines of progress."""

import io
import json
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from manifests import progress as progresses
from manifests.console import Progress, Ui, clock, size


class Clock:
    """time.monotonic that stands until it is told to go."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progresses.time, "monotonic", clock)
    return clock


def terminal(width: int = 120) -> tuple[Ui, io.StringIO]:
    said = io.StringIO()
    shown = Console(file=said, force_terminal=True, width=width, color_system="truecolor")
    return Ui(_consoles={"stderr": shown, "stdout": shown}), said


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (190, "3m10s"),
        (3599.5, "1h00m"),
        (5 * 3600 + 7 * 60 + 59, "5h07m"),
        (86399.9, "1d00h"),
        (3 * 86400 + 4 * 3600, "3d04h"),
    ],
)
def test_durations(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.6, "1.0 kB"),
        (1500, "1.5 kB"),
        (999_949, "999.9 kB"),
        (999_960, "1.0 MB"),
        (648e9, "648.0 GB"),
        (5e15, "5000.0 TB"),
        (-2500, "-2.5 kB"),
    ],
)
def test_sizes(count, text):
    assert size(count) == text


@given(st.integers(0, 10**16))
def test_a_size_is_near_the_number(count):
    number, unit = size(count).split()
    factor = 1000 ** ("B", "kB", "MB", "GB", "TB").index(unit)
    assert float(number) * factor == pytest.approx(count, rel=0.05, abs=0.5)


def test_a_line_of_progress(time):
    progress = Progress(1200, "pack")
    assert progress.line() == "pack: 0/1,200, 0.0/s"
    time.now += 10
    progress.advance(200, words="7 failed")
    assert progress.line() == "pack: 200/1,200, 20.0/s, 50s left, 7 failed"
    progress.advance(1000)
    assert progress.line() == "pack: 1,200/1,200, 120.0/s, 7 failed"


def test_what_was_done_before_does_not_count_in_the_rate(time):
    progress = Progress(1200, "epoch 1/1", before=1000, unit="clips")
    assert progress.line() == "epoch 1/1: 1,000/1,200, 0.0 clips/s"
    time.now += 10
    progress.advance(100)
    assert progress.line() == "epoch 1/1: 1,100/1,200, 10.0 clips/s, 10s left"
    time.now += 1000
    assert progress.line() == "epoch 1/1: 1,100/1,200, 356 clips/h, 16m50s left"


def test_one_line_a_minute_without_a_terminal(time, capsys):
    with Ui().progress(100, "score") as progress:
        for _ in range(100):
            time.now += 1.5
            progress.advance()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "score: 40/100",
        "score: 80/100",
        "score: 100/100",
    ]


@pytest.mark.parametrize("ui", [Ui(quiet=True), Ui(speaks=False)])
def test_silence_when_quiet_and_on_other_ranks(ui, capsys):
    with ui.progress(2, "score") as progress:
        progress.advance(2)
    assert progress.done == 2
    ui.note("a note")
    ui.detail("a detail")
    ui.table("title", ["a"], [[1]])
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal():
    ui, said = terminal()
    with ui.progress(3, "score") as progress:
        progress.advance(3, words="loss 1.0")
    assert "3/3" in said.getvalue()
    assert "loss 1.0" in said.getvalue()
    assert "\x1b[" in said.getvalue()


def test_on_a_narrow_terminal_the_words_stand_under_the_bar():
    ui, said = terminal(80)
    words = "loss 2.312, top-1 34.5%, 0.4% waiting for data, 3h12m left of the run"
    with ui.progress(9537, "epoch 12/100", unit="clips") as progress:
        progress.advance(1200, words=words)
    lines = [
        re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)
        for line in re.split("[\\r\\n]", said.getvalue())
    ]
    assert any("epoch 12/100" in line and "1200/9537" in line and "left" in line for line in lines)
    assert f"  {words}" in [line.rstrip() for line in lines]
    assert max(map(len, lines)) <= 80


def test_the_closing_line_can_be_left_to_the_caller(time, capsys):
    with Ui().progress(4, "epoch 1/1", closing=False) as progress:
        progress.advance(2)
        time.now += 61
        progress.advance(2)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("epoch 1/1: 4/4"), "the line of the minute stays"
    with Ui().progress(4, "epoch 1/1", closing=False) as progress:
        progress.advance(4)
    assert capsys.readouterr().err == ""


def test_nothing_to_do_is_not_a_line(capsys):
    with Ui().progress(0, "score"):
        pass
    assert capsys.readouterr().err == ""


def test_cells_and_columns(capsys):
    rows = [["[red]x[/red] :smile:", 1234567, 0.123456, None, True], ["b", 2, 3.0, "", False]]
    Ui().table("The title", ["name", "count", "share", "none", "yes"], rows)
    out, said = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "The title"
    assert said == ""
    assert "[red]x[/red] :smile:" in out, "labels are text, never markup"
    assert "│ 1,234,567 │ 0.1235 │" in out
    assert "│         2 │      3 │" in out, "numbers stand right"
    assert "yes" in lines[4]
    assert "no " in lines[5]
    assert "\x1b" not in out
    Ui().table("empty", ["a", "b"], [])
    assert "empty" in capsys.readouterr().out


def test_json_is_one_object_and_the_table_stays_away(capsys):
    ui = Ui(json=True)
    ui.table("title", ["a"], [[1]])
    ui.finish({"a": 1})
    ui.finish({"b": "é", "nan": float("nan"), "nest": [{"inf": float("inf")}, (1, 2)]})
    ui.flush()
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "é" in out
    expected = {"a": 1, "b": "é", "nan": None, "nest": [{"inf": None}, [1, 2]]}
    assert json.loads(out, parse_constant=pytest.fail) == expected
    for silent in (Ui(), Ui(json=True, speaks=False)):
        silent.finish({"a": 1})
        silent.flush()
    assert capsys.readouterr().out == ""


def test_a_name_that_is_no_text_is_shown_and_comes_back(monkeypatch):
    name = b"caf\xe9 \xf0\x9f\x8f\x83".decode("utf-8", "surrogateescape")
    for encoding in ("utf-8", "ascii", "latin-1"):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        ui = Ui(json=True)
        ui.finish({"video": name})
        ui.flush()
        assert json.loads(raw.getvalue()) == {"video": name}
        Ui().table(name, ["a"], [[name]])
        sys.stdout.flush()
        assert b"caf\\udce9" in raw.getvalue()


def test_warnings_and_errors_are_said_even_when_quiet(capsys):
    ui = Ui(quiet=True)
    ui.warn("careful")
    ui.error("the end")
    assert capsys.readouterr().err == "warning: careful\nerror: the end\n"
