"""`clipmill download --source youtube` over a mirror: as a user runs it, stops it and goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from manifests.dataset import Dataset
from pipeline.fetch.youtube.youtube import WATCH

REPO = Path(__file__).resolve().parents[4]
ACTING = Path(__file__).with_name("acting.py")
IDS = [f"-video{number:05d}" for number in range(8)]


@pytest.fixture
def root(site, make_video, tmp_path, cli):
    """A root of nine clips of eight videos of a Kinetics list; the first video has two."""
    lines = ["label,youtube_id,time_start,time_end,split"]
    for number, one in enumerate(IDS):
        site.files[f"/{one}.mp4"] = make_video("own.mp4", frames=60, hue=20 * number)
        lines.append(f"{'ab'[number % 2]},{one},0,2,train")
    lines.append(f"a,{IDS[0]},1,2,train")
    lists = tmp_path / "kinetics-600_train.csv"
    lists.write_text("\n".join(lines))
    out = tmp_path / "root"
    options = ["--lists", lists, "--version", "600", "--root", out]
    done = cli("annotate", "kinetics", *options, "--frames", "4", "--size", "16")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def command(root, site, tmp_path):
    """The command line of a download, and its environment."""
    base = [sys.executable, str(REPO / "clipmill.py"), "download", "--root", str(root)]
    options = ["--source", "youtube", "--youtube", f"{site.url}/{{id}}.mp4", "--json"]
    return [*base, *options], os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def download(command):
    def run(*options, code=0):
        line, environment = command
        done = subprocess.run(
            [*line, *map(str, options)], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def watched(command, site):
    """The command line over YouTube itself, its extractor played by the site's pages."""
    (python, _, *line), environment = command
    options = ["--youtube", WATCH, "--per-hour", "1e6"]
    return [python, str(ACTING), site.url, *line, *options], environment


def states(root, via="mirror"):
    rows = Dataset.open(str(root)).parts("download").sort_by("attempt").to_pylist()
    return {row["clip_id"]: row for row in rows if row["via"] == via}


def parts(root):
    return [*root.rglob("*.fetch-*")]


def test_all_arrive_and_pack_reads_them(root, site, download, cli):
    done = download()
    assert "ERROR" not in done.stderr and "WARNING" not in done.stderr
    rows = states(root)
    assert len(rows) == 9 and {row["status"] for row in rows.values()} == {"done"}
    assert {row["file_start_s"] for row in rows.values()} == {0.0} and not parts(root)
    before = Counter(site.asked)
    assert set(before.values()) == {2}
    download()
    assert site.asked == before
    done = cli("pack", "--root", root, "--json")
    assert json.loads(done.stdout)["stages"][0]["done"] == 9


def test_long_videos_come_in_pieces_and_pack_reads_the_same_frames(
    root, page, long_video, watched, cli
):
    """The sizes that the pages tell are those of videos worth cutting."""
    for one in IDS:
        page(one, long_video("mp4"), size=100 << 20)
    line, environment = watched
    subprocess.run(line, env=environment, check=True, capture_output=True, timeout=60)
    rows = states(root, "youtube")
    assert len(rows) == 9 and {row["status"] for row in rows.values()} == {"done"}
    assert max(row["bytes"] for row in rows.values()) < long_video("mp4").stat().st_size / 2
    assert json.loads(cli("pack", "--root", root, "--json").stdout)["stages"][0]["done"] == 9


def test_a_rest_that_was_asked_for_costs_no_row_an_attempt(root, site, fault, download):
    site.faults = lambda path, number: fault(status=503, retry_after="1") if number < 1 else None
    download()
    rows = states(root).values()
    assert {(row["status"], row["attempt"]) for row in rows} == {("done", 1)}


def test_failures_are_rows_and_retry_brings_them(root, site, fault, download):
    def faults(path, number):
        kinds = {IDS[1]: {"status": 404}, IDS[2]: {"status": 403}, IDS[3]: {"cut_at": 900}}
        return next((fault(**kinds[one]) for one in kinds if one in path), None)

    site.faults = faults
    download()
    rows = {row["clip_id"][:11]: row for row in states(root).values()}
    found = {one: (rows[one]["status"], rows[one]["reason"]) for one in IDS[:4]}
    assert found[IDS[0]] == ("done", None) and found[IDS[1]] == ("failed", "no_source")
    assert found[IDS[2]] == ("failed", "access") and found[IDS[3]][0] == "failed"
    site.faults = lambda path, number: None
    download("--retry", "failed")
    assert {row["status"] for row in states(root).values()} == {"done"}
    assert not parts(root)


