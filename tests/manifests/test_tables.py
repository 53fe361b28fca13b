"""Growing tables: parts, compaction, the state of a key, and what damage comes to."""

import functools
import json
import multiprocessing
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import schema, tables
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from manifests.rows import Clip, SplitRow
from manifests.storage import open_storage

FOLDER = "manifests/pack"
KEYS = ("clip_id", "attempt")


def outcome(clip: str, attempt: int = 1, status: str = "done", **more: Any) -> dict[str, Any]:
    return {"clip_id": clip, "attempt": attempt, "status": status} | more


def rows_of(*rows: dict[str, Any]) -> pa.Table:
    return tables.from_rows("pack", rows)


def add(store: LocalStorage, *rows: dict[str, Any]) -> str:
    return tables.append(store, FOLDER, "pack", rows_of(*rows))


def read(store: LocalStorage) -> list[dict[str, Any]]:
    return tables.unique(tables.read_parts(store, FOLDER, "pack"), KEYS).to_pylist()


@pytest.fixture
def store(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "root")


OUTCOMES = st.lists(
    st.builds(
        outcome,
        st.sampled_from("abcdef"),
        st.integers(1, 4),
        st.sampled_from(["done", "failed", "gone"]),
    ),
    max_size=30,
)


@settings(deadline=None)  # the first example pays for what pyarrow loads late
@given(OUTCOMES)
def test_unique_keeps_one_row_a_key_and_done_wins(rows: list[dict[str, Any]]) -> None:
    found = tables.unique(rows_of(*rows), KEYS).to_pylist()
    wanted: dict[tuple[str, int], str] = {}
    for row in rows:
        key = row["clip_id"], row["attempt"]
        wanted[key] = max(wanted.get(key, "failed"), row["status"], key=tables._RANKED.index)
    assert [((r["clip_id"], r["attempt"]), r["status"]) for r in found] == sorted(wanted.items())


@given(OUTCOMES, st.randoms(use_true_random=False))
def test_latest_is_the_highest_attempt_in_any_order(
    rows: list[dict[str, Any]], chance: random.Random
) -> None:
    wanted = {r["clip_id"]: 0 for r in rows}
    for row in rows:
        wanted[row["clip_id"]] = max(wanted[row["clip_id"]], row["attempt"])
    first = tables.latest(rows_of(*rows)).to_pylist()
    assert {row["clip_id"]: row["attempt"] for row in first} == wanted
    chance.shuffle(rows)
    assert tables.latest(rows_of(*rows)).to_pylist() == first


def test_latest_never_asks_the_clock() -> None:
    import datetime

    early, late = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2001, 2020))
    rows = rows_of(
        outcome("a", 2, "done", finished_at=early), outcome("a", 1, "failed", finished_at=late)
    )
    assert tables.latest(rows)["status"].to_pylist() == ["done"]


@settings(deadline=None, max_examples=25)
@given(parts=st.lists(OUTCOMES, max_size=6))
def test_parts_and_compaction_keep_every_key(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[dict[str, Any]]]
) -> None:
    store = LocalStorage(tmp_path_factory.mktemp("x"))
    for part in parts:
        add(store, *part)
    before = read(store)
    assert before == tables.unique(rows_of(*(r for p in parts for r in p)), KEYS).to_pylist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "COMPACT_AT", 2)
        done = tables.compact(store, FOLDER, "pack", KEYS)
    assert done == (len(parts) >= 2)
    assert read(store) == before
    assert len(store.list(FOLDER)) == (1 if done else len(parts))


def test_few_parts_are_left_alone(store: LocalStorage) -> None:
    for number in range(tables.COMPACT_AT - 1):
        add(store, outcome(f"c{number}"))
    assert not tables.compact(store, FOLDER, "pack", KEYS)
    add(store, outcome("last"))
    assert tables.compact(store, FOLDER, "pack", KEYS)
    assert len(store.list(FOLDER)) == 1


def compact(root: Path) -> bool:
    return tables.compact(LocalStorage(root), FOLDER, "pack", KEYS)


