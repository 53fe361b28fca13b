"""What the table says of whole shards is what their files hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests import tables
from manifests.local import LocalStorage
from shards.contents import contents


def test_every_shard_by_its_quickest_digest(tmp_path: Path, shard: Callable[..., Any]) -> None:
    storage = LocalStorage(tmp_path)
    rows = [shard(storage, f"train-{n:06d}.tar", [f"clip{n}"]).shard for n in range(2)]
    rows[1] = rows[1] | {"xxh3": None}  # as a shard that was packed before there was one
    table: pa.Table = tables.from_rows("shards", rows)
    found = contents(table)
    assert {name: one.kind for name, one in found.items()} == {
        "train-000000.tar": "xxh3",
        "train-000001.tar": "sha256",
    }
    for name, content in found.items():
        with (tmp_path / "shards" / name).open("rb") as file:
            assert content.difference(file.fileno()) is None
