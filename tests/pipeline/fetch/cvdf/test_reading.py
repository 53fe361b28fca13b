"""One archive: what is taken of it, what is written down, and where it ends early."""

import os
import tarfile

import pytest

from pipeline.fetch.cvdf.fetching import Line
from pipeline.fetch.cvdf.index import Index
from pipeline.fetch.cvdf.reading import Reading, read
from pipeline.fetch.cvdf.wanted import Split
from pipeline.fetch.source import Want
from tests.pipeline.fetch.cvdf.laid import id_of, packed, stem_of

PATH = "/a.tar.gz"


def want(number):
    return Want(stem_of(number), 1, f"youtube:{id_of(number)}", id_of(number), 10.0, 11.0)


@pytest.fixture
def go(clips, site, tools):
    """Read one archive for some clips; return what came, the split and the index after it."""
    dataset = clips("kinetics400", [(0, "a", "train")])

    def run(*numbers, expected=()):
        split = Split("s")
        for number in numbers:
            split.add(want(number))
        reading = Reading(site.url + PATH, [split], {stem_of(n) for n in expected})
        came = list(read(reading, Index(dataset), Line(), tools))
        return came, split, Index(dataset)

    return run


def members(*numbers, between=0):
    for number in numbers:
        yield f"x/{stem_of(number)}.MP4", str(number).encode() * 50
        if between:
            yield f"x/noise{number}.bin", os.urandom(between)


def test_what_it_holds_is_written_down(go, site, tools):
    odd = [("x/._a.mp4", b"1"), ("notes.txt", b"2"), ("x/" + "n" * 200 + ".mp4", b"3")]
    odd += [("x/ü.mp4", b"4"), ("x/more.webm", b"5")]
    site.files[PATH] = packed([*members(1, 2), *odd])
    came, split, index = go(2, 7)
    assert [one.wants for one in came] == [[want(2)]] and came[0].start_s == 10.0
    assert tools.storage.read(came[0].name) == b"2" * 50 and came[0].name.endswith(".mp4")
    assert list(split.wants) == [stem_of(7)] and not split.unread
    assert [*index.members(site.url + PATH)] == [
        (f"{stem_of(1)}.mp4", 50),
        (f"{stem_of(2)}.mp4", 50),
        ("more.webm", 1),
    ]


def test_nothing_wanted_nothing_asked(go, site):
    site.files[PATH] = packed([*members(1)])
    came, _, index = go()
    assert not came and not site.asked and not index.known(site.url + PATH)
    assert go(2, expected=[1])[0] == [] and not site.asked


def test_it_ends_when_nothing_more_is_wanted(go, site, fault):
    site.files[PATH] = packed([*members(1, 2, 3, between=400_000)])
    came, _, index = go(1)
    assert len(came) == 1 and not index.known(site.url + PATH)  # not read to its end
    assert len(go(1, 2, 9)[0]) == 2
    site.sent.clear()
    site.faults = lambda path, number: fault(drip=0.0005)
    came, split, index = go(1, 9, expected=[1])  # known to hold nothing else
    assert len(came) == 1 and list(split.wants) == [stem_of(9)] and index.known(site.url + PATH)
    assert site.sent[PATH] < 800_000


def test_one_that_has_changed_is_read_to_its_end(go, site):
    site.files[PATH] = packed([*members(1, 2, between=400_000)])
    go(1, 9)
    site.files[PATH] = packed([*members(1, 2, 9, between=400_000)])
    came, split, index = go(1, 9, expected=[1])
    assert len(came) == 2 and not split.wants
    came, split, index = go(1, 8, expected=[1])
    assert len(came) == 1 and (f"{stem_of(9)}.mp4", 50) in [*index.members(site.url + PATH)]


def test_a_clip_that_breaks_off_is_wanted_again(go, site):
    data = packed([*members(1, between=300_000), *members(2, between=300_000)])
    site.files[PATH] = data[: len(data) // 2 + 20]
    came, split, index = go(1, 2)
    assert len(came) == 1 and stem_of(2) in split.wants and len(split.unread) == 1
    big = [(f"{stem_of(5)}.mp4", os.urandom(500_000))]
    site.files[PATH] = packed(big)[:400_000]
    came, split, index = go(5)
    assert not came and stem_of(5) in split.wants and "damaged" in split.unread[0].message
    assert not index.known(site.url + PATH)


def test_the_disk_s_own_files_are_left(go, site, tools):
    site.files[PATH] = packed([*members(1)])
    name = go(1, 9)[0][0].name
    path = tools.storage.place(name)
    before = path.stat().st_mtime_ns
    assert go(1, 9)[0][0].name == name and path.stat().st_mtime_ns == before
    path.write_bytes(b"2")
    go(1, 9)
    assert path.read_bytes() == b"1" * 50


def test_types_that_are_no_files(go, site, tools):
    infos = []
    for kind in (
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
    ):
        info = tarfile.TarInfo()
        info.type, info.linkname = kind, "/etc/passwd"
        infos.append((f"x/{stem_of(1)}.mp4", info))
    site.files[PATH] = packed([*infos, *members(1)])
    came, _, _ = go(1, 9)
    assert len(came) == 1 and tools.storage.place(came[0].name).read_bytes() == b"1" * 50


def test_what_is_known_stays_known_when_it_cannot_be_had(go, site, fault):
    site.files[PATH] = packed([*members(1, 2)])
    go(2, 9)
    site.faults = lambda path, number: fault(status=404)
    came, split, index = go(1, expected=[1])
    assert not came and split.unread and index.known(site.url + PATH)
    assert len([*index.members(site.url + PATH)]) == 2


def test_an_archive_inside_is_no_folder(go, site):
    inner = packed([*members(1)])
    site.files[PATH] = packed([("in.tar.gz", inner), *members(2)])
    came, split, _ = go(1, 2)
    assert len(came) == 1 and list(split.wants) == [stem_of(1)]
