"""`clipmill download` over a real server: everything obtainable arrives, the rest has a reason."""

import datetime
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import imageio_ffmpeg
import pytest

from manifests.dataset import Dataset
from manifests.reasons import Reason
from pipeline import outcome
from pipeline.crew import Crew
from pipeline.fetch.bring import Bring
from pipeline.fetch.partfile import NOTE, PART
from pipeline.fetch.selection import Selection
from pipeline.fetch.source import Refused, Want
from pipeline.fetch.taxonomy import judge

REPO = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(site, make_video, tmp_path, cli):
    """A root whose 12 clips lie at web addresses; clip 11 is a second one of video 10."""
    lines = ["path,label,split,start,end"]
    for number in range(11):
        path = f"/v/clip%20{number}.mp4"
        site.files[path] = make_video("own.mp4", hue=20 * number)
        lines.append(f"{site.url}{path},{'ab'[number % 2]},train,,")
    lines.append(f"{site.url}/v/clip%2010.mp4,a,train,0,0.5")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    out = tmp_path / "root"
    options = ["--csv", tmp_path / "list.csv", "--root", out]
    done = cli("annotate", "folder", *options, "--frames", "4", "--size", "16")
    assert done.returncode == 0, done.stderr
    assert not site.asked and f"Next: clipmill download --root {out}" in done.stderr + done.stdout
    return out


@pytest.fixture
def download(cli, tmp_path):
    def run(root, *options, code=0):
        environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
        done = cli("download", "--root", root, "--json", *options, **environment)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def states(root):
    rows = Dataset.open(str(root)).parts("download").sort_by("attempt").to_pylist()
    return {row["clip_id"]: row for row in rows if row["via"] == "https"}


