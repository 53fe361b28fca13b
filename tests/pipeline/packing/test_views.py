"""Several views of test clips, from one pass over the video, through every verb that meets them."""

import dataclasses
import json
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.inspecting.choose import Wish
from pipeline.inspecting.picture import picture
from pipeline.publishing.freeze import frozen_rows
from pipeline.status import status
from pipeline.verifying.verify import verify
from pipeline.video.decoder import Decoder
from shards.read import ShardReader
from shards.samples import read_samples

Stages = Callable[..., dict[str, Any]]
SMALL = "--width 4 --epochs 1 --batch 2 --device cpu --frames 2 --crop 16"
VIEWS = ClipSpec(frames=4, rate=2, height=16, width=16, views=3)


@pytest.fixture(scope="module")
def viewed(
    tmp_path_factory: pytest.TempPathFactory,
    annotated: Callable[..., Dataset],
    run_stages: Stages,
) -> Path:
    """A packed root whose three test clips have three views; read it, never change it."""
    root = tmp_path_factory.mktemp("viewed") / "root"
    annotated(root, VIEWS)
    run_stages(root, "download", "pack")
    return root


def opened(root: Path) -> Dataset:
    return Dataset.open(str(root))


def hashes(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "shards").iterdir())}


def problems(root: Path) -> list[Any]:
    return verify(opened(root), Ui(quiet=True))["problems"]


def rows(root: Path) -> list[dict[str, Any]]:
    return opened(root).parts("samples").to_pylist()


def test_test_clips_have_their_views_side_by_side(viewed: Path) -> None:
    splits = opened(viewed).splits.to_pylist()
    in_test = {row["clip_id"] for row in splits if row["split"] == "test"}
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows(viewed):
        found.setdefault(row["clip_id"], []).append(row)
    assert len(found) == 10 and len(in_test) == 3
    for clip, mine in found.items():
        count = 3 if clip in in_test else 1
        assert [row["view"] for row in mine] == [*range(count)]
        keys = [clip] if count == 1 else [f"{clip}@v{view}" for view in range(3)]
        assert [row["key"] for row in mine] == keys
        assert len({row["shard"] for row in mine}) == 1
        first = mine[0]["index"]
        assert [row["index"] for row in mine] == [*range(first, first + count)]
    assert Counter(row["status"] for row in opened(viewed).parts("pack").to_pylist()) == {
        "done": 10,
        "failed": 1,
    }
    assert problems(viewed) == []


