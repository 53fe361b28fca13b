"""What the checks are told in tests, and the web server that the canaries ask."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.doctoring.finding import Patient
from tests.web import Fault, Site, serving


@pytest.fixture
def patient(tmp_path: Path) -> Callable[..., Patient]:
    """A maker of patients: a root that is there, a state file that is not, and nobody to ask."""
    (tmp_path / "root").mkdir()
    nobody = "http://127.0.0.1:9"
    usual = Patient(tmp_path / "root", tmp_path / "state" / "budgets.json", nobody, keep_free=0)

    def make(**more: Any) -> Patient:
        return replace(usual, **more)

    return make


@pytest.fixture
def site() -> Iterator[Site]:
    """An empty site on a port of its own."""
    with serving() as one:
        yield one


@pytest.fixture
def fault() -> type[Fault]:
    """The class of faults, for tests that set them."""
    return Fault
