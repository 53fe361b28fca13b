"""30 SIGKILLs of children, workers and parents during a pack of 500 clips; then a poison clip.

After each kill of the parent, or when a killed worker has ended it, the same command is given
again. Shards are compared with those of an undisturbed run; one that was cut off is told by its
temporary file, one that was whole and was written again by its inode. Then one clip of 500 kills
each child that opens it, with each backend. Seeded; some minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from assassin import Assassin
from machine import about, keep
from many_clips import digests, outcomes, pack_command, root_of, videos_in

JOBS = 2
KINDS = ("child", "worker", "parent")
ENDS = (0, 3, -signal.SIGKILL)  # done, a worker was lost, the parent was killed


def family(pid: int) -> dict[str, list[int]]:
    """Return the living processes of a pack by what they are.

    A child that starts programs is a clip's second try, whose death is the clip's: it is spared.
    """
    found: dict[str, list[int]] = {"parent": [pid], "worker": [], "child": []}
    todo = [pid]
    while todo:
        for path in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                for text in path.read_text().split():
                    line = Path(f"/proc/{text}/cmdline").read_bytes()
                    todo.append(int(text))
                    if b"pipeline.video.child" in line:
                        if line.endswith(b"\0000\0"):
                            found["child"].append(int(text))
                    elif b"loky" in line and b"resource_tracker" not in line:
                        found["worker"].append(int(text))
    return found


class Shards:
    """The shards of a root as they appear; counts those that were written a second time."""

    def __init__(self, root: Path) -> None:
        self._folder, self._seen, self.again = root / "shards", {}, 0

    def look(self) -> int:
        """Return how many there are; a new inode or time is a new writing."""
        for path in self._folder.glob("*.tar"):
            found = path.stat()
            now = found.st_ino, found.st_mtime_ns
            self.again += self._seen.get(path.name, now) != now
            self._seen[path.name] = now
        return len(self._seen)

    def begun(self) -> int:
        """Return how many are begun and not whole."""
        return sum(1 for _ in self._folder.glob(".tmp-*"))


def kills(root: Path, seed: int, count: int, shards: int) -> dict[str, Any]:
    """Pack while killing; return what was killed and what was done again.

    The kills are spread over the work: each has a kind and comes when so many shards are whole.
    """
    chance = random.Random(seed)
    due = sorted((chance.randrange(shards * 9 // 10), chance.choice(KINDS)) for _ in range(count))
    done: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    seen, cut_off = Shards(root), 0
    while not codes[0]:
        with tempfile.TemporaryFile() as said:
            one = subprocess.Popen(pack_command(root, "--jobs", JOBS), stderr=said)
            while one.poll() is None:
                if seen.look() >= (due[0][0] if due else shards + 1):
                    time.sleep(chance.random() / 20)
                    if killed(one.pid, due[0][1], chance):
                        done[due.pop(0)[1]] += 1
                time.sleep(0.005)
            codes[one.returncode] += 1
            if one.returncode not in ENDS:
                said.seek(0)
                raise SystemExit(f"pack ended with {one.returncode}: {said.read().decode()}")
        if one.returncode:
            cut_off += seen.begun()
    seen.look()
    if due:
        raise SystemExit(f"{len(due)} kills were still due when all was packed; give more --clips")
    return {
        "kills": dict(done),
        "commands": codes.total(),
        "exit_codes": {str(code): times for code, times in codes.items()},
        "shards_cut_off": cut_off,
        "whole_shards_written_again": seen.again,
        "most_in_flight": JOBS * (codes.total() - 1),  # when a command ended before its end
    }


def killed(pid: int, kind: str, chance: random.Random) -> bool:
    """Kill one of a kind; the parent only once it has children, or nothing would ever be done."""
    found = family(pid)
    if not found[kind] or not found["child"]:
        return False
    try:
        os.kill(chance.choice(found[kind]), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def poison_video(path: Path) -> Path:
    """Write a video that takes long enough to be met while it is decoded."""
    source = "testsrc2=s=1920x1080:r=25:d=16"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-f", "lavfi"]
    subprocess.run([*command, "-i", source, "-pix_fmt", "yuv420p", str(path)], check=True)
    return path


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=500)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backends", default="loky,dask,ray")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        videos = videos_in(work / "videos", given.clips)
        calm, stormy = root_of(videos, work / "calm"), root_of(videos, work / "stormy")
        subprocess.run(pack_command(calm, "--jobs", JOBS), check=True)
        result = kills(stormy, given.seed, given.kills, len(digests(calm)))
        result["same_bytes"] = digests(calm) == digests(stormy)
        result["statuses"] = dict(Counter(row["status"] for row in outcomes(stormy)))
        print(result, flush=True)
        poison = poison_video(work / "poison.mp4")
        with_poison = videos_in(work / "poisoned", given.clips, poison)
        for backend in given.backends.split(","):
            root = root_of(with_poison, work / backend)
            with Assassin(poison) as at_work:
                command = pack_command(root, "--jobs", JOBS, "--backend", backend)
                subprocess.run(command, check=True)
            rows = outcomes(root)
            failed = [row for row in rows if row["status"] != "done"]
            result[f"poison_{backend}"] = {
                "done": len(rows) - len(failed),
                "failed": [row["message"] for row in failed],
                "tries": len(at_work.killed),
            }
            print(result[f"poison_{backend}"], flush=True)
    keep("pack_kills", {**about(), "clips": given.clips, "seed": given.seed, **result})


if __name__ == "__main__":
    main()