@pytest.mark.parametrize("fault", ["KILL", "EIO"])
def test_compaction_may_stop_anywhere(
    faults: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(tables, "COMPACT_AT", 4)
    for at in range(1, 20):
        root = tmp_path / str(at)
        store = LocalStorage(root)
        for number in range(4):
            add(store, outcome(f"c{number}"), outcome("same", number))
        before = read(store)
        faults.trial(functools.partial(compact, root), at, fault)
        assert read(store) == before
        add(store, outcome("new"))
        monkeypatch.setattr(tables, "COMPACT_AT", 1)
        assert compact(root)
        monkeypatch.setattr(tables, "COMPACT_AT", 4)
        assert len(read(store)) == len(before) + 1
        assert len(store.list(FOLDER)) == 1


def test_two_compactions_at_once(store: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second read all parts before the first removed them: both write, nothing is twice."""
    monkeypatch.setattr(tables, "COMPACT_AT", 3)
    for number in range(3):
        add(store, outcome(f"c{number}"))
    before, real = read(store), tables._live
    late = real(store, FOLDER, "pack")
    assert tables.compact(store, FOLDER, "pack", KEYS)
    monkeypatch.setattr(tables, "_live", lambda *args: late)
    assert tables.compact(store, FOLDER, "pack", KEYS)
    monkeypatch.setattr(tables, "_live", real)
    assert len(store.list(FOLDER)) == 2
    assert read(store) == before
    monkeypatch.setattr(tables, "COMPACT_AT", 2)
    assert tables.compact(store, FOLDER, "pack", KEYS)
    assert read(store) == before
    assert len(store.list(FOLDER)) == 1


def test_a_replaced_part_that_is_still_there_is_ignored(store: LocalStorage) -> None:
    old = add(store, outcome("a", 1, "failed"))
    data = store.read(f"{FOLDER}/{old}")
    marks = {"clipmill.replaces": json.dumps([old])}
    store.write(f"{FOLDER}/part-new.parquet", tables.encode("pack", rows_of(outcome("b")), marks))
    assert [row["clip_id"] for row in read(store)] == ["b"]
    assert store.read(f"{FOLDER}/{old}") == data


def _write_parts(root: str, number: int) -> None:
    store = open_storage(root)
    for index in range(6):
        row = outcome(f"w{number:02}-{index}")
        tables.append(store, FOLDER, "pack", tables.from_rows("pack", [row]))
        if index % 3 == 2:
            tables.compact(store, FOLDER, "pack", KEYS)
            tables.read_parts(store, FOLDER, "pack")


def test_sixteen_writers_lose_nothing(store: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """They compact and read among each other as well."""
    monkeypatch.setattr(tables, "COMPACT_AT", 8)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_parts, args=(store.root, n)) for n in range(16)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 16
    assert [row["clip_id"] for row in read(store)] == [
        f"w{number:02}-{index}" for number in range(16) for index in range(6)
    ]
    assert store.leftovers(FOLDER) == []


def test_rows_must_fit_the_table() -> None:
    with pytest.raises(ValueError, match="unknown columns"):
        tables.from_rows("pack", [outcome("a", nonsense=1)])
    with pytest.raises(ValueError, match="lack 'status'"):
        tables.from_rows("pack", [{"clip_id": "a", "attempt": 1}])
    with pytest.raises(ValueError, match="lack 'split'"):
        tables.from_records("splits", [SplitRow("default", "a", None)])  # type: ignore[arg-type]


def test_records_and_rows_make_the_same_table() -> None:
    records = [
        Clip("a", "set", "walk", 0, "v", "file:a"),
        Clip("b", "set", None, None, "v", "x:", 1, 2),
    ]
    rows = [record._asdict() for record in records]
    assert tables.from_records("clips", records).equals(tables.from_rows("clips", rows))
    assert tables.from_records("clips", []).equals(tables.from_rows("clips", []))


def test_one_row_among_the_damage(store: LocalStorage) -> None:
    part = add(store, outcome("a"))
    good = store.read(f"{FOLDER}/{part}")
    for bad in (b"", b"PAR1", good[:-1], good[: len(good) // 2], good[4:], b"x" * 1000):
        store.write(f"{FOLDER}/{part}", bad)
        with pytest.raises(ClipmillError, match=part):
            read(store)


def test_flipped_bits_end_in_one_sentence_or_change_nothing() -> None:
    """Pages are under a checksum; the footer is checked as far as it goes."""
    table = rows_of(*(outcome(f"clip-{n}", n, message="words " * n) for n in range(1, 40)))
    good, chance = tables.encode("pack", table, {"clipmill.replaces": '["a"]'}), random.Random(5)
    footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    refused = 0
    for _ in range(1500):
        bad = bytearray(good)
        place = chance.randrange(len(bad))
        bad[place] ^= 1 << chance.randrange(8)
        try:
            found, marks = tables.decode("pack", bytes(bad), "here")
            schema.replaced(marks, "here")
        except ClipmillError:
            refused += 1
        else:
            assert place >= footer or found.equals(table)
    assert refused > 300


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    for bad in (data, b"PAR1" + data + b"PAR1"):
        with pytest.raises(ClipmillError):
            tables.decode("pack", bad, "here")
