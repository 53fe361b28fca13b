"""Python and the packages, against the minimum that setup.cfg names; what torch sees.

torch is asked in a process of its own, which takes one to three seconds: the pipeline never
imports it.
"""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from manifests.versions import numbers
from model import conv3d
from pipeline.doctoring.finding import Finding, Patient

_SOURCES = Path(__file__).resolve().parents[2]
_REQUIRED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*\(?>=\s*([0-9.]+)\)?")
_ASK_TORCH = (
    "import json, torch; n = torch.cuda.device_count(); "
    "print(json.dumps([torch.__version__, [torch.cuda.get_device_name(i) for i in range(n)], "
    "torch.backends.cudnn.version() if n else None]))"
)
TORCH_S = 120
LEAST_PYTHON = (3, 11)


def python(patient: Patient) -> Finding:
    """Look at the interpreter's version."""
    here = sys.version_info[:3]
    text = f"{'.'.join(map(str, here))} at {sys.executable}"
    if here < LEAST_PYTHON:
        least = ".".join(map(str, LEAST_PYTHON))
        return Finding("fail", text, f"install Python {least} or newer and clipmill into it")
    return Finding("ok", text)


def packages(patient: Patient) -> Finding:
    """Hold every package that clipmill needs against its minimum."""
    versions, wrong = {}, []
    wanted = required()
    for name, least in wanted.items():
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing (>= {least})")
            continue
        if numbers(versions[name]) < numbers(least):
            wrong.append(f"{name} {versions[name]} is older than {least}")
    if not wanted:
        text = "neither setup.cfg nor an installed clipmill says what is needed"
        return Finding("warn", text, "install clipmill with pip", versions)
    if wrong:
        return Finding("fail", "; ".join(wrong), "run `pip install -U` with these", versions)
    return Finding("ok", f"{len(versions)}, all at or above their minimum", "", versions)


def required() -> dict[str, str]:
    """Return package -> oldest version that will do: of the sources, or as it was installed."""
    config = configparser.ConfigParser()
    if config.read(_SOURCES / "setup.cfg") and config.has_option("options", "install_requires"):
        lines = config["options"]["install_requires"].splitlines()
    else:
        try:
            lines = metadata.requires("clipmill") or []
        except metadata.PackageNotFoundError:
            lines = []
    core = (line for line in lines if "extra ==" not in line)
    return {match[1]: match[2] for line in core if (match := _REQUIRED.match(line.strip()))}


def torch(patient: Patient) -> Finding:
    """Ask torch for its version and its GPUs."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK_TORCH],
            capture_output=True,
            text=True,
            timeout=TORCH_S,
            cwd="/",
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Finding("fail", f"torch does not start within {TORCH_S} s", "reinstall torch")
    try:
        version, gpus, cudnn = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        cure = "training and scoring need it: `pip install -U torch`"
        return Finding("fail", f"torch cannot be imported: {said}", cure)
    details = {"version": version, "gpus": gpus, "cudnn": cudnn}
    if gpus:
        return _with_gpus(version, gpus, cudnn, details)
    if Path("/proc/driver/nvidia/version").exists():
        text = f"{version} sees no GPU, and an NVIDIA driver is loaded"
        cure = "install the torch that fits the driver: https://pytorch.org/get-started"
        return Finding("warn", text, cure, details)
    return Finding("ok", f"{version}, no GPU: it trains on the processor", "", details)


def _with_gpus(
    version: str, gpus: list[str], cudnn: int | None, details: dict[str, Any]
) -> Finding:
    """Hold torch and its cuDNN against what is known to be slow or wrong."""
    text = f"{version}, {len(gpus)} GPUs: {', '.join(gpus)}"
    if cudnn is not None:
        text += f"; cuDNN {conv3d.named(cudnn)}"
    wrong = conv3d.faults(version, cudnn)
    if not wrong:
        return Finding("ok", text, "", details)
    known = "; ".join(f"{fault.what} ({fault.source})" for fault in wrong)
    cures = "; ".join(dict.fromkeys(fault.cure for fault in wrong))
    return Finding("warn", f"{text}: {known}", cures, details)
