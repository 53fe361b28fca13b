"""What packing adds to decoding: the same clips decoded, packed raw and packed as jpeg, in turn.

Takes sets of videos in class folders (the shared UCF101 clips unless told), decodes them with
the default ClipSpec in worker processes, round after round, and prints each way's time against
decoding alone in the same round. Writes results/pack_cost.json; about a minute a round.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import about, keep
from many_clips import copies_of

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO))

from manifests.annotations import annotate as write_tables  # noqa: E402
from manifests.console import Ui  # noqa: E402
from manifests.dataset import Dataset  # noqa: E402
from manifests.spec import ClipSpec  # noqa: E402
from manifests.storage import open_storage  # noqa: E402
from pipeline import running  # noqa: E402
from pipeline.annotate.folder import read_folder  # noqa: E402
from pipeline.clip import Settings, make  # noqa: E402
from pipeline.crew import Crew, in_processes  # noqa: E402
from pipeline.pack import Pack, PackShard, ShardJob  # noqa: E402
from pipeline.video.decoder import Limits  # noqa: E402
from pipeline.video.errors import VideoError  # noqa: E402

WAYS = ("decode", "raw", "jpeg")


@dataclass(frozen=True)
class DecodeOnly:
    """Makes a shard's clips and throws them away, in a worker process."""

    root: str
    settings: Settings

    def __call__(self, job: ShardJob) -> int:
        """Return how many came out."""
        storage, done = open_storage(self.root), 0
        for clip in job.clips:
            try:
                make(clip, self.settings, storage)
            except VideoError:
                continue
            done += 1
        return done


def prepare(videos: Path, root: Path, codec: str, sampling: str) -> tuple[Settings, list[ShardJob]]:
    """Annotate the videos into a root and return the shards that a pack would write."""
    found = read_folder(videos, csv=None, val=0, test=0, seed=0, name="cost", classes=None)
    rate = 4 if sampling == "stride" else 1
    spec = ClipSpec(codec=codec, sampling=sampling, rate=rate)
    write_tables(str(root), found, spec, 0, str(videos))
    running.run(str(root), ["download"], running.Options(jobs=1), Ui(quiet=True))
    dataset = Dataset.open(str(root))
    settings = Settings(spec, "pyav", Limits())
    stage = Pack(dataset, settings, 20_000_000)
    return settings, [unit for unit, _ in stage.units(stage.plan("none", 0))]


def measure(videos: Path, work: Path, rounds: int, jobs: int, sampling: str) -> dict[str, Any]:
    """Return each way's seconds, round by round, and its median ratio to decoding alone."""
    ready = {way: prepare(videos, work / way, way, sampling) for way in WAYS[1:]}
    works: dict[str, Any] = {way: PackShard(str(work / way), ready[way][0]) for way in WAYS[1:]}
    works["decode"] = DecodeOnly(str(work / "raw"), ready["raw"][0])
    units = {way: ready[way][1] for way in WAYS[1:]} | {"decode": ready["raw"][1]}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(rounds + 1):  # the first one starts workers and fills the page cache
        for way in WAYS:
            shutil.rmtree(work / way / "shards", ignore_errors=True)
            started = time.monotonic()
            for _ in in_processes(works[way], units[way], Crew(jobs)):
                pass
            taken = time.monotonic() - started
            if turn:
                seconds[way].append(round(taken, 2))
        print("round", turn, {way: times[-1:] for way, times in seconds.items()}, flush=True)
    ratios = {
        way: [round(mine / alone, 3) for mine, alone in zip(times, seconds["decode"], strict=True)]
        for way, times in seconds.items()
    }
    clips = sum(len(unit.clips) for unit in units["decode"])
    return {
        "clips": clips,
        "jobs": jobs,
        "sampling": sampling,
        "seconds": seconds,
        "ratios": ratios,
        "median": {way: statistics.median(found) for way, found in ratios.items()},
    }


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    shared = Path(os.environ.get("CLIPMILL_SHARED", REPO.parent / "shared"))
    parser.add_argument(
        "videos",
        nargs="*",
        default=[f"ucf101={shared / 'data' / 'ucf101_3class'}"],
        metavar="NAME=DIR",
        help="class folders of videos, each set measured by itself",
    )
    parser.add_argument("--copies", type=int, default=1, help="of each video")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sampling", choices=("stride", "uniform"), default="stride")
    given = parser.parse_args()
    result: dict[str, Any] = {"machine": about()}
    for name, place in (text.split("=", 1) for text in given.videos):
        with tempfile.TemporaryDirectory() as folder:
            videos = copies_of(Path(place), Path(folder) / "videos", given.copies)
            found = measure(videos, Path(folder), given.rounds, given.jobs, given.sampling)
        print(name, found["median"])
        result[name] = found
    keep("pack_cost", result)


if __name__ == "__main__":
    main()
