"""The peers of the benchmark of streaming: their environments, their data, how they are started.

Environments are made by venv and pip under the work folder, once; who cannot be installed or cannot
write its data is told with the reason. About two minutes and 5 GB for all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shards.benching.compare import Entry
from shards.benching.setup import Setup

SCRIPTS = Path(__file__).resolve().parent / "peers"
SLOW = 8  # the batch at which those take part that need seconds for more


@dataclass(frozen=True)
class Peer:
    """A library: its script, the distribution it comes from (none: clipmill's own environment)."""

    name: str
    script: str
    distribution: str | None = None
    variant: str = ""
    slow: bool = False


PEERS = (
    Peer("LitData", "with_litdata.py", "litdata", "items"),
    Peer("LitData, windows", "with_litdata.py", "litdata", "windows"),
    Peer("MosaicML streaming", "with_mosaic.py", "mosaicml-streaming"),
    Peer("webshart", "with_webshart.py", "webshart", "member"),
    Peer("JPEG files, uint8", "jpeg_folder.py", None, "uint8", slow=True),
    Peer("JPEG files, as the seed", "jpeg_folder.py", None, "float", slow=True),
)
DECODERS = ("pyav", "torchcodec")
SEEKING = ("pyav window", "torchcodec window")  # of the first set of videos: those of the shards


@dataclass(frozen=True)
class Team:
    """The peers that are ready, and why the others are not."""

    work: Path
    tars: Sequence[str]
    videos: dict[str, Path]
    missing: dict[str, str]

    def entries(self, setup: Setup) -> list[Entry]:
        """Return those that take part with so many workers and such batches."""
        found = []
        for peer in PEERS:
            if peer.name not in self.missing and (setup.batch <= SLOW or not peer.slow):
                found.append(self._entry(peer, self.tars, setup))
        if setup.batch <= SLOW:
            for number, (name, folder) in enumerate(self.videos.items()):
                files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
                files *= -(-4 * setup.batch // len(files))
                for variant in DECODERS if number else (*DECODERS, *SEEKING):
                    peer = Peer(f"{variant}, {name}", "on_the_fly.py", None, variant)
                    found.append(self._entry(peer, files, setup))
        return found

    def _entry(self, peer: Peer, files: Sequence[str], setup: Setup) -> Entry:
        asked = {
            "tars": list(files),
            "place": str(_place(self.work, peer)),
            "batch": setup.batch,
            "workers": setup.workers,
            "window": list(setup.window),
            "variant": peer.variant,
        }
        # A command line holds 128 kB an argument: what is asked goes by a file.
        name = f"{peer.name} {setup.batch} {setup.workers}".replace(" ", "_").replace(",", "")
        file = self.work / "asked" / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(asked))
        python = str(_python(self.work, peer.distribution))
        return Entry(peer.name, (python, str(SCRIPTS / peer.script), "serve", str(file)))


def ready(work: Path, tars: Sequence[str], videos: dict[str, Path]) -> Team:
    """Make the environments and write the data of all peers."""
    missing: dict[str, str] = {}
    team = Team(work, tars, videos, missing)
    setup = Setup("", "", None, 1, 0, 1, 1, 1)
    for peer in PEERS:
        reason = _install(work, peer.distribution) if peer.distribution else ""
        place = _place(work, peer)
        if not reason and not (place / "made").exists():
            entry = team._entry(peer, tars, setup)
            reason = _said([*entry.command[:2], "prepare", entry.command[3]])
            if not reason:
                (place / "made").touch()
        if reason:
            missing[peer.name] = reason
        print(f"{peer.name}: {reason or 'ready'}", flush=True)
    return team


def versions(work: Path) -> dict[str, Any]:
    """Return the version of each peer's library, with its torch's."""
    code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]), m.version('torch'))"
    found: dict[str, Any] = {}
    for name in sorted({peer.distribution for peer in PEERS if peer.distribution}):
        command = [str(_python(work, name)), "-c", code, name]
        done = subprocess.run(command, capture_output=True, text=True)
        version, _, torch = done.stdout.strip().partition(" ")
        found[name] = {"version": version, "torch": torch} if not done.returncode else None
    return found


def _place(work: Path, peer: Peer) -> Path:
    kind = peer.variant if peer.distribution else ""
    return work / "data" / f"{Path(peer.script).stem}{kind}"


def _python(work: Path, distribution: str | None) -> Path:
    if distribution is None:
        return Path(sys.executable)
    return work / "environments" / distribution / "bin" / "python"


def _install(work: Path, distribution: str) -> str:
    """Return why a library cannot be installed; nothing where it is."""
    python = _python(work, distribution)
    done = python.parents[1] / "made"
    if done.exists():
        return ""
    venv.create(python.parents[1], with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Torchvision, which MosaicML streaming imports, goes with the index's own torch: where pip is
    # told of a folder with another build, that one does not fit.
    reason = _said([*pip, distribution, "numpy", "torch"], PIP_FIND_LINKS="")
    if not reason:
        done.touch()
    return reason


def _said(command: Sequence[str], **environment: str) -> str:
    """Run a command; return the last line of its errors where it failed."""
    variables = os.environ | environment
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    if not done.returncode:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"it ended with {done.returncode}"
