"""`--part i/n` of CVDF: each machine reads its own archives, and together they have everything."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from manifests.console import Ui
from manifests.dataset import Dataset
from pipeline import plans
from pipeline.fetch.cvdf.source import Cvdf
from pipeline.fetch.selection import Selection
from pipeline.fetch.source import Want
from tests.pipeline.fetch.cvdf.laid import packed, states, stem_of

REPO = Path(__file__).resolve().parents[4]
MENDED = "/400/replacement_for_corrupted_k400.tgz"


def member(number, video):
    return f"x/{stem_of(number)}.mp4", video(number)


def part(number, split="train"):
    return f"/400/{split}/part_{number}.tar.gz"


class Hearing(Ui):
    """Notes what is said."""

    def __init__(self):
        super().__init__(quiet=True)
        self.said = []

    def note(self, text):
        self.said.append(text)


@pytest.fixture
def asked(site):
    """Which archives were asked for since this was called last."""

    def since():
        found = {path: n for path, n in site.asked.items() if path.endswith(("gz", "tgz"))}
        site.asked.clear()
        return found

    return since


@pytest.fixture
def twelve(clips, lay, video):
    """Twelve clips of Kinetics 400: number n in part n of 5; 10 and 11 are in none."""
    dataset = clips("kinetics400", [(n, "ab"[n % 2], "train") for n in range(12)])
    archives = {f"part_{p}.tar.gz": [member(n, video) for n in (p, p + 5)] for p in range(5)}
    lay("400", "train", archives)
    return dataset


@pytest.fixture
def machine(tmp_path):
    """A maker of copies of a root, and its way back: what machines with folders of their own do."""

    def copy(dataset, name):
        shutil.copytree(dataset.storage.root, tmp_path / name)
        return Dataset.open(str(tmp_path / name))

    return copy


def merge(into, machines):
    for one in machines:
        shutil.copytree(one.storage.root, into.storage.root, dirs_exist_ok=True)


def numbers(rows, status="done"):
    return {n for n in range(20) if (row := rows.get(stem_of(n))) and row["status"] == status}


def test_machines_with_roots_of_their_own_read_other_archives_and_merge(
    twelve, bring, asked, machine, site
):
    machines = [machine(twelve, name) for name in ("one", "two")]
    rows = [bring(own, part=(at, 2)) for at, own in enumerate(machines, 1)]
    assert numbers(rows[0]) == {0, 2, 4, 5, 7, 9} and numbers(rows[1]) == {1, 3, 6, 8}
    assert [len(each) for each in rows] == [6, 4]  # and nothing is said of any other clip
    assert asked() == {MENDED: 2} | {part(n): 1 for n in range(5)}
    for at, own in enumerate(machines, 1):  # nobody asks again, and nothing is said to be left
        ui = Hearing()
        bring(own, part=(at, 2), ui=ui)
        assert not site.asked and not ui.said
        assert len(plans.numbers(own, _name(at, 2))) == 1
    merge(twelve, machines)
    assert numbers(states(twelve)) == set(range(10)) and len(states(twelve)) == 10
    rows = bring(twelve)
    assert numbers(rows, "failed") == {10, 11} and not asked()
    assert rows[stem_of(10)]["message"] == "none of CVDF's 5 archives of kinetics400 train has it"


def _name(at, count):
    return f"download-cvdf-{Selection((at, count)).digest}"


def test_once_all_archives_are_known_each_share_refuses_its_own(twelve, bring, asked):
    for at in (1, 2):
        bring(twelve, part=(at, 2))
    # The second one saw all of it; the first one did not.
    before = set(states(twelve)) - {stem_of(n) for n in range(10)}
    shares = [Selection((at, 2)) for at in (1, 2)]
    tells = [
        {n for n in (10, 11) if share.takes_video(f"youtube:{stem_of(n)[:11]}")} for share in shares
    ]
    assert before == {stem_of(n) for n in tells[1]}
    asked()
    rows = bring(twelve, part=(1, 2))
    assert numbers(rows, "failed") == {10, 11} and not asked()
    for at in (1, 2):
        rows = bring(twelve, "failed", part=(at, 2))
    assert not asked() and [rows[stem_of(n)]["attempt"] for n in (10, 11)] == [2, 2]


def test_what_is_known_to_be_in_another_s_archive_is_left_to_it(twelve, bring, asked):
    for at in (1, 2, 1):
        bring(twelve, part=(at, 2))
    for name in twelve.storage.list("manifests/download"):
        twelve.storage.delete(f"manifests/download/{name}")
    asked()
    rows = bring(twelve, part=(1, 2))
    assert numbers(rows) == {0, 2, 4, 5, 7, 9} and numbers(rows, "failed") <= {10, 11}
    assert numbers(bring(twelve, part=(2, 2))) == set(range(10)) and not asked()


def test_more_shares_than_archives(twelve, bring, asked, site):
    assert bring(twelve, part=(6, 7)) == {}
    assert set(asked()) <= {MENDED}
    bring(twelve, part=(6, 7))
    assert not site.asked


def test_of_a_class_a_share_has_its_archive_or_nothing(clips, lay, bring, site, video, machine):
    names = ["abseiling", "juggling", "running", "yodeling"]
    dataset = clips("kinetics600", [(n, names[n % 4], "train") for n in range(8)])
    lay("600", "train", {f"{name}.tar.gz": [member(n, video)] for n, name in enumerate(names)})
    machines = [machine(dataset, name) for name in ("one", "two")]
    rows = [bring(own, part=(at, 2)) for at, own in enumerate(machines, 1)]
    assert [numbers(each) for each in rows] == [{0, 2}, {1, 3}] and sum(map(len, rows)) == 4
    assert max(n for path, n in site.asked.items() if path.endswith("gz")) == 1
    merge(dataset, machines)
    before = Counter(site.asked)
    rows = bring(dataset)
    assert numbers(rows, "failed") == {4, 5, 6, 7} and site.asked == before


def test_places_are_those_of_the_whole_list_whatever_is_wanted(clips, lay, bring, site, video):
    names = ["abseiling", "juggling", "running", "yodeling"]
    for wanted in (["juggling", "yodeling"], ["running", "yodeling"]):
        dataset = clips(
            "kinetics600",
            [(n, name, "train") for n, name in enumerate(names) if name in wanted],
        )
        lay("600", "train", {f"{name}.tar.gz": [member(n, video)] for n, name in enumerate(names)})
        site.asked.clear()
        bring(dataset, part=(2, 2))
        read = {path[11:-7] for path in site.asked if path.endswith("gz")}
        assert read <= {"juggling", "yodeling"}
    assert states(dataset)[stem_of(3)]["status"] == "done"


def test_the_mended_clips_are_every_shares(clips, lay, bring, site, video, asked, machine):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(4)])
    broken = (member(0, video)[0], b"")
    lay("400", "train", {"part_0.tar.gz": [broken], "part_1.tar.gz": [member(1, video)]})
    site.files[MENDED] = packed([member(n, video) for n in (0, 2)])
    machines = [machine(dataset, name) for name in ("one", "two")]
    for at, own in enumerate(machines, 1):
        bring(own, part=(at, 2), jobs=4)
    assert asked() == {MENDED: 2, part(0): 1, part(1): 1}
    for name in machines[1].storage.list("manifests/download"):  # rows lost with their process
        machines[1].storage.delete(f"manifests/download/{name}")
    assert numbers(bring(machines[1], part=(2, 2))) == {0, 1, 2} and not asked()
    merge(dataset, machines)
    rows = bring(dataset)
    assert numbers(rows) == {0, 1, 2} and numbers(rows, "failed") == {3} and not asked()
    assert len(list(dataset.storage.place("videos").rglob("*.mp4"))) == 3


def test_an_archive_that_cannot_be_read_is_told_and_asked_for_again(
    twelve, bring, site, tools, asked
):
    data = site.files.pop(part(1))
    tools.pace.say = (said := []).append
    assert numbers(bring(twelve, part=(2, 2))) == {3, 8} and len(states(twelve)) == 2
    assert any("part_1.tar.gz: status 404" in one and "asks for it again" in one for one in said)
    asked()
    assert len(bring(twelve, part=(2, 2))) == 2 and asked()[part(1)] == 1
    bring(twelve, part=(1, 2))
    rows = bring(twelve, part=(2, 2))  # all others are known by now
    assert numbers(rows, "failed") and numbers(rows, "failed") <= {1, 6, 10, 11}
    assert {row["reason"] for row in rows.values() if row["reason"]} == {"no_source"}
    site.files[part(1)] = data
    rows = bring(twelve, "failed")
    assert numbers(rows) == set(range(10)) and numbers(rows, "failed") == {10, 11}


def test_what_is_known_to_be_in_an_archive_has_a_row_when_that_is_gone(twelve, bring, site):
    bring(twelve, part=(2, 2))
    for name in twelve.storage.list("manifests/download"):
        twelve.storage.delete(f"manifests/download/{name}")
    for path in twelve.storage.place("videos").rglob("*.mp4"):
        path.unlink()
    del site.files[part(1)]
    rows = bring(twelve, part=(2, 2))
    assert numbers(rows) == {3, 8} and numbers(rows, "failed") == {1, 6} and len(rows) == 4


def test_a_limit_is_of_clips_that_come(twelve, bring, asked):
    seen = []
    for _ in range(4):
        ui = Hearing()
        seen.append(len(bring(twelve, jobs=1, part=(1, 2), limit=2, ui=ui)))
        assert not ui.said or "2 clips left" in ui.said[0]
    assert seen == [2, 4, 6, 6]
    assert part(1) not in asked()
    assert len(bring(twelve, part=(2, 2), limit=2, jobs=4)) == 8


def test_what_is_planned_is_about_what_comes(twelve, site, tools):
    units = Cvdf(twelve, site.url, Selection((1, 2))).units(_wants(twelve), tools)
    # Of six archives that are not known, mended clips among them, four are read here.
    assert sum(count for _, count in units) == 8


def _wants(dataset):
    rows = dataset.clips.to_pylist()
    return [
        Want(r["clip_id"], 1, r["source"], r["video_id"], r["start_s"], r["end_s"]) for r in rows
    ]


@pytest.fixture
def start(site, tmp_path):
    """Start the verb for a share in a process of its own."""

    def run(dataset, share):
        command = [sys.executable, str(REPO / "clipmill.py"), "download", "--part", share]
        command += ["--root", dataset.storage.root, "--source", "cvdf", "--cvdf", site.url]
        environment = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    return run


def test_three_shares_side_by_side_on_one_root(twelve, start, asked, bring):
    several = [start(twelve, f"{at}/3") for at in (1, 2, 3)]
    for one in several:
        assert one.wait(90) == 0, one.stderr.read()
    assert numbers(states(twelve)) == set(range(10))
    assert {path: n for path, n in asked().items() if path != MENDED} == {
        part(n): 1 for n in range(5)
    }
    assert numbers(bring(twelve), "failed") == {10, 11} and not asked()


def test_a_killed_share_goes_on(clips, lay, site, video, fault, start, wait_until):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(12)])
    draw = random.Random(4)
    archives = {}
    for p in range(2):
        members = []
        for n in range(p, 12, 2):
            members += [member(n, video), (f"n{n}.bin", draw.randbytes(300_000))]
        archives[f"part_{p}.tar.gz"] = members
    lay("400", "train", archives)
    site.faults = lambda path, number: fault(drip=0.001) if path == part(1) else None
    one = start(dataset, "2/2")
    videos = dataset.storage.place("videos")
    wait_until(lambda: len([*videos.rglob("*.mp4")]) >= 3, 30)
    one.send_signal(signal.SIGKILL)
    one.wait()
    came = {path: path.stat().st_mtime_ns for path in videos.rglob("*.mp4")}
    assert 3 <= len(came) < 6
    site.faults = lambda path, number: None
    one = start(dataset, "2/2")
    assert one.wait(60) == 0, one.stderr.read()
    said = one.stderr.read()
    assert "finishing plan 0" in said and "12 clips left" not in said
    assert numbers(states(dataset)) == set(range(1, 12, 2)) and len(states(dataset)) == 6
    assert came == {path: path.stat().st_mtime_ns for path in came}
    assert part(0) not in site.asked
