"""Open files, the clock, the state folder: with real limits, real moments, real folders."""

import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.doctoring.finding import Patient
from pipeline.doctoring.machine import clock, open_files, state_folder
from pipeline.fetch.pace import Pace, Rates


@pytest.mark.parametrize(("soft", "level"), [(64, "fail"), (512, "warn"), (1024, "ok")])
def test_open_files(patient: Callable[..., Patient], soft: int, level: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        found = open_files(patient())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert found.level == level and f"{soft:,}" in found.found
    assert bool(found.cure) == (level != "ok")


def test_a_clock_that_is_behind_its_own_state(patient: Callable[..., Patient]) -> None:
    one = patient()
    assert clock(one).level == "ok"
    Pace(Rates({"": 300}), one.state_file).ask("www.youtube.com", threading.Event())
    assert clock(one).level == "ok"
    later = Pace(Rates({"": 300}), one.state_file, now=lambda: time.time() + 7200)
    later.ask("www.youtube.com", threading.Event())
    found = clock(one)
    assert found.level == "warn" and "the budget of www.youtube.com is 2h00m ahead" in found.found


def test_a_table_of_the_future(tmp_path: Path, patient: Callable[..., Patient]) -> None:
    file = tmp_path / "root" / "dataset.toml"
    file.write_text("")
    os.utime(file, (time.time() + 86400 * 3,) * 2)
    found = clock(patient())
    assert found.level == "warn" and f"{file} is 3d00h ahead" in found.found


def test_the_state_folder_is_made_and_left_clean(patient: Callable[..., Patient]) -> None:
    one = patient()
    assert state_folder(one).level == "ok"
    assert [*one.state_file.parent.iterdir()] == []


def test_a_state_folder_that_cannot_be(tmp_path: Path, patient: Callable[..., Patient]) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "clipmill", Path("/proc/1/clipmill")):
        found = state_folder(patient(state_file=folder / "budgets.json"))
        assert found.level == "fail" and "XDG_STATE_HOME" in found.cure, found


def test_a_state_file_that_cannot_be_written(
    tmp_path: Path, patient: Callable[..., Patient]
) -> None:
    (tmp_path / "budgets.json").mkdir()
    found = state_folder(patient(state_file=tmp_path / "budgets.json"))
    assert found.level == "fail" and "budgets.json cannot be written" in found.found
