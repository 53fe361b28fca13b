"""Streaming beside other libraries: `python benchmarks/stream.py --work DIR [--only SECTION ...]`.

Decodes real videos, packs them raw and as jpeg under many ids, makes environments for the peers,
and measures section by section; each section's last results stay in results/stream.json until it
runs again. Needs 15 GB in DIR, and half an hour on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from machine import RESULTS, about, keep
from real_shards import REPO, many, packed

from manifests.console import Ui
from shards.benching import stream
from shards.benching.decoding import ONE, TOGETHER
from shards.benching.setup import Setup, setup_of

MEASURED = "stream"
FEW = 512  # clips that are downloaded: more would be a measurement of the disk


@dataclass(frozen=True)
class Bench:
    """Where things lie, and how long is measured."""

    work: Path
    videos: Path
    others: Path
    clips: int
    rounds: int
    seconds: float

    @cached_property
    def raw(self) -> Path:
        """A root of raw clips."""
        return many(packed(self.videos, self.work / "packed"), self.root("raw"), self.clips, "raw")

    @cached_property
    def jpeg(self) -> Path:
        """The same clips as jpeg strips."""
        source = packed(self.videos, self.work / "packed")
        return many(source, self.root("jpeg"), self.clips, "jpeg")

    def root(self, name: str) -> Path:
        """Return where a root of so many clips lies."""
        return self.work / f"{name}-{self.clips}"

    def setup(self, root: Path) -> Setup:
        """Return how a root is read: windows of 16x112x112."""
        return setup_of(str(root), "train", None, 16, (112, 112))


def raw(bench: Bench) -> dict[str, Any]:
    """All ways and all peers on raw shards, hot."""
    from stream_peers import ready, versions

    tars = sorted(str(path) for path in (bench.raw / "shards").glob("*.tar"))
    videos = {"UCF101": bench.videos, "Kinetics": bench.others}
    team = ready(bench.work, tars, videos)
    report = stream.compare(
        bench.setup(bench.raw),
        (8, 32),
        (2, 1),
        bench.rounds,
        bench.seconds,
        Ui(),
        lambda setup: team.entries(setup) if setup.workers == 2 else [],
    )
    report["missing"] |= team.missing
    stream.show(report, Ui())
    return report | {"peers": versions(bench.work)}


def jpeg(bench: Bench) -> dict[str, Any]:
    """The same on jpeg shards, by two workers, beside simplejpeg decoding whole strips."""
    return _jpeg(bench, 2)


def jpeg_alone(bench: Bench) -> dict[str, Any]:
    """The same by one worker."""
    return _jpeg(bench, 1)


def _jpeg(bench: Bench, workers: int) -> dict[str, Any]:
    """`to_simplejpeg`: clipmill to one process's rate times the workers, and to as many at once."""
    report = stream.compare(
        bench.setup(bench.jpeg), (8, 32), (workers,), bench.rounds, bench.seconds, Ui()
    )
    for setting in report["settings"]:
        ways = setting["ways"]
        alone, together = (ways[name]["clipmill_to_it"] for name in (ONE, TOGETHER))
        ways["clipmill"]["to_simplejpeg"] = {
            "times the workers": round(alone / workers, 3),
            "in as many processes": round(together, 3),
        }
    stream.show(report, Ui())
    return report


def device(bench: Bench) -> dict[str, Any]:
    """How much of its time a simulated device waits: raw shards, batches of 32, two workers."""
    setup = replace(bench.setup(bench.raw), batch=32, workers=2)
    found = stream.devices(setup, bench.rounds, bench.seconds, Ui())
    stream.show_devices(found, Ui())
    return found


def cold(bench: Bench) -> dict[str, Any]:
    """From the disk: rates, and the bytes that half of a clip's frames move."""
    from stream_cold import epochs

    return epochs(bench.setup(bench.raw), bench.rounds)


def http(bench: Bench) -> dict[str, Any]:
    """A cold epoch over loopback http beside downloading the shards."""
    from stream_http import epochs

    few = replace(bench, clips=min(bench.clips, FEW))
    return epochs(bench.setup(few.raw), bench.work, bench.rounds)


def plan(bench: Bench) -> dict[str, Any]:
    """A million samples: the plan's time and memory; the first batch at step 0 and 100,000."""
    from stream_million import measure

    return measure(packed(bench.videos, bench.work / "packed"), bench.work, bench.rounds)


def lasting(bench: Bench) -> dict[str, Any]:
    """Memory over 20 epochs; what stays behind after every end."""
    from stream_lasting import ends, memory

    setup = bench.setup(bench.raw)
    return {"memory": memory(setup), "ends": ends(setup)}


SECTIONS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "raw": raw,
    "jpeg": jpeg,
    "jpeg-alone": jpeg_alone,
    "device": device,
    "cold": cold,
    "http": http,
    "plan": plan,
    "lasting": lasting,
}


def main() -> None:
    """Measure what is asked for and keep it beside what was measured before."""
    shared = Path(os.environ.get("CLIPMILL_SHARED", REPO.parent / "shared")) / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="for data and environments")
    parser.add_argument("--videos", type=Path, default=shared / "ucf101_3class")
    parser.add_argument("--others", type=Path, default=shared / "videos/kinetics400_doranlyong")
    parser.add_argument("--clips", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=[*SECTIONS])
    given = vars(parser.parse_args())
    only = given.pop("only")
    for folder in (given["videos"], given["others"]):
        if not any(folder.glob("*/*")):
            raise SystemExit(f"{folder} holds no class folders of videos; see --help")
    bench = Bench(**given)
    bench.work.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{MEASURED}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in only:
        machine = about()
        found = SECTIONS[name](bench)
        print(name, json.dumps(found, indent=1), flush=True)
        results[name] = {"machine": machine, **found}
        keep(MEASURED, results)


if __name__ == "__main__":
    main()
