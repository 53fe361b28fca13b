"""Clips of Kinetics out of archives laid out as CVDF's, over a real server."""

import hashlib
import os
import random
import tarfile
import threading
from collections import Counter

import pytest

from manifests import annotations
from manifests.dataset import Dataset
from manifests.errors import ClipmillError, StoppedError
from manifests.rows import Annotation, Clip, Label, SplitRow
from pipeline.fetch.cvdf.source import Cvdf
from pipeline.fetch.source import Want
from tests.pipeline.fetch.cvdf.laid import id_of, packed, states, stem_of


def archives(site):
    """How often each archive was asked for."""
    return Counter({path: n for path, n in site.asked.items() if path.endswith(("gz", "tgz"))})


def member(number, video, start=10, folder="train/a class/"):
    return f"{folder}{stem_of(number, start)}.mp4", video(number)


def files(dataset):
    root = dataset.storage.place("videos")
    return sorted(path.name for path in root.rglob("*") if path.is_file())


def test_numbered_parts(clips, lay, bring, site, video):
    dataset = clips(
        "kinetics400", [(n, "ab"[n % 2], "train") for n in range(6)] + [(6, "a", "val")]
    )
    lay(
        "400",
        "train",
        {
            "part_0.tar.gz": [member(n, video) for n in (0, 1, 2, 50)],
            "part_1.tar.gz": [member(n, video, folder="") for n in (3, 4, 51)],
        },
    )
    lay("400", "val", {"part_0.tar.gz": [member(6, video)]})
    site.files["/400/replacement_for_corrupted_k400.tgz"] = packed([member(5, video, folder="r/")])
    rows = bring(dataset)
    assert {row["status"] for row in rows.values()} == {"done"} and len(rows) == 7
    for number in range(7):
        row = rows[stem_of(number)]
        data = dataset.storage.read(row["path"])
        assert data == video(number).read_bytes()
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        assert (row["file_start_s"], row["via"]) == (10.0, "cvdf")
    assert len(files(dataset)) == 7  # nothing that nobody wants, nothing unfinished
    before = Counter(site.asked)
    bring(dataset)
    assert site.asked == before  # nothing to do, no request


def test_one_archive_a_class_is_read_only_for_wanted_classes(clips, lay, bring, site, video):
    asked = [(0, "petting animal (not cat)", "train"), (1, "massaging person's head", "train")]
    asked += [(2, None, "test"), (3, "abseiling", "val")]
    dataset = clips("kinetics600", [*asked, (4, "yodeling", "test")])
    lay(
        "600",
        "train",
        {
            "petting_animal (not cat).tar.gz": [member(0, video)],
            "massaging person's head.tar.gz": [member(1, video)],
            "abseiling.tar.gz": [member(9, video)],
            "yodeling.tar.gz": [member(8, video)],
        },
    )
    lay("600", "val", {"abseiling.tar.gz": [member(3, video)], "odd.tar.gz": [member(7, video)]})
    lay("600", "test", {"part_0.tar.gz": [member(2, video, folder="./"), member(4, video)]})
    rows = bring(dataset)
    assert {row["status"] for row in rows.values()} == {"done"} and len(rows) == 5
    asked = archives(site)
    assert "/600/train/petting_animal%20%28not%20cat%29.tar.gz" in asked
    assert not [path for path in asked if "train/abseiling" in path or "yodeling" in path]


def test_an_archive_whose_name_is_no_class_is_read_as_well(clips, lay, bring, video):
    dataset = clips("kinetics600", [(0, "abseiling", "train"), (1, "yodeling", "train")])
    lay(
        "600",
        "train",
        {
            "abseiling.tar.gz": [member(0, video)],
            "yodeling.tar.gz": [member(9, video)],
            "left over.tar.gz": [member(1, video, folder="mountain climber/mountain climber/")],
        },
    )
    assert {row["status"] for row in bring(dataset).values()} == {"done"}


