"""Counts and spreads, of empty and of incomplete columns too."""

import pyarrow as pa
import pytest

from pipeline.inspecting.counting import among, counts, rates, sizes, spread, total


def column(*values, kind=None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


def test_counts_are_sorted_and_name_what_is_unknown():
    assert list(counts(column("b", "a", "b", None)).items()) == [
        ("b", 2),
        ("(unknown)", 1),
        ("a", 1),
    ]
    assert counts(column(4, 4, 1)) == {"4": 2, "1": 1}
    assert counts(column(kind=pa.string())) == {}


def test_spread():
    found = spread(column(4.0, 1.0, None, 2.0, 3.0))
    assert found is not None
    assert (found["min"], found["median"], found["mean"], found["max"]) == (1, 2.5, 2.5, 4)
    assert found["sum"] == 10
    assert found["p5"] == pytest.approx(1.15)
    assert spread(column(None, kind=pa.float64())) is None


def test_rates_and_sizes():
    assert counts(rates(column(30000 / 1001, 29.97, 30.0, None))) == {
        "29.97": 2,
        "(unknown)": 1,
        "30.0": 1,
    }
    rows = pa.table({"height": pa.array([2, None, 2]), "width": pa.array([3, 3, 3])})
    assert counts(sizes(rows)) == {"2x3": 2, "(unknown)": 1}


def test_total():
    assert total(column(1, None, 2)) == 3
    assert total(column(kind=pa.int64())) == 0


def test_among():
    rows = pa.table({"clip_id": ["a", "b", "c"]})
    assert among(rows, column("c", "a", "x"))["clip_id"].to_pylist() == ["a", "c"]
    without_chunk = pa.chunked_array([], pa.string())
    for none in (column(kind=pa.string()), column("a").slice(0, 0), without_chunk):
        assert len(among(rows, none)) == 0
        assert len(among(rows.slice(0, 0), none)) == 0
