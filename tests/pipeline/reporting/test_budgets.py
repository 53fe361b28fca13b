"""Budgets are read from the file that a real Pace has written."""

import threading
from pathlib import Path

from pipeline.fetch.hosts import LONGEST_PAUSE_S
from pipeline.fetch.pace import Pace, Rates
from pipeline.reporting.budgets import budgets

NOW = 1_800_000_000.0


def test_a_blocked_host_is_told_with_its_end(tmp_path: Path) -> None:
    file = tmp_path / "budgets.json"
    said: list[str] = []
    pace = Pace(Rates({"": 3600}, first_pause_s=600), file, said.append, lambda: NOW)
    pace.ask("a.org", threading.Event())
    pace.blocked("b.org", "status 429")
    first, second = budgets(file, NOW + 100)
    assert first == {
        "host": "b.org",
        "requests": 0,
        "closed_s": 500,
        "closed_until": "2027-01-15T08:10:00+00:00",
        "blocks": 1,
    }
    assert (second["host"], second["requests"], second["closed_until"]) == ("a.org", 9, None)
    assert {one["closed_s"] for one in budgets(file, NOW + 700)} == {0}


def test_a_clock_that_was_set_back_closes_no_host_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "budgets.json"
    pace = Pace(Rates({"": 3600}), file, lambda text: None, lambda: NOW)
    pace.blocked("b.org", "status 429")
    [one] = budgets(file, NOW - 1_000_000)
    assert one["closed_s"] == LONGEST_PAUSE_S


def test_no_file_and_a_damaged_one_are_no_budgets(tmp_path: Path) -> None:
    file = tmp_path / "budgets.json"
    assert budgets(file, NOW) == []
    file.write_text('{"a.org": [')
    assert budgets(file, NOW) == []
    file.write_text('{"a.org": {"a": NaN, "b": NaN, "c": NaN, "d": Infinity}}')
    [one] = budgets(file, NOW)
    assert (one["requests"], one["closed_s"], one["blocks"]) == (0, 0, 0)
