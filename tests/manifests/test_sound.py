"""Tables of strangers: rows that no stage writes are refused where the table is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from manifests import schema, tables
from manifests.errors import ClipmillError
from manifests.sound import require_sound

SAMPLE: dict[str, Any] = {
    "clip_id": "c0", "key": "c0", "view": 0, "shard": "train-000000.tar", "index": 0,
    "label_id": 0, "offset": 1664, "nbytes": 3072, "frames": 4, "height": 16, "width": 16,
    "codec": "raw", "indices": [0], "stride": 1, "mirrored": False, "xxh3": "0" * 16,
}  # fmt: skip
SHARD: dict[str, Any] = {
    "shard": "train-000000.tar", "split": "train", "samples": 1, "bytes": 10240, "sha256": "0",
    "spec": "0", "generation": 0, "versions": "{}", "xxh3": None,
}  # fmt: skip
ROWS = {"samples": SAMPLE, "shards": SHARD}


def read(name: str, *rows: dict[str, Any]) -> pa.Table:
    return tables.decode(name, tables.encode(name, tables.from_rows(name, rows)), "here")[0]


@pytest.mark.parametrize("name", ["samples", "shards"])
def test_good_rows_pass(name: str) -> None:
    assert read(name, ROWS[name]).to_pylist() == [ROWS[name]]
    require_sound(schema.TABLES[name].empty_table(), name, "here", "cure")


@pytest.mark.parametrize("name", ["samples", "shards", "plans/pack", "retired", "pack"])
@pytest.mark.parametrize("shard", ["pipe:touch x", "../a-000000.tar", "/a-000000.tar", "x", "a\n"])
def test_a_shard_by_another_name_is_refused_in_every_table(name: str, shard: str) -> None:
    values = {"clip_id": "c", "attempt": 1, "status": "done", "split": "s", "generation": 0}
    values |= {"reason": "r", "retired_at": 0} | SHARD | SAMPLE
    row = {key: values[key] for key in schema.TABLES[name].names if key in values}
    assert len(read(name, row)) == 1
    with pytest.raises(ClipmillError) as caught:
        read(name, row, row | {"shard": shard})
    assert f"here names a shard {shard!r}; expected a name as" in str(caught.value)


def test_an_outcome_without_a_shard_is_none() -> None:
    row = {"clip_id": "c", "attempt": 1, "status": "failed", "shard": None}
    assert len(read("pack", row)) == 1


@pytest.mark.parametrize("value", [-1, -(2**63), 2**60 + 1, 2**63 - 1])
@pytest.mark.parametrize(
    ("name", "column"),
    [("samples", "offset"), ("samples", "nbytes"), ("shards", "bytes"), ("shards", "samples")],
)
def test_impossible_places_and_lengths_are_refused(name: str, column: str, value: int) -> None:
    with pytest.raises(ClipmillError, match=f"here says {value} for {column}; expected 0 to"):
        read(name, ROWS[name], ROWS[name] | {column: value})


def test_the_command_says_which_file_and_runs_nothing(
    built: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    import shutil

    root, proof = Path(shutil.copytree(built, tmp_path / "root")), tmp_path / "ran"
    row = SAMPLE | {"shard": f"pipe:touch {proof}"}
    data = tables.encode("samples", tables.from_rows("samples", [row]))
    (root / "manifests" / "samples" / "part-0.parquet").write_bytes(data)
    for verb in ("status", "inspect"):
        ended = cli(verb, "--root", root)
        assert ended.returncode == 2 and "Traceback" not in ended.stderr
        assert "part-0.parquet names a shard 'pipe:touch" in ended.stderr.replace("\n", " ")
    ended = cli("verify", "--root", root, "--json")
    assert ended.returncode == 1 and "names a shard" in ended.stdout
    assert "manifests/samples/part-0.parquet" in ended.stdout
    assert not proof.exists()