def test_the_tar_names_each_view(viewed: Path) -> None:
    names = []
    for path in (viewed / "shards").glob("test-*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    file = tar.extractfile(member)
                    about = json.load(file)  # type: ignore[arg-type]
                    assert member.name == f"{about['clip_id']}@v{about['view']}.json"
                    names.append(member.name)
    assert len(names) == 9


def test_pixels_are_those_of_each_window_decoded_alone(viewed: Path, videos: Path) -> None:
    """The union of frames from one pass equals three passes, each for one window."""
    dataset = opened(viewed)
    sizes = {row["shard"]: row["bytes"] for row in dataset.parts("shards").to_pylist()}
    reader = ShardReader(dataset.storage, VIEWS, sizes)
    sources = {row["clip_id"]: row["source"] for row in dataset.clips.to_pylist()}
    compared = 0
    with Decoder() as decoder:
        for row in rows(viewed):
            if not row["key"].endswith(("v0", "v1", "v2")):
                continue
            pixels = reader.pixels(
                row["shard"], row["offset"], row["nbytes"], row["xxh3"], row["key"]
            )
            path = videos / sources[row["clip_id"]].removeprefix("file:")
            # Each of its frames taken alone: a span that holds that frame and no other.
            spec = dataclasses.replace(VIEWS, frames=1, rate=1, views=1)
            for place, index in enumerate(row["indices"]):
                alone = decoder.decode(path, spec, (index - 0.5) / 25, (index + 0.5) / 25)
                assert alone.indices.tolist() == [index]
                assert np.array_equal(alone.pixels[0], pixels[place])
                compared += 1
    assert compared == 3 * 3 * VIEWS.frames


@pytest.mark.parametrize("backend", ["pyav", "ffmpeg"])
@pytest.mark.parametrize("sampling", [("stride", 2), ("fps", 10), ("uniform", 1)])
def test_one_view_is_as_before_and_both_decoders_agree(
    make_video: Callable[..., Path], backend: Any, sampling: tuple[str, float]
) -> None:
    spec = ClipSpec(4, sampling[0], sampling[1], 16, 16)
    path = make_video("views.mp4", frames=40)
    with Decoder(backend=backend) as decoder, Decoder() as other:
        [one] = decoder.decode_views(path, spec, None, None, 1)
        assert np.array_equal(one.pixels, other.decode(path, spec).pixels)
        mine = decoder.decode_views(path, spec, 0.2, 1.4, 5)
        theirs = other.decode_views(path, spec, 0.2, 1.4, 5)
    assert len({tuple(view.indices) for view in mine}) > 1
    for one, two in zip(mine, theirs, strict=True):
        assert one.indices.tolist() == two.indices.tolist()
        assert np.array_equal(one.pixels, two.pixels)


def test_tensors_hold_all_views_and_pack_takes_them(
    viewed: Path, tmp_path: Path, annotated: Callable[..., Dataset], run_stages: Stages,
    recorded: Any,
) -> None:  # fmt: skip
    annotated(tmp_path, VIEWS)
    run_stages(tmp_path, "download", "decode")
    assert problems(tmp_path) == []
    recorded.asked.clear()
    run_stages(tmp_path, "pack")
    digests = [{row["key"]: row["xxh3"] for row in rows(root)} for root in (tmp_path, viewed)]
    assert digests[0] == digests[1]
    assert problems(tmp_path) == []
    assert [verb for verb, *_ in recorded.asked if verb.startswith("decode")] == []


def test_a_whole_shard_is_adopted_with_its_views(
    viewed: Path, tmp_path: Path, run_stages: Stages, recorded: Any
) -> None:
    root = Path(shutil.copytree(viewed, tmp_path / "root"))
    for table in ("shards", "samples", "pack"):
        shutil.rmtree(root / "manifests" / table)
    run_stages(root, "pack")
    assert [name for verb, name, _ in recorded.asked if verb.startswith("decode")] == ["h.avi"]
    assert rows(root) == rows(viewed)
    assert problems(root) == []


def test_a_shard_that_lacks_a_view_is_not_adopted(
    viewed: Path, tmp_path: Path, run_stages: Stages
) -> None:
    """Views are all there or none: the shard is written anew."""
    root = Path(shutil.copytree(viewed, tmp_path / "root"))
    for table in ("shards", "samples", "pack"):
        shutil.rmtree(root / "manifests" / table)
    shard = next((root / "shards").glob("test-*.tar"))
    cut = tmp_path / "cut.tar"
    with tarfile.open(shard) as old, tarfile.open(cut, "w") as new:
        for member in old:
            if "@v1." not in member.name:
                new.addfile(member, old.extractfile(member))
    shutil.move(cut, shard)
    run_stages(root, "pack")
    assert hashes(root) == hashes(viewed)


def test_training_reads_the_middle_view_and_scoring_all(viewed: Path) -> None:
    middle = read_samples(opened(viewed), "test", None)
    every = read_samples(opened(viewed), "test", None, every_view=True)
    assert len(middle.clip_ids) == 3 and len(every.clip_ids) == 9
    assert {key.rpartition("@")[2] for key in middle.keys.to_pylist()} == {"v1"}
    assert middle.digest != every.digest
    train = read_samples(opened(viewed), "train", None)
    assert train.keys.to_pylist() == train.clip_ids


def test_counts_are_of_clips(viewed: Path) -> None:
    report = status(opened(viewed), None)
    assert (report["total"]["packed"], report["splits"]["test"]["packed"]) == (10, 3)
    frozen = frozen_rows(opened(viewed), None)
    assert len(frozen) == len(set(frozen["clip_id"].to_pylist())) == 10


def test_a_sheet_shows_the_views(viewed: Path, tmp_path: Path) -> None:
    clip = next(row["clip_id"] for row in rows(viewed) if "@" in row["key"])
    report = picture(opened(viewed), Wish(clip=clip), tmp_path / "one.png")
    assert report["clips"] == [clip]
    report = picture(opened(viewed), Wish(random=99), tmp_path / "all.png")
    assert len(report["clips"]) == 10


def test_views_and_frames_have_a_bound() -> None:
    with pytest.raises(ClipmillError, match="from 1 to 32"):
        ClipSpec(views=33)
    with pytest.raises(ClipmillError, match="at most 4096 frames together"):
        ClipSpec(frames=512, views=9)


@pytest.mark.slow
def test_the_verbs_from_annotate_to_score(
    tmp_path: Path, videos: Path, cli: Callable[..., Any]
) -> None:
    root, run, out = tmp_path / "root", tmp_path / "run", tmp_path / "out"
    csv = videos / "clips.csv"
    options = "--frames 4 --sampling stride:2 --size 16 --views 3 --val 0 --test 0"
    spec, small = options.split(), SMALL.split()
    for command in (
        ["annotate", "folder", "--csv", csv, "--videos", videos, "--root", root, *spec],
        ["pack", "--root", root, "--jobs", 1, "--keep-free", 0],
        ["train", "--root", root, "--run", run, *small],
        ["score", "--root", root, "--checkpoint", run / "last.safetensors", "--split", "test",
         "--out", out, "--clips", 2],
        ["card", "--root", root],
    ):  # fmt: skip
        ended = cli(*command, OMP_NUM_THREADS="1")
        assert ended.returncode == 0, ended.stderr
    report = json.loads((out / "metrics.json").read_text())
    assert (report["clips"], report["views"], report["missing"]) == (3, 6, 0)
    import pyarrow.parquet as pq

    predictions = pq.read_table(out / "predictions.parquet").to_pylist()
    assert len(predictions) == 3 and {row["views"] for row in predictions} == {6}
    assert "3 such views" in (root / "README.md").read_text()
