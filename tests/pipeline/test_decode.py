"""Decoding apart from packing: the same shards come of it, and nothing is decoded twice."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests import tables
from manifests.dataset import Dataset
from manifests.spec import ClipSpec
from pipeline.decode import tensor_path


def hashes(root: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((root / "shards").iterdir())
    }


def outcomes(root: Path, stage: str) -> list[dict[str, Any]]:
    rows = Dataset.open(str(root)).parts(stage).to_pylist()
    return [{k: v for k, v in row.items() if k not in ("seconds", "finished_at")} for row in rows]


def decoded(recorded: Any) -> int:
    return sum(verb == "decode" for verb, *_ in recorded.asked)


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_decode_then_pack_gives_the_bytes_of_pack_alone(
    tmp_path: Path,
    recorded: Any,
    annotated: Callable[..., Dataset],
    run_stages: Callable[..., Any],
    spec: ClipSpec,
    codec: str,
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    chosen = dataclasses.replace(spec, codec=codec)
    for root in (one, two):
        annotated(root, chosen)
    run_stages(one, "download", "pack")
    run_stages(two, "download", "decode")
    recorded.asked.clear()
    run_stages(two, "pack", retry="failed")
    assert decoded(recorded) == 1, "only the clip that failed before is tried again"
    assert hashes(one) == hashes(two)
    assert outcomes(one, "pack") == outcomes(two, "pack")
    done = tables.finished(Dataset.open(str(two)).parts("decode")).to_pylist()
    assert len(done) == 10
    for row in done:
        assert row["path"] == tensor_path(row["clip_id"])
        assert row["bytes"] == (two / row["path"]).stat().st_size
        assert row["packets"] > 0


def test_a_clip_that_decode_gave_up_is_not_tried_by_pack(
    tmp_path: Path, recorded: Any, annotated: Callable[..., Dataset], run_stages: Callable[..., Any]
) -> None:
    annotated(tmp_path)
    run_stages(tmp_path, "download", "decode")
    recorded.asked.clear()
    result = run_stages(tmp_path, "pack")
    assert decoded(recorded) == 0
    assert result["stages"][0]["planned"] == result["stages"][0]["done"] == 10


def test_damaged_foreign_or_outdated_tensors_are_decoded_anew(
    tmp_path: Path, recorded: Any, annotated: Callable[..., Dataset], run_stages: Callable[..., Any]
) -> None:
    """Also those of another stride, whose shape is the same."""
    annotated(tmp_path / "fresh")
    run_stages(tmp_path / "fresh", "download", "pack")
    root, spec = tmp_path / "root", Dataset.open(str(tmp_path / "fresh")).spec
    annotated(root, dataclasses.replace(spec, rate=1))
    run_stages(root, "download", "decode")
    annotated(root)
    recorded.asked.clear()
    run_stages(root, "pack", retry="failed")
    assert decoded(recorded) == 11
    assert hashes(root) == hashes(tmp_path / "fresh")


def test_a_whole_tensor_without_a_row_is_adopted(
    tmp_path: Path, recorded: Any, annotated: Callable[..., Dataset], run_stages: Callable[..., Any]
) -> None:
    annotated(tmp_path)
    run_stages(tmp_path, "download", "decode")
    wanted = outcomes(tmp_path, "decode")
    for part in (tmp_path / "manifests" / "decode").iterdir():
        part.unlink()
    broken = next(path for path in sorted(tmp_path.glob("clips/*/*.tar")))
    broken.write_bytes(broken.read_bytes()[:-600])
    recorded.asked.clear()
    run_stages(tmp_path, "decode")
    assert decoded(recorded) == 2, "the broken one and the one that fails"
    assert outcomes(tmp_path, "decode") == wanted


def test_a_tensor_with_a_flipped_pixel_is_decoded_anew(
    tmp_path: Path, recorded: Any, annotated: Callable[..., Dataset], run_stages: Callable[..., Any]
) -> None:
    annotated(tmp_path / "fresh")
    run_stages(tmp_path / "fresh", "download", "pack")
    root = tmp_path / "root"
    annotated(root)
    run_stages(root, "download", "decode")
    row = tables.finished(Dataset.open(str(root)).parts("decode")).to_pylist()[0]
    path = root / row["path"]
    good = path.read_bytes()
    place = good.index(b"NUMPY") + 300
    path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    recorded.asked.clear()
    run_stages(root, "pack")
    assert decoded(recorded) == 1, "the damaged one"
    run_stages(root, "pack", retry="failed")
    wanted = {p["clip_id"]: p["xxh3"] for p in outcomes(tmp_path / "fresh", "samples")}
    assert {p["clip_id"]: p["xxh3"] for p in outcomes(root, "samples")} == wanted
