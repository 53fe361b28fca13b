"""`clipmill download --source cvdf --cvdf URL` as users run it: killed, stopped, in parts."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.pipeline.fetch.cvdf.laid import packed, states, stem_of

REPO = Path(__file__).resolve().parents[4]


@pytest.fixture
def start(site, tmp_path):
    """Start the verb in a process of its own."""

    def run(dataset, *options):
        command = [sys.executable, str(REPO / "clipmill.py"), "download", "-q"]
        command += ["--root", dataset.storage.root, "--source", "cvdf", "--cvdf", site.url]
        environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
        return subprocess.Popen([*command, *options], env=environment, stderr=subprocess.PIPE)

    return run


@pytest.fixture
def eight(clips, lay, video):
    """Eight clips in one archive, with as much noise between them that it comes in pieces."""
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(8)])
    draw = random.Random(4)
    members = []
    for number in range(8):
        members += [(f"t/{stem_of(number)}.mp4", video(number))]
        members += [(f"t/n{number}.bin", draw.randbytes(300_000))]
    lay("400", "train", {"part_0.tar.gz": members})
    return dataset


PART = "/400/train/part_0.tar.gz"


def test_killed_in_the_middle_of_an_archive(eight, site, fault, start, wait_until):
    site.faults = lambda path, number: fault(drip=0.001) if path == PART else None
    one = start(eight)
    videos = eight.storage.place("videos")
    wait_until(lambda: len([*videos.rglob("*.mp4")]) >= 4, 30)
    one.send_signal(signal.SIGKILL)
    one.wait()
    came = {path: path.stat().st_mtime_ns for path in videos.rglob("*.mp4")}
    assert 4 <= len(came) < 8 and site.ranges[-1] == (PART, 0)
    site.faults = lambda path, number: None
    one = start(eight)
    assert one.wait(60) == 0, one.stderr.read()
    assert site.ranges[-1] == (PART, 0)  # anew, for gzip cannot be entered in the middle
    assert Counter(row["status"] for row in states(eight).values()) == {"done": 8}
    assert came == {path: path.stat().st_mtime_ns for path in came}  # nothing written twice
    assert not list(Path(eight.storage.root).rglob(".tmp-*"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_soon_and_keeps_what_came(eight, site, fault, start, wait_until, how):
    site.faults = lambda path, number: fault(drip=0.002) if path == PART else None
    one = start(eight)
    wait_until(lambda: len([*eight.storage.place("videos").rglob("*.mp4")]) >= 2, 30)
    one.send_signal(how)
    assert one.wait(10) == (130 if how == signal.SIGINT else one.returncode) and one.returncode
    rows = states(eight)
    assert {row["status"] for row in rows.values()} == {"done"} and 0 < len(rows) < 8
    site.faults = lambda path, number: None
    assert start(eight).wait(60) == 0
    assert {(r["status"], r["attempt"]) for r in states(eight).values()} == {("done", 1)}


def test_from_the_list_to_the_clips(cli, site, lay, video, tmp_path):
    lines = ["label,youtube_id,time_start,time_end,split"]
    numbers = range(6)
    for number in numbers:
        label = "petting animal (not cat)" if number % 2 else "abseiling"
        lines.append(f"{label},{stem_of(number)[:11]},10,11,train")
    (tmp_path / "kinetics-600_train.csv").write_text("\n".join(lines) + "\n")
    root = tmp_path / "root"
    small = ("--frames", 4, "--size", 16)
    lists = tmp_path / "kinetics-600_train.csv"
    done = cli("annotate", "kinetics", "--lists", lists, "--root", root, *small)
    assert done.returncode == 0, done.stderr
    archives = {
        f"{name}.tar.gz": [(f"x/{stem_of(n)}.mp4", video(n)) for n in numbers if n % 2 == odd]
        for odd, name in enumerate(["abseiling", "petting animal (not cat)"])
    }
    lay("600", "train", archives)
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    said = []
    for part in ("1/2", "2/2"):  # two machines, one after the other
        done = cli(
            "download", "--root", root, "--cvdf", site.url, "--json", "--part", part, **state
        )
        assert done.returncode == 0, done.stderr
        said.append(json.loads(done.stdout)["stages"])
    assert [one[-1]["done"] for one in said if one] and sum(s[-1]["done"] for s in said) == 6
    done = cli("pack", "--root", root, "--json")
    assert json.loads(done.stdout)["stages"][0]["done"] == 6


def test_a_mirror_that_is_no_address_is_wrong_use(clips, cli):
    dataset = clips("kinetics400", [(0, "a", "train")])
    done = cli("download", "--root", dataset.storage.root, "--cvdf", "/mnt/kinetics")
    assert done.returncode == 2 and "--cvdf '/mnt/kinetics'; expected the address" in done.stderr


def test_limit(clips, lay, start, video, site):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(4)])
    data = packed([(f"{stem_of(n)}.mp4", video(n)) for n in range(4)])
    lay("400", "train", {"part_0.tar.gz": data})
    for expected in (3, 4):
        assert start(dataset, "--limit", "3").wait(60) == 0
        assert Counter(row["status"] for row in states(dataset).values()) == {"done": expected}
    assert site.asked[PART] == 2
