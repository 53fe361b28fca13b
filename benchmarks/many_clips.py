"""A root of many small clips to pack, and what its shards are, for the benchmarks of packing."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from small_clips import small_clips

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from manifests.annotations import annotate as write_tables  # noqa: E402
from manifests.console import Ui  # noqa: E402
from manifests.spec import ClipSpec  # noqa: E402
from pipeline import running  # noqa: E402
from pipeline.annotate.folder import read_folder  # noqa: E402

SPEC = ClipSpec(frames=8, sampling="uniform", rate=1, height=64, width=64)
SHARD_MB = 1.0  # ten clips


def videos_in(folder: Path, count: int, poison: Path | None = None) -> Path:
    """Write `count` small videos in ten classes; the last one is a link to `poison` if given."""
    for number, data in enumerate(small_clips(count)):
        path = folder / f"class{number % 10}" / f"{number:05d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        if poison is not None and number == count - 1:
            os.link(poison, path)
        else:
            path.write_bytes(data)
    return folder


def copies_of(videos: Path, into: Path, count: int) -> Path:
    """Link the videos of class folders `count` times, each under a name of its own."""
    for path in sorted(videos.glob("*/*")):
        for number in range(count):
            link = into / path.parent.name / f"{number:03d}_{path.name}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.absolute())
    return into


def root_of(videos: Path, root: Path, spec: ClipSpec = SPEC) -> Path:
    """Annotate the videos into a root and look at them: all is ready to be packed."""
    found = read_folder(videos, csv=None, val=0, test=0, seed=0, name="many", classes=None)
    write_tables(str(root), found, spec, 0, str(videos))
    running.run(str(root), ["download"], running.Options(), Ui(quiet=True))
    return root


def digests(root: Path) -> dict[str, str]:
    """Return the sha256 of each shard."""
    shards = sorted((root / "shards").glob("*.tar"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in shards}


def pack_command(root: Path, *more: object, shard_mb: float = SHARD_MB) -> list[str]:
    """Return the command line that packs a root."""
    command = [sys.executable, str(REPO / "clipmill.py"), "pack", "--root", str(root), "-q"]
    return [*command, "--shard-mb", str(shard_mb), *map(str, more)]


def outcomes(root: Path) -> list[dict[str, Any]]:
    """Return the rows of pack."""
    from manifests.dataset import Dataset

    return Dataset.open(str(root)).parts("pack").to_pylist()
