"""Every way in which a shard can be broken, against the stream: an error that names shard and clip,
or, with a budget, exactly the broken clips left out and counted. No sample is lost in silence.
"""

import io
import os
import pickle
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec, Window
from pipeline.verifying.verify import verify
from shards.hashed import HashedFile
from shards.plan import PAD
from shards.read import scan
from shards.reading import Reading
from shards.stream import Stream

SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)
SIZES = (3, 4, 2)
CLIPS = [f"c{place:05}" for place in range(sum(SIZES))]
SECOND = CLIPS[3:7]  # of the shard that is broken
NAMES = [f"train-{number:06d}.tar" for number in range(len(SIZES))]


@dataclass
class Root:
    """A root of three shards, and its second one, the one that is broken."""

    path: Path
    dataset: Dataset

    @property
    def shard(self) -> Path:
        return self.path / "shards" / NAMES[1]

    def row(self, clip: str) -> dict[str, Any]:
        return next(r for r in self.dataset.parts("samples").to_pylist() if r["clip_id"] == clip)

    def member(self, name: str) -> tarfile.TarInfo:
        with tarfile.open(self.shard) as tar:
            return tar.getmember(name)

    def cut(self, place: int) -> None:
        os.truncate(self.shard, place)

    def flip(self, place: int) -> None:
        data = bytearray(self.shard.read_bytes())
        data[place] ^= 0x10
        self.shard.write_bytes(data)

    def rewrite(self, table: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Write a table anew, as somebody may who hands a data set on."""
        rows = [change(dict(row)) for row in self.dataset.parts(table).to_pylist()]
        for part in (self.path / "manifests" / table).iterdir():
            part.unlink()
        self.dataset.append(table, rows)

    def vouch(self) -> None:
        """Let the table of shards say of the second one what it is now."""
        with HashedFile(self.shard) as file:
            now = file.digests()._asdict()
        self.rewrite("shards", lambda row: row | (now if row["shard"] == NAMES[1] else {}))


@pytest.fixture
def root(tmp_path: Path, noisy: Callable[..., Dataset]) -> Root:
    return Root(tmp_path / "root", noisy(tmp_path / "root", SIZES))


def stream(path: Path, **more: Any) -> Stream:
    options: dict[str, Any] = {"global_batch": 4, "train": False} | more
    return Stream(Dataset.open(str(path)), "train", Window(4, 16, 16), **options)


def taken(found: Stream) -> dict[str, np.ndarray]:
    """Clip -> pixels of an epoch, each clip once."""
    clips: dict[str, np.ndarray] = {}
    for batch in found:
        for pixels, row in zip(batch.pixels.numpy(), batch.rows.tolist(), strict=True):
            if row != PAD:
                assert found.clip_ids[row] not in clips
                clips[found.clip_ids[row]] = pixels.copy()
    return clips


def header(root: Root, name: str) -> int:
    return root.member(name).offset


def between_members(root: Root) -> list[str]:
    root.cut(header(root, f"{SECOND[2]}.npy"))
    return SECOND[2:]


def between_samples(root: Root) -> list[str]:
    root.cut(header(root, f"{SECOND[2]}.cls"))
    return SECOND[2:]


def between_samples_ended(root: Root) -> list[str]:
    """A whole tar of its first two samples, which every reader of tars believes."""
    root.cut(header(root, f"{SECOND[2]}.cls"))
    with root.shard.open("ab") as out:
        out.write(bytes(-out.tell() % tarfile.RECORDSIZE + tarfile.RECORDSIZE))
    return SECOND[2:]


def inside_pixels(root: Root) -> list[str]:
    root.cut(root.row(SECOND[1])["offset"] + 100)
    return SECOND[1:]


def emptied(root: Root) -> list[str]:
    root.cut(0)
    return SECOND


def missing(root: Root) -> list[str]:
    root.shard.unlink()
    return SECOND


def flipped_pixel(root: Root) -> list[str]:
    row = root.row(SECOND[3])
    root.flip(row["offset"] + row["nbytes"] - 1)
    return SECOND[3:]


def flipped_name(root: Root) -> list[str]:
    root.flip(header(root, f"{SECOND[1]}.npy") + 3)
    return SECOND[1:2]


def flipped_length(root: Root) -> list[str]:
    root.flip(header(root, f"{SECOND[1]}.npy") + 130)
    return SECOND[1:2]


def flipped_npy_header(root: Root) -> list[str]:
    root.flip(root.member(f"{SECOND[1]}.npy").offset_data + 30)
    return SECOND[1:2]


def flipped_json(root: Root) -> list[str]:
    root.flip(root.member(f"{SECOND[1]}.json").offset_data + 30)
    return []


def flipped_checksum(root: Root) -> list[str]:
    root.flip(header(root, f"{SECOND[1]}.cls") + 150)
    return []


def lengthened(root: Root) -> list[str]:
    with root.shard.open("ab") as out:
        out.write(bytes(tarfile.RECORDSIZE))
    return []


def exchanged(root: Root) -> list[str]:
    """Another whole shard, of other clips of this data set, lies under its name."""
    root.shard.write_bytes((root.path / "shards" / NAMES[0]).read_bytes())
    return SECOND


def exchanged_in_length(root: Root) -> list[str]:
    """As `exchanged`, made as long as the one that was there."""
    size = root.shard.stat().st_size
    exchanged(root)
    root.cut(size)
    return SECOND


def zeros(root: Root) -> list[str]:
    root.shard.write_bytes(bytes(root.shard.stat().st_size))
    return SECOND


def row_of_another_clip(root: Root) -> list[str]:
    """One clip's row points at another one of the same shape, with that one's digest."""
    other = root.row(SECOND[2])
    place = {name: other[name] for name in ("offset", "nbytes", "xxh3")}
    root.rewrite("samples", lambda row: row | (place if row["clip_id"] == SECOND[0] else {}))
    return SECOND[:1]


def row_of_another_shard(root: Root) -> list[str]:
    place = {"shard": NAMES[0]}
    root.rewrite("samples", lambda row: row | (place if row["clip_id"] == SECOND[0] else {}))
    return SECOND[:1]


def row_outside(root: Root) -> list[str]:
    place = {"offset": 1 << 50}
    root.rewrite("samples", lambda row: row | (place if row["clip_id"] == SECOND[0] else {}))
    return SECOND[:1]


def row_longer(root: Root) -> list[str]:
    place = {"nbytes": SPEC.nbytes + 512}
    root.rewrite("samples", lambda row: row | (place if row["clip_id"] == SECOND[0] else {}))
    return SECOND[:1]


def cut_and_vouched_for(root: Root) -> list[str]:
    """Cut, and its row rewritten to fit: the digest is right, what the samples say is not."""
    lost = inside_pixels(root)
    root.vouch()
    return lost


def objects_and_vouched_for(root: Root) -> list[str]:
    """An array of objects where pixels were, of the same length, and a row that fits the shard."""
    member = root.member(f"{SECOND[1]}.npy")
    sink = io.BytesIO()
    np.save(sink, np.array([Bomb()], object), allow_pickle=True)
    data = bytearray(root.shard.read_bytes())
    data[member.offset_data : member.offset_data + len(sink.getvalue())] = sink.getvalue()
    root.shard.write_bytes(data)
    root.vouch()
    return SECOND[1:2]


class Bomb:
    """To unpickle it is to make a folder."""

    where = "bomb"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (Bomb.where,)


# What is done, and what the error says.
Fault = Callable[[Root], list[str]]
BROKEN: dict[Fault, str] = {
    between_members: r"outside the shard|bytes; its row says",
    between_samples: r"outside the shard|bytes; its row says",
    between_samples_ended: r"outside the shard|no tar header|bytes; its row says",
    inside_pixels: r"outside the shard",
    emptied: r"missing or empty",
    missing: r"missing or empty",
    flipped_pixel: r"do not have the digest of its row",
    flipped_name: r"no tar header of c00004\.npy stands before its pixels",
    flipped_length: r"the tar header of c00004\.npy is not of",
    flipped_npy_header: r"no \.npy header of shape",
    exchanged: r"no tar header of .*, but one of|outside the shard",
    exchanged_in_length: r"no tar header of|outside the shard",
    zeros: r"no tar header of",
    row_of_another_clip: r"no tar header of c00003\.npy .* but one of 'c00005\.npy'",
    row_of_another_shard: r"no tar header of c00003\.npy",
    row_outside: r"outside the shard",
    row_longer: r"is not of",
    cut_and_vouched_for: r"outside the shard",
    objects_and_vouched_for: r"no \.npy header of shape",
}
BESIDE = (flipped_json, flipped_checksum, lengthened)


def named(fault: Fault) -> str:
    return fault.__name__


@pytest.fixture
def bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a folder appears if code from data runs, in this process or in one that it forks."""
    where = tmp_path / "bomb"
    monkeypatch.setattr(Bomb, "where", str(where))
    yield where
    assert not where.exists(), "code from data ran"


def test_the_bomb_is_one(bomb: Path) -> None:
    pickle.loads(pickle.dumps(Bomb()))
    assert bomb.exists()
    bomb.rmdir()


@pytest.mark.parametrize("fault", BROKEN, ids=named)
def test_a_fault_is_an_error_that_names_shard_and_clip(
    root: Root, bomb: Path, fault: Fault
) -> None:
    lost = fault(root)
    words = rf"^shard train-00000[01]\.tar, clip ({'|'.join(lost)}): .*({BROKEN[fault]}).*verify"
    with pytest.raises(ClipmillError, match=words):
        taken(stream(root.path))


@pytest.mark.parametrize("fault", BESIDE, ids=named)
def test_a_fault_beside_the_clips_names_the_shard(root: Root, fault: Fault) -> None:
    fault(root)
    words = rf"^shard {NAMES[1]}, all its clips: .*(digest|bytes; its row says)"
    with pytest.raises(ClipmillError, match=words):
        taken(stream(root.path))


@pytest.mark.parametrize("digests", ["known", "from before"])
@pytest.mark.parametrize("fault", BROKEN, ids=named)
def test_with_a_budget_exactly_the_broken_clips_are_left_out(
    root: Root, bomb: Path, pixels_of: Callable[..., np.ndarray], fault: Fault, digests: str
) -> None:
    lost = fault(root)
    if digests == "from before":
        root.rewrite("shards", lambda row: row | {"xxh3": None})
    with stream(root.path, reading=Reading(bad_samples=len(lost))) as found:
        clips = taken(found)
        assert set(CLIPS) - set(clips) == set(lost)
        assert found.left_out == len(found.bad) == len(lost)
        assert all(f", clip {clip}: " in why for clip, why in zip(lost, found.bad, strict=True))
        for clip, pixels in clips.items():
            assert np.array_equal(pixels, pixels_of(clip)), clip
    if len(lost) > 1:
        with pytest.raises(ClipmillError, match=rf"{len(lost)} bad samples in epoch 1, "):
            taken(stream(root.path, reading=Reading(bad_samples=len(lost) - 1), global_batch=9))


@pytest.mark.parametrize("fault", BESIDE, ids=named)
def test_with_a_budget_damage_beside_the_clips_costs_none(root: Root, fault: Fault) -> None:
    fault(root)
    with stream(root.path, reading=Reading(bad_samples=1)) as found:
        assert set(taken(found)) == set(CLIPS) and found.left_out == 0


@pytest.mark.parametrize("fault", [between_members, flipped_pixel, missing, row_of_another_clip])
@pytest.mark.parametrize("train", [False, True])
def test_workers_tell_the_same(root: Root, fault: Fault, train: bool) -> None:
    lost = fault(root)
    words = rf"^shard {NAMES[1]}, clip ({'|'.join(lost)}): .*({BROKEN[fault]})"
    with (
        pytest.raises(ClipmillError, match=words),
        stream(root.path, train=train, tail="exact", reading=Reading(workers=2)) as found,
    ):
        taken(found)
    budget = Reading(workers=2, bad_samples=len(lost))
    with stream(root.path, train=train, tail="exact", reading=budget) as found:
        assert set(taken(found)) == set(CLIPS) - set(lost)
        assert found.left_out == len(lost)


@pytest.mark.parametrize("fault", [*BROKEN, *BESIDE], ids=named)
def test_verify_finds_each(root: Root, bomb: Path, fault: Fault) -> None:
    before = found_by_verify(root)
    fault(root)
    assert found_by_verify(root) - before


def found_by_verify(root: Root) -> set[tuple[str, str]]:
    """Where verify finds what; of clips that `pack` did not record it tells always."""
    problems = verify(Dataset.open(str(root.path)), Ui(quiet=True))["problems"]
    return {(found["where"], found["what"]) for found in problems}


def test_nothing_is_wrong_with_the_root_itself(
    root: Root, pixels_of: Callable[..., np.ndarray]
) -> None:
    clips = taken(stream(root.path))
    assert list(clips) == CLIPS
    assert all(np.array_equal(clips[clip], pixels_of(clip)) for clip in CLIPS)


@pytest.mark.parametrize("ending", ["pkl", "pyd", "pickle", "pth", "pt", "py"])
def test_a_member_that_others_would_run_is_never_read_and_refused_by_scan(
    root: Root, bomb: Path, ending: str
) -> None:
    """The tables fit the shard, which holds one member more: nothing looks at it."""
    payload = pickle.dumps(Bomb())
    with tarfile.open(root.shard, "a") as tar:
        info = tarfile.TarInfo(f"{SECOND[-1]}.{ending}")
        info.size = len(payload)
        tar.addfile(info, io.BytesIO(payload))
    root.vouch()
    assert set(taken(stream(root.path))) == set(CLIPS)
    with pytest.raises(ValueError, match=rf"member 'c00006\.{ending}' does not belong there"):
        list(scan(root.shard, NAMES[1], SPEC))


@pytest.mark.parametrize(
    ("label", "words"), [(5, "label 5; the table of labels has 5"), (-1, "-1")]
)
def test_a_label_that_there_is_not_is_refused(root: Root, label: int, words: str) -> None:
    """On a GPU it would end the process with an assertion of the device."""
    wrong = {"label_id": label}
    root.rewrite("samples", lambda row: row | (wrong if row["clip_id"] == SECOND[2] else {}))
    with pytest.raises(ClipmillError, match=words):
        stream(root.path)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_shard_that_is_replaced_while_it_is_read_goes_on_as_it_was(
    root: Root, pixels_of: Callable[..., np.ndarray], workers: int, tmp_path: Path
) -> None:
    """Renamed over: who has mapped the old one reads that; who opens it next is told."""
    with stream(root.path, global_batch=1, reading=Reading(workers=workers)) as found:
        for _ in found:
            pass
        other = tmp_path / "other"
        other.write_bytes(bytes(root.shard.stat().st_size))
        other.replace(root.shard)
        clips = taken(found)
        assert list(clips) == CLIPS
        assert all(np.array_equal(clips[clip], pixels_of(clip)) for clip in CLIPS)
    with pytest.raises(ClipmillError, match=rf"^shard {NAMES[1]}, clip c00003: no tar header"):
        taken(stream(root.path))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("left", [0, 512, 6000])
def test_a_shard_that_is_cut_while_it_is_read_is_named(root: Root, workers: int, left: int) -> None:
    """In place: what was mapped is gone, and to touch it would kill the process."""
    with stream(root.path, global_batch=1, reading=Reading(workers=workers)) as found:
        for _ in found:
            pass
        root.cut(left)
        with pytest.raises(ClipmillError, match=rf"shard {NAMES[1]}, clip c0000[3-6]: "):
            taken(found)


def test_a_shard_that_is_overwritten_while_it_is_read_is_looked_at_again(root: Root) -> None:
    with stream(root.path, global_batch=1) as found:
        for _ in found:
            pass
        row = root.row(SECOND[2])
        with root.shard.open("r+b") as out:
            out.seek(row["offset"] + 7)
            out.write(b"\x01\x02\x03")
        with pytest.raises(ClipmillError, match=rf"shard {NAMES[1]}, clip c00005: its bytes"):
            taken(found)


def test_verify_reads_hashes_each_clip_when_it_is_read(root: Root) -> None:
    """The digest of the shard says nothing of a row's; times of a file nothing of its disk."""
    other = {"xxh3": "0" * 16}
    root.rewrite("samples", lambda row: row | (other if row["clip_id"] == SECOND[2] else {}))
    assert set(taken(stream(root.path))) == set(CLIPS), "the shard is whole"
    with pytest.raises(ClipmillError, match=rf"shard {NAMES[1]}, clip c00005: .*digest of its row"):
        taken(stream(root.path, reading=Reading(verify=True)))
    with stream(root.path, reading=Reading(verify=True, bad_samples=1)) as found:
        assert set(taken(found)) == set(CLIPS) - {SECOND[2]} and found.left_out == 1
