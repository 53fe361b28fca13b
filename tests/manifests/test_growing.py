"""Which rows of the tables that grow count: each key once, none of a retired shard."""

from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from manifests import schema
from manifests.errors import ClipmillError
from manifests.growing import KEYS, ONCE, contradicted, counting_rows, live_rows


def test_a_row_that_was_committed_twice_is_seen_once(tmp_path: Path, small: ModuleType) -> None:
    dataset = small.make(tmp_path)
    for _ in range(2):
        small.pack_something(dataset)
    assert len(live_rows(dataset.storage, "samples")) == 2
    assert len(counting_rows(dataset.storage, "samples")) == 1


def test_a_retired_shard_and_its_samples_do_not_count(tmp_path: Path, small: ModuleType) -> None:
    dataset = small.make(tmp_path)
    small.pack_something(dataset)
    small.shard_of(dataset)
    columns = ["clip_id", "view", "shard"]
    found = counting_rows(dataset.storage, "samples", columns)
    assert found.to_pylist() == [{"clip_id": "c0", "view": 0, "shard": "train-000000.tar"}]
    dataset.append(
        "retired",
        [{"shard": "train-000000.tar", "reason": "lost", "retired_at": datetime.now(UTC)}],
    )
    for name in ("shards", "samples"):
        assert not len(counting_rows(dataset.storage, name))
        assert not len(live_rows(dataset.storage, name))
    assert len(counting_rows(dataset.storage, "retired")) == 1


def test_keys_are_columns_of_their_tables() -> None:
    for name, key in (*KEYS.items(), *ONCE.items()):
        assert set(key) <= set(schema.TABLES[name].names), name


def test_two_rows_of_one_shard_that_say_different_things_are_refused(
    tmp_path: Path, small: ModuleType
) -> None:
    """Two folders' tables in one: which of two files of that name is meant, nobody knows."""
    dataset = small.make(tmp_path)
    for _ in range(2):
        small.shard_of(dataset)
    row = dataset.parts("shards").to_pylist()[0]
    dataset.append("shards", [row | {"versions": '{"av": "2"}'}])
    assert len(counting_rows(dataset.storage, "shards")) == 1, "what made it may differ"
    dataset.append("shards", [row | {"sha256": "1"}, row | {"shard": "train-000001.tar"}])
    for columns in (None, ["shard", "bytes"]):
        with pytest.raises(ClipmillError, match=r"shard train-000000\.tar has two rows in .* that"):
            counting_rows(dataset.storage, "shards", columns)
    assert contradicted(live_rows(dataset.storage, "shards")) == ["train-000000.tar"]
