"""The columns of every table, and the check that a file holds what it says.

Each parquet file carries `clipmill.table`, `clipmill.schema` (the version) and, in a compacted
part, `clipmill.replaces` in its metadata. Checking costs one look at the schema.
"""

from __future__ import annotations

import json

import pyarrow as pa

from manifests.errors import ClipmillError

VERSION = 1

CLIPS = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("label_id", pa.int32()),
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        pa.field("group", pa.string()),
    ]
)
LABELS = pa.schema(
    [
        pa.field("label_id", pa.int32(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("slug", pa.string(), nullable=False),
    ]
)
SPLITS = pa.schema(
    [
        pa.field("split_set", pa.string(), nullable=False),
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ]
)
_OUTCOME = [
    pa.field("clip_id", pa.string(), nullable=False),
    pa.field("attempt", pa.int32(), nullable=False),
    pa.field("status", pa.string(), nullable=False),
    pa.field("reason", pa.string()),
    pa.field("message", pa.string()),
    pa.field("seconds", pa.float64()),
    pa.field("finished_at", pa.timestamp("ms", tz="UTC")),
    pa.field("versions", pa.string()),
]
DOWNLOAD = pa.schema(
    [
        *_OUTCOME,
        pa.field("path", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("sha256", pa.string()),
        pa.field("file_start_s", pa.float64()),
        pa.field("duration_s", pa.float64()),
        pa.field("fps", pa.float64()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("container", pa.string()),
        pa.field("codec", pa.string()),
        pa.field("packets", pa.int64()),
        pa.field("rotation", pa.int32()),
        pa.field("via", pa.string()),
    ]
)
_DECODED = [
    pa.field("frames_decoded", pa.int64()),
    pa.field("packets", pa.int64()),
    pa.field("errors", pa.int64()),
    pa.field("rotation", pa.int32()),
]
DECODE = pa.schema(
    [
        *_OUTCOME,
        *_DECODED,
        pa.field("path", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("xxh3", pa.string()),
        pa.field("sha256", pa.string()),
    ]
)
PACK = pa.schema([*_OUTCOME, *_DECODED, pa.field("shard", pa.string())])
SHARDS = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("spec", pa.string(), nullable=False),
        pa.field("generation", pa.int32(), nullable=False),
        pa.field("versions", pa.string(), nullable=False),
        pa.field("xxh3", pa.string()),
    ]
)
SAMPLES = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("view", pa.int32(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("label_id", pa.int32()),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("nbytes", pa.int64(), nullable=False),
        pa.field("frames", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("codec", pa.string(), nullable=False),
        pa.field("indices", pa.list_(pa.int32()), nullable=False),
        pa.field("stride", pa.int32()),
        pa.field("mirrored", pa.bool_(), nullable=False),
        pa.field("xxh3", pa.string(), nullable=False),
    ]
)
# What a source of archives holds: of an archive its videos, of a list of archives their addresses.
# Without a message it was read to its end. The highest `reading` of an address counts.
ARCHIVES = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("reading", pa.int32(), nullable=False),
        pa.field("mark", pa.string()),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("members", pa.list_(pa.string()), nullable=False),
        pa.field("sizes", pa.list_(pa.int64())),
        pa.field("message", pa.string()),
        pa.field("read_at", pa.timestamp("ms", tz="UTC"), nullable=False),
    ]
)
# What `drop` took out for good: ids of clips or of whole videos.
DROPPED = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("dropped_at", pa.timestamp("ms", tz="UTC"), nullable=False),
    ]
)
# Shards that `verify --fix` took out: their rows, and those of their samples, count no more.
RETIRED = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("retired_at", pa.timestamp("ms", tz="UTC"), nullable=False),
    ]
)
DOWNLOAD_PLAN = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
    ]
)
DECODE_PLAN = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
    ]
)
PACK_PLAN = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("generation", pa.int32(), nullable=False),
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
    ]
)
PREDICTIONS = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("label_id", pa.int32()),
        pa.field("top_ids", pa.list_(pa.int32()), nullable=False),
        pa.field("top_probabilities", pa.list_(pa.float32()), nullable=False),
        pa.field("logits", pa.list_(pa.float16()), nullable=False),
        pa.field("views", pa.int32(), nullable=False),
    ]
)
FROZEN = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("split", pa.string()),
        pa.field("label", pa.string()),
        pa.field("label_id", pa.int32()),
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        pa.field("xxh3", pa.string(), nullable=False),
    ]
)