def test_700_comes_from_the_newer_edition(clips, lay, bring, video):
    for name in ("kinetics700", "kinetics700-2020"):
        dataset = clips(name, [(0, "a", "val")])
        lay("700_2020", "val", {"part_0.tar.gz": [member(0, video)]})
        assert {row["status"] for row in bring(dataset).values()} == {"done"}


def test_what_is_served(clips):
    for name, served in (("kinetics400", True), ("kinetics700-2020", True), ("kinetics", False)):
        source = Cvdf(clips(name, [(0, "a", "val")]))
        assert source.serves("youtube:abc") is served
        assert not source.serves("https://a/b.mp4") and not source.serves("file:a.mp4")
    assert source.host == "s3.amazonaws.com"


def test_two_clips_of_one_video(clips, lay, bring, video):
    dataset = clips("kinetics400", [(0, "a", "train")], starts=(10, 33))
    lay("400", "train", {"p.tar.gz": [member(0, video, 33), (member(0, video)[0], video(5))]})
    rows = bring(dataset)
    assert [rows[stem_of(0, start)]["file_start_s"] for start in (10, 33)] == [10.0, 33.0]
    assert len({row["path"] for row in rows.values()}) == 2 == len(files(dataset))


def test_dirt_has_its_rows_and_leaves_nothing(clips, lay, bring, site, video):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(4)])
    whole = video(2).read_bytes()
    lay(
        "400",
        "train",
        {
            "part_0.tar.gz": [
                (f"a/._{stem_of(0)}.mp4", b"Mac OS X"),
                (f"a/.{stem_of(0)}.mp4", b"hidden"),
                member(0, video),
                (member(1, video)[0], b""),
                (member(2, video)[0], whole[: whole.index(b"moov")]),
                (member(3, video)[0], video(3)),
                ("a/notes.txt", b"x"),
            ]
        },
    )
    rows = bring(dataset)
    assert rows[stem_of(0)]["status"] == rows[stem_of(3)]["status"] == "done"
    assert rows[stem_of(1)]["reason"] == "empty" and rows[stem_of(1)]["status"] == "failed"
    assert rows[stem_of(2)]["reason"] == "unreadable"
    assert len(files(dataset)) == 2
    # The archive holds them, so it is read again, and what has come since is taken.
    site.files["/400/train/part_0.tar.gz"] = packed([member(n, video) for n in (1, 2)])
    rows = bring(dataset, "failed")
    assert {row["status"] for row in rows.values()} == {"done"}


def test_mended_clips_go_before_broken_ones(clips, lay, bring, site, fault, video):
    dataset = clips("kinetics400", [(0, "a", "train"), (1, "a", "val")])
    lay("400", "train", {"part_0.tar.gz": [(member(0, video)[0], b"")]})
    lay("400", "val", {"part_0.tar.gz": [(member(1, video)[0], b"broken")]})
    mended = "/400/replacement_for_corrupted_k400.tgz"
    site.files[mended] = packed([member(n, video, folder="replacement/") for n in (0, 1)])
    site.faults = lambda path, number: fault(drip=0.02) if path == mended else None
    assert {row["status"] for row in bring(dataset, jobs=4).values()} == {"done"}
    assert set(archives(site)) == {mended}  # nothing was wanted any more of the others


@pytest.mark.parametrize("status", [403, 404])
def test_without_mended_clips_it_goes_on_with_a_note(
    clips, lay, bring, site, video, tools, status, fault
):
    dataset = clips("kinetics400", [(0, "a", "train"), (1, "a", "train")])
    lay("400", "train", {"part_0.tar.gz": [member(0, video)]})
    site.faults = lambda path, number: fault(status=status) if "replacement" in path else None
    said = []
    tools.pace.say = said.append
    rows = bring(dataset)
    assert rows[stem_of(0)]["status"] == "done" and "going on without it" in said[0]
    assert rows[stem_of(1)]["reason"] == "no_source"
    before = Counter(site.asked)
    bring(dataset, "failed")
    assert site.asked == before


