"""All checks together, and the verb as a user types it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.doctoring import examine
from pipeline.doctoring.finding import Finding, Patient

LIST = "600/val/k600_val_path.txt"


def test_every_check_says_something(patient: Callable[..., Patient]) -> None:
    found = examine.examine(patient(), canary=False)
    assert list(found) == list(examine.CHECKS)
    for name, one in found.items():
        assert one.found and (one.level == "ok") == (not one.cure), name
    told = examine.report(found)
    assert json.loads(json.dumps(told)) == told
    assert told["ok"] + told["warn"] + told["fail"] == len(found)


def test_a_check_that_breaks_fails(
    patient: Callable[..., Patient], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(patient: Patient) -> Finding:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(examine, "CHECKS", {"broken": broken})
    found = examine.examine(patient(), canary=False)["broken"]
    assert found.level == "fail" and "ZeroDivisionError: by nothing" in found.found
    assert "raise ZeroDivisionError" in found.details["traceback"]


def test_the_verb(tmp_path: Path, cli: Callable[..., Any], site: Any) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    done = cli("doctor", "--root", tmp_path, "--no-canary", "--json", **state)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert set(told["checks"]) == set(examine.CHECKS) and told["fail"] == 0
    site.files = {f"/{LIST}": b"https://h/a.tar.gz\n"}
    asked = ("--cvdf", site.url, "--youtube", f"{site.url}/{{id}}.mp4")
    done = cli("doctor", "--root", tmp_path, *asked, **state)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{site.url}/{LIST} answers" in done.stdout and "taken down for good" in done.stdout


def test_what_cannot_work_is_exit_code_1(tmp_path: Path, cli: Callable[..., Any]) -> None:
    (tmp_path / "file").write_text("")
    done = cli("doctor", "--no-canary", "--json", XDG_STATE_HOME=str(tmp_path / "file"))
    assert done.returncode == 1
    assert json.loads(done.stdout)["checks"]["state folder"]["level"] == "fail"


def test_it_is_quick_without_canaries(patient: Callable[..., Patient]) -> None:
    started = time.monotonic()
    examine.examine(patient(), canary=False)
    assert time.monotonic() - started < 20, "three seconds on a machine at rest"


def test_addresses_that_are_none_are_wrong_use(cli: Callable[..., Any]) -> None:
    for name, address in (("--cvdf", "mirror"), ("--youtube", "http://h/a.mp4")):
        done = cli("doctor", name, address)
        assert done.returncode == 2 and f"{name} {address}" in done.stderr.replace("'", "")