def test_what_a_mirror_lacks_youtube_is_asked_for(
    root, site, page, long_video, download, watched, cli
):
    site.files.clear()
    download()
    rows = states(root).values()
    assert {(row["status"], row["reason"]) for row in rows} == {("failed", "no_source")}
    told = json.loads(cli("status", "--root", root, "--json").stdout)
    assert told["retry"].endswith(("clipmill download --root " + str(root), "--source youtube"))
    for one in IDS:
        page(one, long_video("mp4"))
    line, environment = watched
    subprocess.run(line, env=environment, check=True, capture_output=True, timeout=60)
    rows = states(root, "youtube").values()
    assert len(rows) == 9 and {row["status"] for row in rows} == {"done"}


def test_a_dead_line_costs_no_clip_an_attempt(root, download):
    nobody = ("--youtube", "http://127.0.0.1:9/{id}.mp4", "--time-limit", "10")
    done = download(*nobody, code=3)
    assert "127.0.0.1:9 cannot be reached" in done.stderr and not states(root)


def test_a_server_that_stalls_delays_no_end(root, site, fault, command, wait_until):
    site.faults = lambda path, number: fault(stall_after=1000) if number else None
    line, environment = command
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: sum(site.asked.values()) == 2 * len(IDS), 40)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode in (130, 143), told
    assert time.monotonic() - began < 7 and b"Traceback" not in told
    assert not states(root)


def test_ctrl_c_ends_within_seconds_and_the_next_run_goes_on(
    root, site, fault, command, download, long_video, wait_until
):
    for one in IDS:
        site.files[f"/{one}.mp4"] = long_video("mp4")
    site.faults = lambda path, number: fault(drip=0.01) if number == 1 else None
    line, environment = command
    process = subprocess.Popen(
        line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        wait_until(lambda: sum(site.sent.values()) > len(IDS) * (700_000 + 40_000), 40)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, told = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert time.monotonic() - began < 5 and b"Traceback" not in told
    assert len(parts(root)) == len(IDS)
    site.ranges.clear()
    download()
    assert {row["status"] for row in states(root).values()} == {"done"} and not parts(root)
    assert len([start for _, start in site.ranges if start]) == len(IDS)


def test_killed_in_a_piece_no_process_stays_and_the_next_run_goes_on(
    root, site, fault, watched, page, long_video, wait_until, cutters
):
    for one in IDS:
        page(one, long_video("mp4"), size=100 << 20)
    site.faults = lambda path, number: fault(drip=0.1) if "media" in path else None
    line, environment = watched
    process = subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL)

    # Past the index, which lies at the end of the file, and amid the pictures.
    try:
        wait_until(lambda: sum(site.sent.values()) > len(IDS) * 60_000, 40)
        assert cutters() == len(IDS)
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not cutters(), 10)
    site.faults = lambda path, number: None
    subprocess.run(line, env=environment, check=True, capture_output=True, timeout=60)
    rows = states(root, "youtube").values()
    assert {row["status"] for row in rows} == {"done"} and not parts(root)


@pytest.mark.parametrize("content", ["", "[]", "\tx", "# Netscape HTTP Cookie File\n"])
def test_cookies_are_looked_at_before_anything_is_asked(content, site, download, tmp_path):
    file = tmp_path / "cookies.txt"
    file.write_text(content)
    done = download("--cookies", file, code=2)
    assert "--cookies" in done.stdout + done.stderr and not site.asked
    assert "Traceback" not in done.stderr


def test_a_wrong_template_is_told(site, command):
    line, environment = command
    line = [*line, "--youtube", "https://a.example/"]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "{id}" in done.stderr + done.stdout


def test_youtube_without_javascript_is_told_before_the_first_request(root, cli, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "node").write_text("#!/bin/sh\necho v16.0.0\n")
    (tmp_path / "bin" / "node").chmod(0o755)
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "PATH": str(tmp_path / "bin")}
    done = cli("download", "--root", root, "--source", "youtube", **state)
    assert done.returncode == 2 and "node 16.0.0" in done.stderr + done.stdout
