"""Tables on storage: single files, and folders of immutable parts that can be compacted.

A part of one row costs about 4 ms to write and 1.4 ms to read, so stages commit by the shard or
the minute and compact at their end. Nothing here needs a lock: parts have unique names, a reader
leaves out the parts that another part says it replaces, and `latest` drops what stands twice.
"""

from __future__ import annotations

import json
import operator
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests import schema, sealed
from manifests.errors import ClipmillError
from manifests.sound import require_sound
from manifests.storage import Storage

COMPACT_AT = 16
PATIENCE_S = 60.0
_ANEW = "Remove the file and run the stage that makes it again."
_RANKED = ("failed", "gone", "done")  # of two rows with one key the last of these wins


def from_rows(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Build a table from dicts; a missing nullable column is null, an unknown one an error."""
    rows = list(rows)
    wanted = schema.TABLES[name]
    extra = {key for row in rows for key in row} - set(wanted.names)
    if extra:
        raise ValueError(f"rows of {name!r} hold unknown columns {sorted(extra)}")
    return _whole(name, pa.Table.from_pylist(rows, schema=wanted))


def from_records(name: str, records: Sequence[object]) -> pa.Table:
    """Build a table from objects that have an attribute for each column; 1 µs a cell."""
    columns = [
        pa.array([*map(operator.attrgetter(field.name), records)], field.type)
        for field in schema.TABLES[name]
    ]
    return _whole(name, pa.Table.from_arrays(columns, schema=schema.TABLES[name]))


def _whole(name: str, table: pa.Table) -> pa.Table:
    """Return the table, checked: nothing is null that must be there."""
    table.validate(full=True)
    for field in schema.TABLES[name]:
        if not field.nullable and table[field.name].null_count:
            raise ValueError(f"rows of {name!r} lack {field.name!r}")
    return table


def encode(name: str, table: pa.Table, metadata: dict[str, str] | None = None) -> bytes:
    """Return the table as zstd parquet with clipmill's metadata and a digest of all its bytes."""
    sink = pa.BufferOutputStream()
    marked = schema.marked(name, metadata or {})
    with pq.ParquetWriter(sink, marked, compression="zstd", write_page_checksum=True) as out:
        out.write_table(table.cast(marked))
        out.add_key_value_metadata({sealed.KEY: sealed.EMPTY})
    return sealed.seal(sink.getvalue().to_pybytes())


def decode(
    name: str, data: bytes, where: str, cure: str = _ANEW
) -> tuple[pa.Table, dict[str, str]]:
    """Read and fully validate one parquet file; return the table and its metadata.

    `cure` is what to do about bytes that are no parquet.

    Raises:
        ClipmillError: damaged, foreign, of another version, with other columns or impossible rows.
    """
    if sealed.intact(data) is False:
        raise ClipmillError(
            f"{where} is damaged (its bytes do not have the digest it carries); expected the "
            f"table {name!r}. {cure}"
        )
    try:
        # Threads gain nothing below a megabyte and cost most of the time there.
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        table = file.read(use_threads=len(data) > 1 << 20)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        raise ClipmillError(
            f"{where} cannot be read as parquet ({str(error).split(chr(10))[0]}); expected the "
            f"table {name!r}. {cure}"
        ) from error
    metadata = schema.check(table.schema, name, where)
    metadata.pop(sealed.KEY, None)
    require_sound(table, name, where, cure)
    return schema.completed(table, name), metadata


def write_single(
    storage: Storage, path: str, name: str, table: pa.Table, metadata: dict[str, str] | None = None
) -> None:
    """Replace a single-file table whole."""
    storage.write(path, encode(name, table, metadata))


def read_single(storage: Storage, path: str, name: str) -> tuple[pa.Table, dict[str, str]]:
    """Read a single-file table and its metadata; FileNotFoundError when it is not there."""
    return decode(name, storage.read(path), f"{storage.root}/{path}")


def append(storage: Storage, folder: str, name: str, rows: pa.Table) -> str:
    """Commit rows as one new part and return the part's name. When it returns, they stay."""
    part = f"part-{uuid.uuid4().hex}.parquet"
    if not storage.create(f"{folder}/{part}", encode(name, rows)):
        raise ClipmillError(f"{folder}/{part} exists already; run the command again.")
    return part


def read_parts(storage: Storage, folder: str, name: str) -> pa.Table:
    """Return all rows of a folder of parts, each once per part that is not replaced."""
    return pa.concat_tables([schema.TABLES[name].empty_table(), *_live(storage, folder, name)[0]])


def _live(storage: Storage, folder: str, name: str) -> tuple[list[pa.Table], list[str]]:
    """Return the tables that no other part replaces, and the names of all parts seen.

    A listing is no snapshot: a compaction can pass it by, its new part too late and its old ones
    too soon to be seen. So it is repeated until it shows nothing that replaces anything; what was
    read stays read, so that a folder with many writers is caught up with.
    """
    parts: dict[str, tuple[pa.Table, dict[str, str]]] = {}
    dead: set[str] = set()
    listed: list[str] = []
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        before, settled = listed, bool(parts)
        listed = [part for part in storage.list(folder) if part.endswith(".parquet")]
        if listed == before:
            settled = True
        for part in listed:
            if part in parts:
                continue
            try:
                parts[part] = read_single(storage, f"{folder}/{part}", name)
            except FileNotFoundError:  # compacted away since: the new part has its rows
                settled = False
                continue
            replaced = schema.replaced(parts[part][1], f"{storage.root}/{folder}/{part}")
            dead.update(replaced)
            settled = settled and not replaced
        if settled:
            names = [part for part in listed if part in parts]
            return [parts[part][0] for part in names if part not in dead], names
    raise ClipmillError(
        f"{storage.root}/{folder} changes faster than it can be read; "
        "end the other clipmill processes that work on it and run the command again."
    )


def compact(storage: Storage, folder: str, name: str, keys: Sequence[str]) -> bool:
    """Write one part that replaces all present ones, then remove those; False if not worth it.

    May be interrupted anywhere and done by two processes at once: a replaced part that is still
    there is ignored, and rows that two compactions both wrote are equal and dropped by `unique`.
    """
    tables, names = _live(storage, folder, name)
    if len(names) < COMPACT_AT:
        return False
    rows = unique(pa.concat_tables(tables), keys)
    part = f"part-{uuid.uuid4().hex}.parquet"
    replaces = {"clipmill.replaces": json.dumps(names)}
    storage.create(f"{folder}/{part}", encode(name, rows, replaces))
    for old in names:
        storage.delete(f"{folder}/{old}")
    return True


def keep(table: pa.Table, mask: Iterable[bool]) -> pa.Table:
    """Return the rows whose place in `mask` is true."""
    return table.filter(pa.array(mask, pa.bool_()))


def finished(outcomes: pa.Table) -> pa.Table:
    """Return the latest rows of the clips that are done."""
    return latest(outcomes).filter(pc.field("status") == "done")


def unique(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Keep one row for each key, sorted by key; where a status differs, done wins over failed."""
    if not len(table):
        return table
    ranked = table
    order = [(key, "ascending") for key in keys]
    if "status" in table.column_names:
        ranks = pc.fill_null(pc.index_in(table["status"], pa.array(_RANKED)), -1)  # type: ignore[attr-defined]
        ranked = table.append_column("_rank", ranks)
        order.append(("_rank", "ascending"))
    ranked = ranked.sort_by(order)
    last = _ends(ranked, keys)
    return ranked.filter(last).select(table.column_names)


def latest(outcomes: pa.Table) -> pa.Table:
    """Return each clip's state: its row with the highest attempt, never the clock's newest."""
    if not len(outcomes):
        return outcomes
    rows = unique(outcomes, ["clip_id", "attempt"])
    return rows.filter(_ends(rows, ["clip_id"]))


def _ends(table: pa.Table, keys: Sequence[str]) -> pa.Array:
    """Mark the last row of every run of equal keys in a sorted table."""
    changes: Any = None
    for key in keys:
        column = table[key].combine_chunks()
        differs = pc.not_equal(column.slice(0, len(column) - 1), column.slice(1))  # type: ignore[attr-defined]
        changes = differs if changes is None else pc.or_(changes, differs)  # type: ignore[attr-defined]
    return pa.concat_arrays([pa.array(changes), pa.array([True])])
