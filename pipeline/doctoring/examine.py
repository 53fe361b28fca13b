"""All checks at once, each in a thread of its own: they wait for programs and for the network."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from manifests.console import Ui
from pipeline.doctoring.canary import cvdf, youtube
from pipeline.doctoring.decoding import decoder
from pipeline.doctoring.finding import Finding, Patient
from pipeline.doctoring.folder import disk, file_system
from pipeline.doctoring.machine import clock, open_files, state_folder
from pipeline.doctoring.programs import ffmpeg, javascript, rar
from pipeline.doctoring.software import packages, python, torch

Check = Callable[[Patient], Finding]
CHECKS: Mapping[str, Check] = {
    "python": python,
    "packages": packages,
    "torch": torch,
    "decoder": decoder,
    "ffmpeg": ffmpeg,
    "JavaScript": javascript,
    "RAR": rar,
    "disk": disk,
    "file system": file_system,
    "open files": open_files,
    "clock": clock,
    "state folder": state_folder,
}
CANARIES: Mapping[str, Check] = {"CVDF": cvdf, "YouTube": youtube}


def examine(patient: Patient, canary: bool) -> dict[str, Finding]:
    """Return what each check finds; without `canary` no request is made."""
    checks = {**CHECKS, **(CANARIES if canary else {})}
    with ThreadPoolExecutor(len(checks)) as threads:
        asked = {name: threads.submit(_found, check, patient) for name, check in checks.items()}
        return {name: future.result() for name, future in asked.items()}


def _found(check: Check, patient: Patient) -> Finding:
    """A check that breaks has found something too."""
    try:
        return check(patient)
    except Exception as error:
        text = f"the check broke: {type(error).__name__}: {error}"
        details = {"traceback": traceback.format_exc()}
        return Finding("fail", text, "report the traceback that `--json` shows", details)


def report(findings: Mapping[str, Finding]) -> dict[str, Any]:
    """Return the findings as --json shows them."""
    levels = [one.level for one in findings.values()]
    counts = {level: levels.count(level) for level in ("ok", "warn", "fail")}
    return {"checks": {name: asdict(one) for name, one in findings.items()}, **counts}


def show(findings: Mapping[str, Finding], ui: Ui) -> None:
    """Print a line for each check."""
    rows = [(name, one.level, one.found, one.cure) for name, one in findings.items()]
    ui.table("doctor", ("check", "", "found", "to do"), rows)
