"""What the machine allows and believes: open files, its clock, its state folder."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from manifests.console import clock as duration
from pipeline.doctoring.finding import Finding, Patient

FEW_FILES, LEAST_FILES = 1024, 128
SLACK_S = 60.0
_DATE = re.compile(r"(20\d\d)\.(\d+)\.(\d+)")


def open_files(patient: Patient) -> Finding:
    """Look at how many files a process may have open."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = "as many as wanted" if soft == resource.RLIM_INFINITY else f"{soft:,} at once"
    if soft == resource.RLIM_INFINITY or soft >= FEW_FILES:
        return Finding("ok", text, "", {"soft": soft, "hard": hard})
    level = "fail" if soft < LEAST_FILES else "warn"
    return Finding(level, text, f"`ulimit -n {FEW_FILES}`", {"soft": soft, "hard": hard})


def clock(patient: Patient) -> Finding:
    """Look whether the clock is older than what was written before, or than our packages."""
    now = time.time()
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    ahead = [(stamp - now, what) for stamp, what in _stamps(patient) if stamp > now + SLACK_S]
    if not ahead:
        return Finding("ok", text)
    seconds, what = max(ahead)
    cure = "set the clock: budgets wait for what seems to come, and certificates are refused"
    return Finding("warn", f"{text}, and {what} is {duration(seconds)} ahead of it", cure)


def _stamps(patient: Patient) -> Iterator[tuple[float, str]]:
    """Yield moments that should be past, as seconds of the wall clock, with what they are of."""
    from pipeline.fetch.hosts import read_hosts

    if match := _DATE.match(metadata.version("yt-dlp")):
        year, month, day = map(int, match.groups())
        release = time.mktime((year, month, day, 0, 0, 0, 0, 0, 0))
        yield release - 86400, "the release of the installed yt-dlp"
    for name, host in read_hosts(patient.state_file).items():
        yield host.filled_at, f"the budget of {name}"
    paths = [patient.state_file]
    if patient.root is not None and not patient.remote:
        root = Path(patient.root)
        manifests = root / "manifests"
        paths += [root / "dataset.toml", manifests / "clips.parquet"]
        paths += [manifests / name for name in ("download", "decode", "pack", "samples")]
    for path in paths:
        if path.exists():
            yield path.stat().st_mtime, str(path)


def state_folder(patient: Patient) -> Finding:
    """Look whether budgets can be kept, which then hold over runs and for all processes."""
    folder = patient.state_file.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".doctor-", dir=folder)
        os.close(descriptor)
        Path(name).unlink()
        if patient.state_file.exists():
            with patient.state_file.open("rb+"):
                pass
    except OSError as error:
        reason = error.strerror or str(error)
        text = f"{error.filename or folder} cannot be written: {reason}"
        cure = "make it writable, or set XDG_STATE_HOME to a folder that is: downloads keep "
        return Finding("fail", text, f"{cure}their budgets of requests there")
    return Finding("ok", str(folder))