def sha(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_all_arrive_once_and_pack_reads_them(root, site, download, cli):
    download(root)
    rows = states(root)
    assert {row["status"] for row in rows.values()} == {"done"} and len(rows) == 12
    for row in rows.values():
        assert sha(root / row["path"]) == row["sha256"] and row["path"].startswith("videos/")
    assert set(site.asked.values()) == {1}  # clip 10's video serves two
    assert not [*root.rglob(f"*{PART}"), *root.rglob(f"*{NOTE}")]
    download(root)
    assert set(site.asked.values()) == {1}
    done = cli("pack", "--root", root, "--json")
    assert json.loads(done.stdout)["stages"][0]["done"] == 12


FAULTS = {
    1: ({"status": 404}, "gone", "removed"),
    2: ({"status": 403}, "failed", "access"),
    3: ({"page": "<html>log in</html>"}, "failed", None),
    4: ({"cut_at": 0}, "failed", "empty"),
    5: ({"cut_at": 0.5}, "failed", "unreadable"),
    6: ({"cut_at": 0.7}, "failed", "corrupt"),  # its header is whole, and first
}


def head_first(path, out):
    """The same video with its index before its pictures, as web servers have them."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-i", str(path)]
    subprocess.run([*command, "-c", "copy", "-movflags", "faststart", str(out)], check=True)
    return out


def test_every_failure_is_a_row_with_a_reason_and_leaves_nothing(
    root, site, fault, download, tmp_path
):
    sixth = "/v/clip%206.mp4"
    site.files[sixth] = head_first(site.files[sixth], tmp_path / "first.mp4")
    faults = {}
    for number, (how, *_) in FAULTS.items():
        path = f"/v/clip%20{number}.mp4"
        size = len(site.files[path].read_bytes())
        faults[path] = {
            name: int(value * size) if name == "cut_at" else value for name, value in how.items()
        }
    site.faults = lambda path, number: fault(**faults[path]) if path in faults else None
    download(root)
    by_path = {row["source"]: row["clip_id"] for row in Dataset.open(str(root)).clips.to_pylist()}
    rows = states(root)
    for number, (_, status, reason) in FAULTS.items():
        row = rows[by_path[f"{site.url}/v/clip%20{number}.mp4"]]
        assert (row["status"], row["reason"] is not None) == (status, True), row
        assert reason in (None, row["reason"]), row
        assert row["path"] is None
    assert Counter(row["status"] for row in rows.values()) == {"done": 6, "failed": 5, "gone": 1}
    assert len([path for path in (root / "videos").rglob("*") if path.is_file()]) == 5
    site.faults = lambda path, number: None
    before = Counter(site.asked)
    download(root)  # nothing is asked for again unless told
    assert site.asked == before
    download(root, "--retry", "failed")
    assert Counter(row["status"] for row in states(root).values()) == {"done": 11, "gone": 1}
    download(root, "--retry", "gone")
    assert {row["status"] for row in states(root).values()} == {"done"}


def test_drops_and_bursts_are_got_through_in_one_run(root, site, fault, download):
    draw = random.Random(4)
    kinds = [{"status": 503}, {"drop_after": 2000}, {"short_after": 2500}, {}]
    plan = {}

    def faults(path, number):
        return fault(**plan.setdefault((path, number), draw.choice(kinds) if number < 3 else {}))

    site.faults = faults
    download(root, "--jobs", "3")
    assert {row["status"] for row in states(root).values()} == {"done"}


def test_killed_at_any_moment_no_finished_file_is_fetched_again(root, site, fault, tmp_path):
    site.faults = lambda path, number: fault(drip=0.004)
    command = [sys.executable, str(REPO / "clipmill.py"), "download", "--root", str(root), "-q"]
    draw, environment = random.Random(7), os.environ | {"XDG_STATE_HOME": str(tmp_path)}
    for _ in range(4):
        one = subprocess.Popen([*command, "--jobs", "2"], env=environment)
        time.sleep(draw.uniform(0.8, 1.6))
        one.send_signal(signal.SIGKILL)
        one.wait()
        whole = {
            path for path in site.files if site.sent[path] >= len(site.files[path].read_bytes())
        }
        before = {path: site.asked[path] for path in whole}
        files = {path.name for path in (root / "videos").rglob("*.mp4")}
        kept = {path for path in whole if any(f"_{path[10:-4]}-" in name for name in files)}
        assert all(site.asked[path] == before[path] for path in kept)
    site.faults = lambda path, number: None
    finished = {path: site.asked[path] for path in site.files}
    there = {path.name for path in (root / "videos").rglob("*.mp4")}
    assert subprocess.run(command, env=environment).returncode == 0
    assert {row["status"] for row in states(root).values()} == {"done"}
    for path, count in finished.items():
        if any(name.startswith(f"clip_{path[10:-4]}-") for name in there):
            assert site.asked[path] == count
    assert not [*root.rglob(f"*{PART}")]


def test_interrupted_it_ends_soon_and_resumes_what_it_had(
    root, site, fault, tmp_path, wait_until, make_video
):
    big = next(iter(site.files))
    site.files[big] = make_video("big.mp4", size="320x240", frames=100)
    site.faults = lambda path, number: fault(drip=0.3) if path == big else None
    command = [sys.executable, str(REPO / "clipmill.py"), "download", "--root", str(root), "-q"]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path)}
    one = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: site.sent[big] > 2048 and len(site.asked) == 11, 30)
    time.sleep(0.5)
    asked = time.monotonic()
    one.send_signal(signal.SIGINT)
    assert one.wait(20) == 130
    assert time.monotonic() - asked < 10
    assert Counter(row["status"] for row in states(root).values())["done"] == 11
    assert len([*root.rglob(f"*{PART}")]) == 1
    site.faults = lambda path, number: None
    assert subprocess.run(command, env=environment).returncode == 0
    assert site.ranges[-1][0] == big and site.ranges[-1][1] > 0
    assert {row["status"] for row in states(root).values()} == {"done"}


def test_a_nearly_full_disk_stops_it_before_it_writes(root, site, download):
    done = download(root, "--keep-free", "1000000", code=3)
    assert "--keep-free" in done.stderr and not [*(root / "videos").rglob("*.mp4")]
    assert not states(root)


def test_shares_are_disjoint_and_together_all(root, site, download):
    seen = []
    for part in ("1/3", "2/3", "3/3"):
        before = set(states(root))
        download(root, "--part", part)
        seen.append(set(states(root)) - before)
    assert sum(map(len, seen)) == 12 and set(site.asked.values()) == {1}


def test_machines_with_folders_of_their_own_merge_by_copying(root, site, download, tmp_path, cli):
    for part in ("1/2", "2/2"):
        own = tmp_path / part[0]
        shutil.copytree(root, own)
        download(own, "--part", part)
    for part in "12":
        shutil.copytree(tmp_path / part, root, dirs_exist_ok=True)
    assert len(states(root)) == 12 and set(site.asked.values()) == {1}
    download(root)
    assert set(site.asked.values()) == {1}
    assert json.loads(cli("pack", "--root", root, "--json").stdout)["stages"][0]["done"] == 12


def test_the_second_process_on_a_share_is_told_so(root, site, fault, download, wait_until):
    hold = threading.Event()
    site.faults = lambda path, number: fault(hold=hold)
    command = [sys.executable, str(REPO / "clipmill.py"), "download", "--root", str(root), "-q"]
    first = subprocess.Popen([*command, "--part", "1/2"])
    wait_until(lambda: bool(site.asked), 30)
    for options in (["--part", "1/2"], []):
        assert "already running" in download(root, *options, code=3).stderr
    hold.set()
    download(root, "--part", "2/2")
    assert first.wait(60) == 0
    assert len(states(root)) == 12 and set(site.asked.values()) == {1}


def test_a_budget_is_kept_over_runs(root, site, download):
    begun = time.monotonic()
    for _ in range(2):  # ten at once, then one in two seconds
        download(root, "--per-hour", "1800", "--limit", "6")
    assert time.monotonic() - begun > 2 and set(site.asked.values()) == {1}


def test_the_time_limit_ends_it_in_good_order(root, site, download):
    download(root, "--time-limit", "0.03", "--bandwidth", "0.003")
    some = len(states(root))
    assert some < 12
    download(root)
    assert len(states(root)) == 12


def test_classes_and_limits(root, site, download, tmp_path):
    (tmp_path / "classes.txt").write_text("b\n")
    download(root, "--classes", tmp_path / "classes.txt", "--limit", "2")
    labels = {row["clip_id"]: row["label"] for row in Dataset.open(str(root)).clips.to_pylist()}
    assert Counter(labels[clip] for clip in states(root)) == {"b": 2}
    download(root, "--limit", "3")
    assert len(states(root)) == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--part", "4/3"], "--part 4/3; expected I/N"),
        (["--part", "x"], "expected I/N"),
        (["--classes", "{list}"], "none of this data set's 2"),
    ],
)
def test_wrong_options_are_one_sentence(root, download, tmp_path, options, said):
    (tmp_path / "classes.txt").write_text("juggling\n")
    options = [text.format(list=tmp_path / "classes.txt") for text in options]
    assert said in download(root, *options, code=2).stderr


@pytest.fixture
def listed(tmp_path, cli):
    """Annotate a root of these lines of a CSV."""

    def make(*lines):
        (tmp_path / "own.csv").write_text("\n".join(["path,label,split,start,end", *lines]))
        options = ["--csv", tmp_path / "own.csv", "--root", tmp_path / "own"]
        done = cli("annotate", "folder", *options, "--frames", "4", "--size", "16")
        assert done.returncode == 0, done.stderr
        return tmp_path / "own"

    return make


def by_label(root):
    labels = {row["clip_id"]: row["label"] for row in Dataset.open(str(root)).clips.to_pylist()}
    return {labels[clip]: row for clip, row in states(root).items()}


def test_a_clip_beyond_the_end_takes_no_file_from_the_others(
    site, make_video, listed, download, tmp_path
):
    site.files["/v.mp4"] = make_video("own.mp4", hue=5)
    address = f"{site.url}/v.mp4"
    root = listed(f"{address},a,train,0,0.5", f"{address},b,train,100,110", f"{address},c,train,,")
    (tmp_path / "a.txt").write_text("a\n")
    download(root, "--classes", tmp_path / "a.txt")
    download(root)  # the file is there already
    rows = by_label(root)
    assert [rows[label]["status"] for label in "abc"] == ["done", "failed", "done"]
    assert rows["b"]["reason"] == "short" and (root / rows["a"]["path"]).exists()
    assert site.asked["/v.mp4"] == 1


def test_a_file_that_no_clip_needs_is_removed(site, make_video, listed, download):
    site.files["/v.mp4"] = make_video("own.mp4", hue=5)
    root = listed(f"{site.url}/v.mp4,b,train,100,110")
    download(root)
    assert by_label(root)["b"]["reason"] == "short" and not [*(root / "videos").rglob("*.mp4")]


def test_a_file_that_was_lost_comes_back_by_retry(root, site, download):
    download(root)
    lost = next((root / "videos").rglob("*.mp4"))
    lost.unlink()
    download(root)
    assert not lost.exists()
    download(root, "--retry", "failed")
    assert lost.exists() and sum(site.asked.values()) == 12


def test_a_host_out_of_reach_costs_no_attempt_and_keeps_none_from_others(
    site, make_video, listed, download
):
    site.files["/v.mp4"] = make_video("own.mp4", hue=5)
    nobody = [f"http://127.0.0.1:9/{number}.mp4,n{number},train,," for number in range(7)]
    root = listed(*nobody, f"{site.url}/v.mp4,a,train,,")
    done = download(root, code=3)
    assert "127.0.0.1:9 cannot be reached" in done.stderr
    assert {label: row["status"] for label, row in by_label(root).items()} == {"a": "done"}


def test_what_is_gone_leaves_no_part(site, make_video, listed, fault, download):
    site.files["/v.mp4"] = make_video("big.mp4", size="320x240", frames=100)
    site.files["/w.mp4"] = make_video("own.mp4", hue=5)
    root = listed(f"{site.url}/v.mp4,a,train,,", f"{site.url}/w.mp4,b,train,,")
    site.faults = lambda path, number: fault(drip=0.2) if path == "/v.mp4" else None
    download(root, "--time-limit", "0.04")
    assert [*root.rglob(f"*{PART}")]
    site.faults = lambda path, number: fault(status=404) if path == "/v.mp4" else None
    download(root)
    assert by_label(root)["a"]["status"] == "gone"
    assert not [*root.rglob(f"*{PART}*")]


def test_a_stalled_server_does_not_keep_it_from_ending(root, site, fault, tmp_path, wait_until):
    site.faults = lambda path, number: fault(stall_after=100)
    command = [sys.executable, str(REPO / "clipmill.py"), "download", "--root", str(root), "-q"]
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path)}
    one = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(site.asked) >= 8, 30)
    asked = time.monotonic()
    one.send_signal(signal.SIGTERM)
    assert one.wait(20) == 130
    assert time.monotonic() - asked < 10


@pytest.mark.parametrize(("hours", "status"), [(None, "failed"), (23, "failed"), (25, "gone")])
def test_refused_without_a_reason_is_gone_a_day_later(root, tools, hours, status):
    dataset = Dataset.open(str(root))
    clip = dataset.clips["clip_id"][0].as_py()
    if hours is not None:
        row = outcome.failed(clip, 1, 0.0, {}, Reason.UNAVAILABLE, "Video unavailable")
        row["finished_at"] -= datetime.timedelta(hours=hours)
        dataset.append("download", [row | {"via": "refusing"}])

    class Refusing:
        """A source that refuses all without a reason."""

        name, host, divides = "refusing", "h", False

        def fetch(self, unit, tools):
            yield Refused(unit, judge("Video unavailable"), "Video unavailable")

    want = Want(clip, 2, "youtube:x", "x", None, None)
    bring = Bring(dataset, Refusing(), tools, Selection())
    [rows] = bring.results([(want,)], Crew(1))
    assert [row["status"] for row in rows["download"]] == [status]