def test_what_no_archive_has_is_refused_once_all_are_read(clips, lay, bring, site, video):
    dataset = clips("kinetics600", [(n, "ab"[n % 2], "train") for n in range(6)])
    lay("600", "train", {"a.tar.gz": [member(0, video)], "b.tar.gz": [member(1, video)]})
    rows = bring(dataset)
    assert Counter(row["reason"] for row in rows.values()) == {None: 2, "no_source": 4}
    assert {row["status"] for row in rows.values()} == {"done", "failed"}
    assert rows[stem_of(2)]["message"] == "none of CVDF's 2 archives of kinetics600 train has it"
    before = Counter(site.asked)
    rows = bring(dataset, "failed")
    assert rows[stem_of(2)]["attempt"] == 2 and rows[stem_of(2)]["reason"] == "no_source"
    assert site.asked == before  # not even the list


def test_an_archive_that_cannot_be_read_is_named(clips, lay, bring, site, fault, video):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(4)])
    parts = {f"part_{n}.tar.gz": [member(n, video)] for n in range(3)}
    lay("400", "train", parts | {"part_1.tar.gz": None})
    rows = bring(dataset)
    for number in (1, 3):
        row = rows[stem_of(number)]
        assert (row["status"], row["reason"]) == ("failed", "no_source")
        assert f"{site.url}/400/train/part_1.tar.gz: status 404" in row["message"]
    assert rows[stem_of(0)]["status"] == rows[stem_of(2)]["status"] == "done"
    site.asked.clear()
    site.files["/400/train/part_1.tar.gz"] = packed(parts["part_1.tar.gz"])
    rows = bring(dataset, "failed")
    assert rows[stem_of(1)]["status"] == "done" and rows[stem_of(3)]["reason"] == "no_source"
    assert archives(site) == {
        "/400/train/part_1.tar.gz": 1,
        "/400/replacement_for_corrupted_k400.tgz": 1,
    }


def test_with_one_archive_a_class_only_its_own_one_is_blamed(clips, lay, bring, video):
    dataset = clips("kinetics600", [(n, "ab"[n % 2], "train") for n in range(4)])
    lay("600", "train", {"a.tar.gz": [member(0, video)], "b.tar.gz": None})
    rows = bring(dataset)
    assert [rows[stem_of(n)]["reason"] for n in range(4)] == [
        None,
        "no_source",
        "no_source",
        "no_source",
    ]


@pytest.mark.parametrize("how", ["cut", "short", "hostile", "page", "link", "bits"])
def test_of_a_damaged_or_hostile_archive_counts_what_came_before(
    clips, lay, bring, site, fault, video, how, tmp_path
):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(4)])
    noise = random.Random(1).randbytes(300_000)
    link = tarfile.TarInfo()
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    odd = {"hostile": [(f"../{stem_of(2)}.mp4", video(2))], "link": [(f"{stem_of(2)}.mp4", link)]}
    members = [member(0, video), ("big.bin", noise), *odd.get(how, []), member(1, video)]
    data = bytearray(packed(members))
    if how == "bits":
        data[-5000:-4000] = bytes(1000)
    lay("400", "train", {"part_0.tar.gz": bytes(data), "part_1.tar.gz": [member(3, video)]})
    faults = {
        "cut": {"cut_at": len(data) - 2000},
        "short": {"short_after": len(data) // 2},
        "page": {"page": "<html>log in</html>"},
    }
    where = "/400/train/part_0.tar.gz"
    site.faults = lambda path, number: fault(**faults.get(how, {})) if path == where else None
    rows = bring(dataset)
    first, last = rows[stem_of(0)], rows[stem_of(1)]
    assert first["status"] == ("failed" if how == "page" else "done")
    assert rows[stem_of(3)]["status"] == "done"
    if how in ("link", "short"):  # a link is passed over; a short body goes on by Range
        assert last["status"] == "done" and rows[stem_of(2)]["reason"] == "no_source"
    else:
        reason = {"cut": "corrupt", "bits": "corrupt"}.get(how, "unreadable")
        assert (last["status"], last["reason"]) == ("failed", reason), last
        assert f"{site.url}{where}" in last["message"]
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink()]
    assert not [path for path in tmp_path.iterdir() if path.name not in ("root", "made")]
    held = {row["path"].rpartition("/")[2] for row in rows.values() if row["path"]}
    assert set(files(dataset)) == held
    site.faults = lambda path, number: None
    site.files[where] = packed([member(n, video) for n in range(3)])
    assert {row["status"] for row in bring(dataset, "failed").values()} >= {"done"}


