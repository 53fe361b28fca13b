"""The decoder child decodes what was drawn, and is confined."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.doctoring.decoding import confinement, decoder
from pipeline.doctoring.finding import Patient

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are told by /proc")


def test_a_child_decodes_rightly(patient: Callable[..., Patient]) -> None:
    found = decoder(patient())
    assert found.level == "ok", found
    assert "av" in found.details["versions"]


@linux
def test_its_limits_are_seen_and_ours_are_none(patient: Callable[..., Patient]) -> None:
    limits = decoder(patient()).details["limits"]
    assert {name for name, there in limits.items() if there} >= {
        "memory",
        "file size",
        "privileges",
    }
    ours = confinement(os.getpid())
    assert ours is not None and not ours["file size"]
    assert confinement(2**22 + 1) is None


@linux
def test_a_child_that_cannot_start_fails(
    patient: Callable[..., Patient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    false = tmp_path / "python"
    false.symlink_to("/bin/false")
    monkeypatch.setattr(sys, "executable", str(false))
    found = decoder(patient())
    assert found.level == "fail" and "did not start" in found.found and found.cure
