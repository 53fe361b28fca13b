"""Each shard is hashed once on a machine, by whoever comes first; what is damaged, each time."""

import dataclasses
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from manifests import scratch
from manifests.local import LocalStorage
from manifests.records import FOLDER
from manifests.spec import ClipSpec
from shards.verified import SHARD, Facts, Row, Rows, changed, damage
from shards.write import Written

NAME = "train-000000.tar"
CLIPS = ["one", "two", "three"]


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch folder of the test's own; where its records lie."""
    monkeypatch.setenv(scratch.FOLDER, str(tmp_path / "scratch"))
    return tmp_path / "scratch" / FOLDER


@dataclasses.dataclass
class Packed:
    """A shard on the disk, what its tables say, and how often its samples' rows were asked for."""

    path: Path
    spec: ClipSpec
    facts: Facts
    samples: list[Row]
    asked: int = 0

    def rows(self) -> Rows:
        self.asked += 1
        return Rows(self.spec, self.samples)

    def look(self, data: bytes | None = None) -> dict[int, str]:
        """What is wrong, of the file, or of other bytes that pass for those of the file."""
        view = memoryview(self.path.read_bytes() if data is None else data)
        return damage(self.path, view, self.facts, self.rows)

    def change(self, place: int, by: bytes = b"\xff") -> None:
        """Overwrite bytes in place, and put the time of change back as `rsync -t` would."""
        before = self.path.stat()
        with self.path.open("r+b") as file:
            file.seek(place)
            file.write(by)
        os.utime(self.path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture(params=["raw", "jpeg"])
def spec_of(request: pytest.FixtureRequest, spec: ClipSpec) -> ClipSpec:
    return dataclasses.replace(spec, codec=request.param)


def packed_of(written: Written, path: Path, spec: ClipSpec) -> Packed:
    row = written.shard
    samples = [
        Row(10 + number, one["key"], one["offset"], one["nbytes"], one["xxh3"])
        for number, one in enumerate(written.samples)
    ]
    return Packed(path, spec, Facts(row["shard"], row["bytes"], row["xxh3"]), samples)


@pytest.fixture
def packed(tmp_path: Path, spec_of: ClipSpec, shard: Callable[..., Written]) -> Packed:
    written = shard(LocalStorage(tmp_path), NAME, CLIPS, spec_of)
    return packed_of(written, tmp_path / "shards" / NAME, spec_of)


@pytest.fixture
def before(packed: Packed) -> Packed:
    """A shard that was packed before the table had their digests."""
    packed.facts = packed.facts._replace(xxh3=None)
    return packed


def bad(packed: Packed) -> bytes:
    """Bytes of the shard's length, all wrong: who looks at them finds that out."""
    return bytes(packed.facts.bytes)


def test_a_whole_shard_is_looked_at_once(packed: Packed, records: Path) -> None:
    assert packed.look() == {}
    assert packed.asked == 0, "its own digest told"
    assert len([*records.iterdir()]) == 1
    assert packed.look(bad(packed)) == {}, "the record is believed"
    assert len([*records.iterdir()]) == 1


def test_of_a_shard_without_a_digest_each_clip_is_hashed(before: Packed) -> None:
    assert before.look() == {}
    assert before.look(bad(before)) == {}, "the record is believed"
    before.samples = before.samples[:2]
    assert set(before.look(bad(before))) == {10, 11}, "of other rows it says nothing"


def test_damage_is_told_clip_by_clip_and_each_time(packed: Packed, records: Path) -> None:
    row = packed.samples[1]
    good = packed.path.read_bytes()
    packed.change(row.offset + row.nbytes // 2)
    for _ in range(2):
        assert packed.look() == {11: "its bytes do not have the digest of its row"}
        assert [*records.iterdir()] == []
    packed.path.write_bytes(good)
    packed.change(packed.samples[2].offset - (128 if packed.spec.codec == "raw" else 0) - 500)
    assert "no tar header of three" in packed.look()[12]
    packed.path.write_bytes(good)
    assert packed.look() == {}


def test_damage_beside_the_clips_is_the_shards(packed: Packed) -> None:
    good = packed.path.read_bytes()
    for place in (0, good.index(b'"clip_id"') + 3, len(good) - 1):
        packed.path.write_bytes(good)
        packed.change(place)
        [(number, words)] = packed.look().items()
        assert number == SHARD and "though each of its clips" in words


def test_another_length_is_the_shards_and_what_it_lacks_the_clips(packed: Packed) -> None:
    good = packed.path.read_bytes()
    packed.path.write_bytes(good[:-512])
    assert packed.look() == {SHARD: f"{len(good) - 512} bytes; its row says {len(good)}"}
    packed.path.write_bytes(good + bytes(512))
    assert packed.look() == {SHARD: f"{len(good) + 512} bytes; its row says {len(good)}"}
    packed.path.write_bytes(good[: packed.samples[1].offset + 5])
    found = packed.look()
    assert set(found) == {11, 12} and all("outside the shard" in text for text in found.values())


def test_what_is_written_in_place_is_looked_at_again(packed: Packed) -> None:
    assert packed.look() == {}
    packed.change(packed.samples[0].offset + 5, b"\x01\x02")
    assert set(packed.look()) == {10}


def test_what_takes_its_place_is_looked_at(packed: Packed, tmp_path: Path) -> None:
    assert packed.look() == {}
    other = tmp_path / "other"
    other.write_bytes(bad(packed))
    times = packed.path.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(packed.path)
    assert set(packed.look()) == {10, 11, 12}


def test_what_is_mapped_counts_not_what_has_its_name_now(packed: Packed, tmp_path: Path) -> None:
    """Mapped, then replaced, then looked at: the record must not be the new file's."""
    view, mapped = memoryview(packed.path.read_bytes()), packed.path.stat()
    other = tmp_path / "other"
    other.write_bytes(bad(packed))
    other.replace(packed.path)
    assert damage(packed.path, view, packed.facts, packed.rows, mapped) == {}
    assert set(packed.look()) == {10, 11, 12}


def test_a_change_while_it_is_looked_at_leaves_no_record(before: Packed, records: Path) -> None:
    def rows() -> Rows:
        found = before.rows()
        if before.asked == 2:  # hashing begins
            before.change(before.samples[0].offset + 5, b"\x01\x02")
        return found

    data = memoryview(before.path.read_bytes())
    assert damage(before.path, data, before.facts, rows) == {}
    assert set(before.look()) == {10}
    assert [*records.iterdir()] == []


def test_a_use_of_a_copy_in_the_scratch_folder_is_no_change(packed: Packed) -> None:
    files = scratch.folder() / "files"
    files.mkdir(parents=True)
    packed.path = packed.path.rename(files / "copy.tar")
    assert packed.look() == {}
    now = packed.path.stat()
    os.utime(packed.path, ns=(time.time_ns(), now.st_mtime_ns))
    assert packed.look(bad(packed)) == {}


@pytest.mark.parametrize("text", [b"", b"\0" * 32, b"whole"])
def test_a_record_cut_by_a_crash_says_nothing(packed: Packed, records: Path, text: bytes) -> None:
    assert packed.look() == {}
    [record] = records.iterdir()
    record.write_bytes(text)
    assert set(packed.look(bad(packed))) == {10, 11, 12}
    assert packed.look() == {}
    assert packed.look(bad(packed)) == {}


@pytest.mark.parametrize("how", ["file", "nowhere"])
def test_without_a_place_for_records_each_looks(
    packed: Packed, records: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "file":
        records.parent.write_bytes(b"in the way")
    else:
        monkeypatch.setenv(scratch.FOLDER, "/proc/nowhere")
    assert packed.look() == {}
    assert set(packed.look(bad(packed))) == {10, 11, 12}


def test_others_wait_for_who_looks_and_believe_it(before: Packed) -> None:
    """Three processes that would find damage come while one looks: none of them looks itself."""
    context = multiprocessing.get_context("fork")
    pipes, waiting = [], []

    def come(end: Connection) -> None:
        end.send(before.look(bad(before)))

    def rows() -> Rows:
        found = before.rows()
        if before.asked == 2:  # the record is held
            for _ in range(3):
                mine, theirs = context.Pipe()
                process = context.Process(target=_close_and, args=(come, theirs), daemon=True)
                process.start()
                pipes.append(mine)
                waiting.append(process)
            assert all(_waits_for_a_lock(process.pid) for process in waiting)
        return found

    data = memoryview(before.path.read_bytes())
    assert damage(before.path, data, before.facts, rows) == {}
    assert [end.recv() for end in pipes] == [{}, {}, {}]
    for process in waiting:
        process.join()


def _close_and(come: Callable[[Connection], None], end: Connection) -> None:
    """In a forked child: the parent's lock is on its descriptors too, and ends with theirs."""
    os.closerange(3, end.fileno())
    os.closerange(end.fileno() + 1, 1024)
    come(end)


def _waits_for_a_lock(pid: int | None) -> bool:
    """Whether a process comes to wait for a flock: /proc/locks marks those who wait with ->."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "->" and int(words[5]) == pid:
                return True
        time.sleep(0.005)
    return False


DIE = """
import os, signal, sys
from pathlib import Path
from manifests.spec import ClipSpec
from shards.verified import Facts, Rows, damage
def rows():
    rows.asked += 1
    if rows.asked == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return Rows(ClipSpec(), [])
rows.asked = 0
path = Path(sys.argv[1])
damage(path, memoryview(path.read_bytes()), Facts("x", path.stat().st_size, None), rows)
"""


def test_who_dies_while_it_looks_leaves_nothing_that_counts(before: Packed, records: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", DIE, before.path], env=os.environ, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert [path.stat().st_size for path in records.iterdir()] == [0]
    before.spec, before.samples = ClipSpec(), []
    assert before.look() == {} and before.asked == 2


def test_changed_names_what_was_cut_or_is_gone(tmp_path: Path) -> None:
    paths = [tmp_path / f"train-{number:06d}.tar" for number in range(4)]
    for path in paths[:3]:
        path.write_bytes(bytes(10240))
    os.truncate(paths[1], 512)
    assert changed((path.name, path, 10240) for path in paths) == [
        "train-000001.tar: 512 bytes; its row says 10240",
        "train-000003.tar: missing (No such file or directory)",
    ]