def test_dropped_in_the_middle_it_goes_on_from_there(clips, lay, bring, site, fault, video):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(8)])
    lay("400", "train", {"part_0.tar.gz": [member(n, video) for n in range(8)]})
    path = "/400/train/part_0.tar.gz"
    size = len(site.files[path])
    drops = {0: {"drop_after": size // 3}, 1: {"stall_after": size // 3}, 2: {"status": 503}}
    site.faults = lambda asked, n: fault(**drops.get(n, {})) if asked == path else None
    assert {row["status"] for row in bring(dataset, jobs=1).values()} == {"done"}
    starts = [start for asked, start in site.ranges if asked == path]
    assert starts[0] == 0 and all(start > 0 for start in starts[1:]) and len(starts) == 3
    assert site.sent[path] < 1.5 * size


def test_a_blocked_session_only_pauses(clips, lay, bring, site, fault, video, tools):
    dataset = clips("kinetics400", [(0, "a", "train"), (1, "a", "train")])
    noise = ("noise.bin", random.Random(3).randbytes(400_000))
    lay("400", "train", {"p.tar.gz": [member(0, video), noise, member(1, video)]})
    tools.pace.rates = type(tools.pace.rates)(first_pause_s=0.05)
    tools.patience = type(tools.patience)(connect=2, stall=1, retries=1, pause=0.01)
    faults = {0: {"drop_after": 200_000}, 1: {"status": 429}, 2: {"status": 429}}
    path = "/400/train/p.tar.gz"
    site.faults = lambda asked, n: fault(**faults.get(n, {})) if asked == path else None
    rows = bring(dataset, jobs=1)
    assert {(row["status"], row["attempt"]) for row in rows.values()} == {("done", 1)}
    assert site.ranges[-1][0] == path and site.ranges[-1][1] > 0


def test_nothing_lies_whole_on_the_disk(clips, lay, bring, site, fault, video, tmp_path):
    dataset = clips("kinetics400", [(0, "a", "train"), (1, "a", "train")])
    noise = random.Random(2).randbytes(3_000_000)
    members = [member(0, video), ("train/other_000001_000011.mp4", noise), member(1, video)]
    lay("400", "train", {"part_0.tar.gz": packed(members)})
    sizes = []

    def look(path, number):
        sizes.append(sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()))

    site.faults = lambda path, number: look(path, number) or fault(drop_after=500_000)
    assert {row["status"] for row in bring(dataset).values()} == {"done"}
    assert len(sizes) > 5 and max(sizes) < 200_000 < len(noise)


def test_limit_reads_no_further_than_needed(clips, lay, bring, site, video):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(6)])
    noise = [(f"n{n}.bin", os.urandom(700_000)) for n in range(4)]
    parts = {f"part_{n}.tar.gz": [member(n, video), *noise] for n in range(6)}
    lay("400", "train", parts)
    rows = bring(dataset, jobs=1, limit=2)
    assert Counter(row["status"] for row in rows.values()) == {"done": 2}
    paths = {f"/400/train/part_{n}.tar.gz" for n in (0, 1)}
    assert set(archives(site)) - {"/400/replacement_for_corrupted_k400.tgz"} == paths
    assert site.ranges and len(bring(dataset, jobs=1, limit=2)) == 4
    assert archives(site)["/400/train/part_0.tar.gz"] == 1  # read to its end: known


