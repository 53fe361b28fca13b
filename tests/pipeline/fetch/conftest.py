"""What tests of downloading share: the faulty web server of tests/web.py, and impatient tools."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.storage import open_storage
from pipeline.fetch.body import Patience
from pipeline.fetch.pace import Pace
from pipeline.fetch.source import Tools
from tests.web import Fault


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    """What sources work with, over a root of this test; impatient."""
    patience = Patience(connect=2, stall=1, pause=0.02, longest_pause=0.1)
    return Tools(open_storage(str(tmp_path / "root")), Pace(), patience)


@pytest.fixture
def fault() -> type[Fault]:
    """The class of faults, for tests that set them."""
    return Fault


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], float], None]:
    """Wait until something is true, at most some seconds."""

    def wait(condition: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not come true"
            time.sleep(0.01)

    return wait
