"""Files say what they are; another table, version or set of columns is named as such."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests import schema, tables
from manifests.errors import ClipmillError

EMPTY = {name: columns.empty_table() for name, columns in schema.TABLES.items()}


@pytest.mark.parametrize("name", sorted(schema.TABLES))
def test_every_table_comes_back(name: str) -> None:
    table, metadata = tables.decode(name, tables.encode(name, EMPTY[name], {"a": "b"}), "here")
    assert table.equals(EMPTY[name])
    assert metadata == {"clipmill.table": name, "clipmill.schema": "1", "a": "b"}


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def test_another_table_is_named() -> None:
    with pytest.raises(ClipmillError, match=r"the table 'decode'; expected the table 'pack'"):
        tables.decode("pack", tables.encode("decode", EMPTY["decode"]), "here")


def test_another_version_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "VERSION", 7)
    data = tables.encode("pack", EMPTY["pack"])
    monkeypatch.undo()
    with pytest.raises(ClipmillError, match=r"version 7; this clipmill reads version 1.*Use the"):
        tables.decode("pack", data, "here")


def test_foreign_parquet_is_no_table_of_ours() -> None:
    with pytest.raises(ClipmillError, match="no table of clipmill"):
        tables.decode("pack", _parquet(pa.table({"x": [1]})), "here")


def test_other_columns_are_refused() -> None:
    for wrong in (
        EMPTY["pack"].drop_columns(["shard"]),
        EMPTY["pack"].append_column("more", pa.array([], pa.string())),
        EMPTY["pack"].set_column(1, "attempt", pa.array([], pa.int64())),
    ):
        marks = {"clipmill.table": "pack", "clipmill.schema": "1"}
        with pytest.raises(ClipmillError, match="other columns"):
            tables.decode("pack", _parquet(wrong.replace_schema_metadata(marks)), "here")


def test_a_table_from_before_a_column_was_added_reads_it_as_null() -> None:
    columns = {
        field.name: pa.array(
            ["train-000000.tar" if pa.types.is_string(field.type) else 1], field.type
        )
        for field in schema.SHARDS
        if field.name != "xxh3"
    }
    marks = {"clipmill.table": "shards", "clipmill.schema": "1"}
    fields = [schema.SHARDS.field(name) for name in columns]
    before = pa.table(columns, schema=pa.schema(fields, marks))
    table, _ = tables.decode("shards", _parquet(before), "here")
    assert table.schema == schema.SHARDS
    assert table.drop_columns(["xxh3"]).equals(before.replace_schema_metadata(None))
    assert table["xxh3"].to_pylist() == [None]
    now = tables.from_rows("shards", [table.to_pylist()[0] | {"xxh3": "0" * 16}])
    assert pa.concat_tables([table, now])["xxh3"].to_pylist() == [None, "0" * 16]


def test_metadata_that_is_no_text_is_refused() -> None:
    wrong = EMPTY["pack"].replace_schema_metadata({b"clipmill.table": b"\xff\xfe"})
    with pytest.raises(ClipmillError):
        tables.decode("pack", _parquet(wrong), "here")


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", "null", '"part"'])
def test_a_damaged_list_of_replaced_parts_is_refused(text: str) -> None:
    with pytest.raises(ClipmillError, match="here does not say which parts it replaces"):
        schema.replaced({"clipmill.replaces": text}, "here")
    assert schema.replaced({}, "here") == []