def test_it_is_read_again_only_for_what_it_holds(clips, lay, bring, site, video, tools):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(3)])
    parts = {f"part_{n}.tar.gz": [member(n, video), member(n + 50, video)] for n in range(2)}
    lay("400", "train", parts)
    rows = bring(dataset)
    assert rows[stem_of(2)]["reason"] == "no_source"
    # More is asked for than before: two that are known to be in the second part, one in none.
    dataset = clips("kinetics400", [(n, "a", "train") for n in (0, 1, 2, 51, 70)])
    site.asked.clear()
    rows = bring(dataset)
    assert rows[stem_of(51)]["status"] == "done" and rows[stem_of(70)]["reason"] == "no_source"
    site.asked.pop("/400/replacement_for_corrupted_k400.tgz")  # is it there by now?
    assert site.asked == {"/400/train/part_1.tar.gz": 1}


def test_files_whose_rows_are_lost_are_not_fetched_again(clips, lay, bring, site, video):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(3)])
    lay("400", "train", {"part_0.tar.gz": [member(n, video) for n in range(2)]})
    bring(dataset)
    for name in dataset.storage.list("manifests/download"):
        dataset.storage.delete(f"manifests/download/{name}")
    stamps = {
        path: path.stat().st_mtime_ns for path in dataset.storage.place("videos").rglob("*.mp4")
    }
    before = Counter(site.asked)
    rows = bring(dataset)
    assert Counter(row["status"] for row in rows.values()) == {"done": 2, "failed": 1}
    assert site.asked == before
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}


def test_a_file_of_another_size_is_written_anew(clips, lay, bring, site, video):
    dataset = clips("kinetics400", [(0, "a", "train")])
    lay("400", "train", {"part_0.tar.gz": [member(0, video)]})
    path = dataset.storage.place(bring(dataset)[stem_of(0)]["path"])
    for name in dataset.storage.list("manifests/download"):
        dataset.storage.delete(f"manifests/download/{name}")
    path.write_bytes(b"of a broken archive on a disk")
    assert bring(dataset)[stem_of(0)]["status"] == "done"
    assert path.read_bytes() == video(0).read_bytes()


def test_a_disk_without_room_stops_it_before_the_first_byte(clips, lay, bring, video, tools):
    dataset = clips("kinetics400", [(0, "a", "train")])
    lay("400", "train", {"part_0.tar.gz": [member(0, video)]})
    tools.keep_free = 1 << 60
    with pytest.raises(StoppedError, match="--keep-free"):
        bring(dataset)
    assert states(dataset) == {} and files(dataset) == []
    tools.keep_free = 0
    assert bring(dataset)[stem_of(0)]["attempt"] == 1


def test_a_member_that_claims_more_than_its_archive_does_not_stop_it(clips, lay, bring, video):
    dataset = clips("kinetics400", [(0, "a", "train"), (1, "a", "train")])
    huge = tarfile.TarInfo()
    huge.size = 1 << 45
    lay("400", "train", {"part_0.tar.gz": [member(0, video)], "part_1.tar.gz": []})
    data = packed([(f"{stem_of(1)}.mp4", huge)])
    lay("400", "train", {"part_0.tar.gz": [member(0, video)], "part_1.tar.gz": data})
    rows = bring(dataset)
    assert rows[stem_of(0)]["status"] == "done"
    assert (
        rows[stem_of(1)]["reason"] == "unreadable" and "Do not trust" in rows[stem_of(1)]["message"]
    )


def test_lists_that_cannot_be_had(clips, lay, bring, site, fault, video):
    dataset = clips("kinetics600", [(0, "a", "train")])
    path = "/600/train/k600_train_path.txt"
    with pytest.raises(
        ClipmillError, match=r"/600/train/k600_train_path.txt \(status 404"
    ) as found:
        bring(dataset)
    assert found.value.exit_code == 2
    lay("600", "train", {}, "<html>sign in</html>")
    with pytest.raises(ClipmillError, match=r"path.txt:1: '<html>sign in</html>'; expected"):
        bring(dataset)
    site.faults = lambda asked, number: fault(status=500) if asked == path else None
    with pytest.raises(StoppedError, match="status 500") as found:
        bring(dataset)
    assert found.value.exit_code == 3 and states(dataset) == {}