METRICS = pa.schema(
    [
        pa.field("epoch", pa.int32(), nullable=False),
        pa.field("step", pa.int64(), nullable=False),
        pa.field("clips", pa.int64(), nullable=False),
        pa.field("lr", pa.float64(), nullable=False),
        *(
            pa.field(f"{split}_{name}", pa.float64())
            for split in ("train", "val", "test")
            for name in ("loss", "top1", "top5", "mean_recall")
        ),
        pa.field("clips_per_s", pa.float64()),
        pa.field("waiting", pa.float64()),
        pa.field("seconds", pa.float64()),
        pa.field("memory_mb", pa.float64()),
        pa.field("gpu_memory_mb", pa.float64()),
    ]
)
CONFUSIONS = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("label_id", pa.int32(), nullable=False),
        pa.field("predicted_id", pa.int32(), nullable=False),
        pa.field("clips", pa.int64(), nullable=False),
    ]
)

TABLES: dict[str, pa.Schema] = {
    "clips": CLIPS,
    "labels": LABELS,
    "splits": SPLITS,
    "download": DOWNLOAD,
    "decode": DECODE,
    "pack": PACK,
    "shards": SHARDS,
    "samples": SAMPLES,
    "dropped": DROPPED,
    "retired": RETIRED,
    "archives": ARCHIVES,
    "plans/download": DOWNLOAD_PLAN,
    "plans/decode": DECODE_PLAN,
    "plans/pack": PACK_PLAN,
    "predictions": PREDICTIONS,
    "frozen": FROZEN,
    "metrics": METRICS,
    "confusions": CONFUSIONS,
}

# Columns that files of this version may lack, for they were written before there were such:
# nullable, at a table's end, read as null.
ADDED: dict[str, tuple[str, ...]] = {"shards": ("xxh3",)}


def marked(name: str, metadata: dict[str, str]) -> pa.Schema:
    """Return a table's schema with its name, the schema version and `metadata` written in."""
    own = {"clipmill.table": name, "clipmill.schema": str(VERSION)}
    return TABLES[name].with_metadata(own | metadata)


def check(schema: pa.Schema, name: str, where: str) -> dict[str, str]:
    """Check a file's schema against the table it should be and return its metadata.

    Raises:
        ClipmillError: not one of clipmill's files, another table, version or column type.
    """
    metadata = {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in (schema.metadata or {}).items()
    }
    found = metadata.get("clipmill.table")
    if found != name:
        raise ClipmillError(
            f"{where} is {'the table ' + repr(found) if found else 'no table of clipmill'}; "
            f"expected the table {name!r}. Put the right file back or make it anew."
        )
    version = metadata.get("clipmill.schema")
    if version != str(VERSION):
        raise ClipmillError(
            f"{where} has schema version {version}; this clipmill reads version {VERSION}. "
            "Use the clipmill that wrote it, or make the dataset folder anew."
        )
    if not any(schema.remove_metadata().equals(one) for one in _readable(name)):
        raise ClipmillError(
            f"{where} has other columns than the table {name!r} of schema version {VERSION}. "
            "Put the right file back or make it anew."
        )
    return metadata


def _readable(name: str) -> list[pa.Schema]:
    """Return a table's columns, and those it had before some were added."""
    added = ADDED.get(name, ())
    before = pa.schema([field for field in TABLES[name] if field.name not in added])
    return [TABLES[name], before] if added else [TABLES[name]]


def completed(table: pa.Table, name: str) -> pa.Table:
    """Return a table that was checked with all its columns, and none of a file's metadata."""
    table = table.replace_schema_metadata(None)
    for field in TABLES[name]:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table


def replaced(metadata: dict[str, str], where: str) -> list[str]:
    """Return the names of the parts that a compacted part replaces.

    Raises:
        ClipmillError: the list is damaged.
    """
    try:
        names = json.loads(metadata.get("clipmill.replaces", "[]"))
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return names
    except ValueError:
        pass
    raise ClipmillError(
        f"{where} does not say which parts it replaces; expected a list of names. "
        "Put the file back from a copy."
    )
