"""2,000 clips over a faulty server: is every obtainable clip there, and is none fetched twice?

Of all answers 5% are a connection reset in mid-body, 5% a 503 and 1% a body cut short, half of
these under a Content-Length that lies. One run and one `--retry failed`; then the same on a fresh
root with 20 SIGKILLs at random moments, after each of which the files that were finished are
noted: the server must not be asked for one of them again. Writes results/download_faults.json.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from machine import about, keep
from small_clips import REPO, clipmill, root_of, small_clips

sys.path.insert(0, str(REPO))

from manifests import tables
from manifests.dataset import Dataset
from tests.web import Fault, Site, serving

CLIPS = 2_000
KILLS = 20


class Faults:
    """What happens to each request: drawn by path and number of the request, counted by kind."""

    def __init__(self, seed: int, site: Site) -> None:
        self.seed, self.site, self.counts = seed, site, Counter[str]()

    def __call__(self, path: str, number: int) -> Fault | None:
        """Draw one fault, or none."""
        draw = random.Random(f"{self.seed} {path} {number}")
        kind, body = draw.random(), self.site.files[path]
        at = draw.randrange(len(body) if isinstance(body, bytes) else 0)
        self.counts["requests"] += 1
        if kind < 0.05:
            self.counts["dropped"] += 1
            return Fault(drop_after=at)
        if kind < 0.10:
            self.counts["503"] += 1
            return Fault(status=503)
        if kind < 0.105:
            self.counts["truncated"] += 1
            return Fault(short_after=at)
        if kind < 0.11:
            self.counts["truncated, length too"] += 1
            return Fault(cut_at=at)
        return None


def fill(site: Site) -> dict[str, str]:
    """Put the clips on the site; return address -> sha256."""
    clips = small_clips(CLIPS)
    site.files |= {f"/v/{number:05}.mp4": clip for number, clip in enumerate(clips)}
    return {
        f"{site.url}/v/{number:05}.mp4": hashlib.sha256(clip).hexdigest()
        for number, clip in enumerate(clips)
    }


def download(root: Path, *more: str) -> list[str]:
    """Return the command of a download."""
    return [sys.executable, str(REPO / "clipmill.py"), "download", "--root", str(root), "-q", *more]


def outcome(root: Path, expected: dict[str, str]) -> dict[str, int]:
    """Count clips that are there with the right bytes, and parts that were left lying."""
    dataset = Dataset.open(str(root))
    sources = dict(
        zip(dataset.clips["clip_id"].to_pylist(), dataset.clips["source"].to_pylist(), strict=True)
    )
    done = tables.finished(dataset.parts("download")).to_pylist()
    right = 0
    for row in done:
        bytes_there = (root / row["path"]).read_bytes()
        sha = hashlib.sha256(bytes_there).hexdigest()
        right += sha == row["sha256"] == expected[sources[row["clip_id"]]]
    left = len([*(root / "videos").rglob("*.part*")])
    return {"done": len(done), "right_sha256": right, "parts_left": left}


def undisturbed(seed: int) -> dict[str, Any]:
    """One run, then one retry."""
    with tempfile.TemporaryDirectory() as temporary, serving() as site:
        expected, site.faults = fill(site), (faults := Faults(seed, site))
        root = root_of([*expected], Path(temporary))
        started = time.monotonic()
        clipmill(*download(root)[2:])
        seconds = time.monotonic() - started
        first = outcome(root, expected)
        clipmill(*download(root, "--retry", "failed")[2:])
        return {
            "seed": seed,
            "first_run": {"seconds": round(seconds, 1), **first},
            "after_retry": outcome(root, expected),
            "faults": dict(faults.counts),
        }


def killed(seed: int) -> dict[str, Any]:
    """SIGKILLs at random moments, then a run to the end and one retry."""
    with tempfile.TemporaryDirectory() as temporary, serving() as site:
        expected, site.faults = fill(site), Faults(seed, site)
        root = root_of([*expected], Path(temporary))
        draw, again, finished_before = random.Random(seed), 0, []
        for _ in range(KILLS):
            one = subprocess.Popen(download(root))
            time.sleep(draw.uniform(1.0, 2.5))
            one.send_signal(signal.SIGKILL)
            one.wait()
            time.sleep(0.2)  # the server's threads see that nobody reads any more
            again += fetched_again(site, finished_before)
            finished_before = finished(root, site)
        there = len(finished_before)
        for more in ((), ("--retry", "failed")):
            clipmill(*download(root, *more)[2:])
        again += fetched_again(site, finished_before)
        return {
            "seed": seed,
            "kills": KILLS,
            "finished_at_the_last_kill": there,
            "finished_fetched_again": again,
            "at_the_end": outcome(root, expected),
        }


def finished(root: Path, site: Site) -> list[tuple[str, int]]:
    """Return (path on the site, requests so far) of the files that have their final name."""
    names = {path.name[:5] for path in (root / "videos").rglob("*.mp4")}
    return [(path, site.asked[path]) for path in site.files if path[3:8] in names]


def fetched_again(site: Site, before: list[tuple[str, int]]) -> int:
    """Count those of which the server was asked for again since."""
    return sum(site.asked[path] != count for path, count in before)


def main() -> None:
    """Measure both and keep what came of it."""
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        result = {
            "machine": about(),
            "clips": CLIPS,
            "undisturbed": [undisturbed(seed) for seed in range(3)],
            "killed": [killed(seed) for seed in range(3)],
        }
    print(json.dumps(result, indent=1))
    print("written to", keep("download_faults", result))


if __name__ == "__main__":
    main()