def test_no_line_stops_it_and_no_clip_loses_an_attempt(
    clips, lay, bring, site, fault, video, tools
):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(8)])
    lay("400", "train", {f"part_{n}.tar.gz": [member(n, video)] for n in range(8)})
    tools.patience = type(tools.patience)(connect=1, stall=1, retries=0, pause=0.01)
    site.faults = lambda path, number: fault(status=502) if path.endswith("gz") else None
    with pytest.raises(StoppedError, match="archives in a row cannot be reached"):
        bring(dataset)
    assert states(dataset) == {}
    site.faults = lambda path, number: None
    assert {(r["status"], r["attempt"]) for r in bring(dataset).values()} == {("done", 1)}


def test_real_clips(clips, lay, bring, site, shared, spec, tmp_path):
    found = sorted((shared / "data/videos/kinetics400_doranlyong").rglob("*.mp4"))
    labels = sorted({path.parent.name for path in found})
    rows = []
    for path in found:
        video, start, end = path.stem[:11], int(path.stem[12:18]), int(path.stem[19:])
        label = path.parent.name
        where = (f"youtube:{video}", float(start), float(end))
        rows.append(Clip(path.stem, "kinetics600", label, labels.index(label), video, *where))
    splits = [SplitRow("official", row.clip_id, "val") for row in rows]
    classes = [Label(at, label, f"l{at}") for at, label in enumerate(labels)]
    annotation = Annotation("kinetics600", rows, classes, splits, ["official"])
    dataset = annotations.annotate(str(tmp_path / "root"), annotation, spec, 0, "")
    per_class = {
        f"{label}.tar.gz": [(f"{label}/{p.name}", p) for p in found if p.parent.name == label]
        for label in labels
    }
    lay("600", "val", per_class)
    states = bring(dataset)
    assert {row["status"] for row in states.values()} == {"done"} and len(states) == len(found) == 4
    for path in found:
        assert states[path.stem]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_stopped_in_mid_archive_it_ends_soon_and_blames_nobody(
    clips, lay, site, fault, video, tools, wait_until
):
    dataset = clips("kinetics400", [(0, "a", "train"), (1, "a", "train")])
    members = [member(0, video), ("noise.bin", os.urandom(200_000)), member(1, video)]
    lay("400", "train", {"part_0.tar.gz": members})
    site.files["/400/replacement_for_corrupted_k400.tgz"] = packed([member(9, video)])
    site.faults = lambda path, number: fault(drip=0.02) if "part" in path else None
    source = Cvdf(dataset, site.url)
    wants = [Want(stem_of(n), 1, f"youtube:{id_of(n)}", id_of(n), 10.0, 11.0) for n in (0, 1)]
    units = [unit for unit, _ in source.units(wants, tools)]
    came = []
    thread = threading.Thread(
        target=lambda: came.extend(found for unit in units for found in source.fetch(unit, tools))
    )
    thread.start()
    wait_until(lambda: site.sent["/400/train/part_0.tar.gz"] > 20_000, 20)
    tools.stop.set()
    thread.join(3)
    assert not thread.is_alive() and len(came) <= 1
    assert not units[-1].splits[0].unread
    part = f"{site.url}/400/train/part_0.tar.gz"
    assert part not in Dataset.open(dataset.storage.root).parts("archives")["url"].to_pylist()


def test_bad_archives_between_good_ones_do_not_stop_it(
    clips, lay, bring, site, fault, video, tools
):
    dataset = clips("kinetics400", [(n, "a", "train") for n in range(14)])
    lay("400", "train", {f"part_{n}.tar.gz": [member(n, video)] for n in range(14)})
    tools.patience = type(tools.patience)(connect=1, stall=1, retries=0, pause=0.01)
    bad = {f"/400/train/part_{n}.tar.gz" for n in range(1, 14, 2)}
    site.faults = lambda path, number: fault(status=502) if path in bad else None
    rows = bring(dataset, jobs=1)
    assert Counter(row["reason"] for row in rows.values()) == {None: 7, "network": 7}
    assert "(6 more could not be read)" in rows[stem_of(1)]["message"]
