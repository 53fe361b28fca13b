"""One bit flipped in each of 500 places of two small roots (raw, jpeg), one at a time: all found?

    python benchmarks/bit_flips.py [COUNT]

Shards, tables, plans, tensors, videos and dataset.toml; half of the places are drawn by bytes, half
by files, so that small files are hit too. About a minute; writes results/bit_flips.json.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import machine

from manifests.console import Ui
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline import annotating, running
from pipeline.annotate.folder import read_folder
from pipeline.verifying.verify import Wish, check

HERE = Path(__file__).resolve()
VIDEOS = Path(os.environ.get("CLIPMILL_SHARED", HERE.parents[2] / "shared")) / "data" / "videos"
MOST_BYTES = 400_000
SEED = 5
KINDS = ("dataset.toml", "manifests/*.parquet", "manifests/*/*.parquet", "shards/*.tar",
         "clips/*/*.tar", "videos/*/*")  # fmt: skip
UI = Ui(quiet=True)


def main() -> None:
    """Flip bits in both roots and write the results."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    videos = [path for path in sorted(VIDEOS.rglob("*")) if path.suffix in (".avi", ".mp4")]
    small = [path for path in videos if 10_000 < path.stat().st_size < MOST_BYTES]
    results: dict[str, Any] = {"machine": machine.about()}
    with tempfile.TemporaryDirectory() as folder:
        for codec in ("raw", "jpeg"):
            root = make_root(Path(folder) / codec, small, codec)
            assert not found_in(root), "a root that nobody touched is clean"
            hits, missed = flips(root, count // 2, SEED)
            assert not found_in(root)
            results[codec] = {
                "flipped": sum(hits.values()),
                "by_kind": dict(hits),
                "missed": missed,
            }
            print(codec, results[codec])
    machine.keep("bit_flips", results)
    sys.exit(any(results[codec]["missed"] for codec in ("raw", "jpeg")))


def make_root(folder: Path, videos: Sequence[Path], codec: Literal["raw", "jpeg"]) -> Path:
    """Make a root of videos taken out of an archive, with tensors and shards."""
    folder.mkdir(parents=True)
    archive = folder / "videos.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for number, path in enumerate(videos):
            out.write(path, f"{'ab'[number % 2]}/{path.name.lstrip('-')}")
    root, spec = folder / "root", ClipSpec(frames=4, rate=2, height=32, width=32, codec=codec)
    found = read_folder(archive, csv=None, val=0.2, test=0.2, seed=0, name="flips")
    options = running.Options(jobs=1, retry="failed", shard_mb=0.03)
    annotating.annotate(str(root), found, spec, 0, archive, options, UI)
    running.run(str(root), ["decode", "pack"], options, UI)
    return root


def flips(root: Path, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Flip one bit at a time; return the places by kind of file, and those that were not found."""
    hits: Counter[str] = Counter()
    missed = []
    for path, place, bit in places(root, count, seed):
        name = path.relative_to(root).as_posix()
        hits[name.partition("/")[0]] += 1
        good = path.read_bytes()
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1 :])
        try:
            if not any(where.partition("#")[0] == name for where in found_in(root)):
                missed.append(f"{name}, bit {bit} of byte {place}")
        finally:
            path.write_bytes(good)
    return hits, missed


def places(root: Path, count: int, seed: int) -> Iterator[tuple[Path, int, int]]:
    """Yield files, bytes and bits."""
    chance = random.Random(seed)
    files = sorted(path for kind in KINDS for path in root.glob(kind) if path.stat().st_size)
    sizes = [path.stat().st_size for path in files]
    for number in range(count):
        [at] = chance.choices(range(len(files)), sizes if number % 2 else None)
        yield files[at], chance.randrange(sizes[at]), chance.randrange(8)


def found_in(root: Path) -> list[str]:
    """Return where `verify --videos` finds something."""
    try:
        return [found.where for found in check(str(root), Wish(videos=True), UI).problems]
    except ClipmillError as error:
        return [f"stopped: {error}"]


if __name__ == "__main__":
    main()
