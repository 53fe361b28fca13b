"""A digest in each table's file: every flipped bit of it is noticed."""

import random

import pytest

from manifests import sealed, tables


def test_every_single_flipped_bit_is_noticed() -> None:
    data = tables.encode("labels", tables.from_rows("labels", [row(0), row(1)]))
    assert sealed.intact(data) is True
    for place in range(len(data)):
        for bit in range(8):
            bad = bytearray(data)
            bad[place] ^= 1 << bit
            assert not sealed.intact(bytes(bad)), f"bit {bit} of byte {place}"


def test_cut_files_and_foreign_ones() -> None:
    data = tables.encode("labels", tables.from_rows("labels", [row(0)]))
    chance = random.Random(1)
    for _ in range(50):
        assert not sealed.intact(data[: chance.randrange(len(data))])
    assert sealed.intact(b"") is None
    with pytest.raises(ValueError, match="no empty"):
        sealed.seal(data)


def test_rows_that_hold_the_mark_do_not_mislead() -> None:
    trap = f"{sealed.KEY}\x18\x10{sealed.EMPTY}"
    rows = [{"label_id": 0, "label": trap, "slug": trap}]
    data = tables.encode("labels", tables.from_rows("labels", rows))
    assert sealed.intact(data) is True
    assert tables.decode("labels", data, "here")[0].to_pylist() == rows


def test_every_single_flipped_bit_of_a_text_is_noticed() -> None:
    data = sealed.seal_text('name = "läufe"\n').encode()
    assert sealed.text_intact(data)
    for place in range(len(data)):
        for bit in range(8):
            bad = bytearray(data)
            bad[place] ^= 1 << bit
            assert not sealed.text_intact(bytes(bad))
    assert not sealed.text_intact(data + b"\n") and not sealed.text_intact(b"name = 1\n")


def row(number: int) -> dict[str, object]:
    return {"label_id": number, "label": f"class {number}", "slug": f"class_{number}"}
