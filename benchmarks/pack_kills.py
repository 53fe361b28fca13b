"""30 SIGKILLs of children, workers and parents during a pack of 500 clips; then a poison clip.

After each kill of the parent, or when a killed worker has ended it, the same command is given
again. Shards are compared with those of an undisturbed run; a shard that was written twice is told
by its inode, and may be at most one of those in flight at a kill. Then one clip of 500 kills each
child that opens it, with each backend. Seeded; some minutes.
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


def family(pid: int) -> dict[str, list[int]]:
    """Return the living processes of a pack by what they are."""
    found: dict[str, list[int]] = {"parent": [pid], "worker": [], "child": []}
    todo = [pid]
    while todo:
        for path in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                for text in path.read_text().split():
                    line = Path(f"/proc/{text}/cmdline").read_bytes()
                    todo.append(int(text))
                    if b"pipeline.video.child" in line:
                        found["child"].append(int(text))
                    elif b"loky" in line and b"resource_tracker" not in line:
                        found["worker"].append(int(text))
    return found


def written(root: Path) -> dict[str, tuple[int, int]]:
    """Return what tells one writing of a shard from another."""
    stats = {path.name: path.stat() for path in (root / "shards").glob("*.tar")}
    return {name: (found.st_ino, found.st_mtime_ns) for name, found in stats.items()}


def kills(root: Path, seed: int, count: int) -> dict[str, Any]:
    """Pack while killing; return what was killed and what was done again."""
    chance = random.Random(seed)
    done: Counter[str] = Counter()
    commands, again = 0, 0
    before: dict[str, tuple[int, int]] = {}
    while True:
        commands += 1
        one = subprocess.Popen(pack_command(root, "--jobs", JOBS), stderr=subprocess.DEVNULL)
        while one.poll() is None:
            now = written(root)
            again += sum(before[name] != now[name] for name in before.keys() & now.keys())
            before |= now
            if sum(done.values()) < count and chance.random() < 0.15:
                kind = chance.choice(KINDS)
                victims = family(one.pid)[kind]
                # The parent is let begin, or nothing would ever be done.
                if victims and (kind != "parent" or family(one.pid)["child"]):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(chance.choice(victims), signal.SIGKILL)
                        done[kind] += 1
            time.sleep(0.1)
        if one.returncode == 0:
            break
    return {"kills": dict(done), "commands": commands, "shards_done_again": again}


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
        result = kills(stormy, given.seed, given.kills)
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
