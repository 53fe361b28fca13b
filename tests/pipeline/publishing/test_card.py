"""The card of a root; Hugging Face `datasets` reads the shards by it, clip for clip."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec
from pipeline.publishing.card import write_card
from pipeline.publishing.drop import drop
from pipeline.publishing.freeze import digest, frozen_rows
from shards.read import ShardReader

HUGGING = """
import json, sys
import datasets
import numpy as np

root, out = sys.argv[1:]
for streaming in (True, False):
    found = datasets.load_dataset(root, streaming=streaming)
    about, arrays = {"splits": {}, "clips": {}}, {}
    for split, clips in found.items():
        label = clips.features["cls"]
        about["splits"][split] = label.names
        for clip in clips.with_format("numpy"):
            key = str(clip["__key__"])
            arrays[key] = np.asarray(clip.get("npy", clip.get("jpg")))
            number, start = int(clip["cls"]), clip["json"]["start_s"]
            about["clips"][key] = [
                split, number, None if number < 0 else label.int2str(number),
                str(clip["json"]["label"]), str(clip["json"]["clip_id"]),
                None if start is None else float(start),
            ]
    np.savez(f"{out}/{streaming}.npz", about=json.dumps(about), **arrays)
"""


def opened(root: Path) -> Dataset:
    return Dataset.open(str(root))


def isolated(tmp_path: Path, script: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run Python without network, with caches of its own."""
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hugging"),
        "PATH": "",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, args)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )


def stored(dataset: Dataset) -> dict[str, np.ndarray]:
    """Return clip_id → pixels as clipmill reads them."""
    shards = dataset.parts("shards")
    sizes = dict(zip(shards["shard"].to_pylist(), shards["bytes"].to_pylist(), strict=True))
    reader = ShardReader(dataset.storage, dataset.spec, sizes)
    names = ("shard", "offset", "nbytes", "xxh3", "key")
    return {
        row["clip_id"]: reader.pixels(*(row[name] for name in names))
        for row in dataset.parts("samples").to_pylist()
    }


Read = tuple[dict[str, Any], dict[str, np.ndarray]]


def as_hugging_face_reads(root: Path, tmp_path: Path) -> list[Read]:
    """Return what `datasets` says of splits and clips, and pixels: streamed, and from its cache."""
    pytest.importorskip("datasets")
    done = isolated(tmp_path, HUGGING, root, tmp_path)
    assert done.returncode == 0, done.stderr
    reads = []
    for streaming in (True, False):
        with np.load(tmp_path / f"{streaming}.npz") as found:
            arrays = {key: found[key] for key in found.files if key != "about"}
            reads.append((json.loads(str(found["about"])), arrays))
    return reads


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_datasets_reads_pixels_labels_and_spans(
    tmp_path: Path,
    annotated: Callable[..., Dataset],
    run_stages: Callable[..., Any],
    spec: ClipSpec,
    codec: str,
) -> None:
    root = tmp_path / "root"
    dataset = annotated(root, dataclasses.replace(spec, codec=codec))
    run_stages(root, "download", "pack")
    write_card(opened(root), None)
    pixels = stored(opened(root))
    wanted = {row["clip_id"]: row for row in frozen_rows(opened(root), None).to_pylist()}
    for about, arrays in as_hugging_face_reads(root, tmp_path):
        assert about["splits"] == dict.fromkeys(("train", "validation", "test"), dataset.labels)
        assert arrays.keys() == pixels.keys() and len(pixels) == 10
        for key, (split, number, name, label, clip_id, start) in about["clips"].items():
            row = wanted[key]
            assert split == {"val": "validation"}.get(row["split"], row["split"])
            assert (number, name) == (row["label_id"], row["label"])
            assert (label, clip_id, start) == (row["label"], key, row["start_s"])
            found = arrays[key].reshape(spec.shape).astype(int)
            # Pillow's decoder of a strip and simplejpeg's may round differently.
            assert np.abs(found - pixels[key]).max() <= (0 if codec == "raw" else 2)


@pytest.mark.slow
def test_datasets_reads_unlabelled_clips(tmp_path: Path, make_root: Callable[..., Path]) -> None:
    root = make_root(tmp_path / "root", ("test",))
    write_card(opened(root), None)
    for about, _ in as_hugging_face_reads(root, tmp_path):
        assert about["splits"] == {"test": ["red", "green", "blue"]}
        assert about["clips"]["test-unknown"][1] == -1


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_the_code_on_the_card_runs(
    tmp_path: Path, make_root: Callable[..., Path], codec: str
) -> None:
    pytest.importorskip("datasets")
    spec = ClipSpec(frames=4, rate=1, height=20, width=20, codec=codec)
    root = make_root(tmp_path / "root", ("train",), spec)
    write_card(opened(root), None)
    blocks = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    script = "\n".join(blocks).replace("PATH/OF/THIS/FOLDER", str(root))
    script = script.replace("shards/train", f"{root}/shards/train")
    script += f"""
import numpy as np
assert pixels.shape == {spec.shape} and pixels.dtype == np.uint8, (pixels.shape, pixels.dtype)
assert np.asarray(clip["npy" if {codec == "raw"} else "jpg"]).size == pixels.size
assert clip["json"]["clip_id"] == clip["__key__"] and isinstance(clip["cls"], int)
"""
    done = isolated(tmp_path, script)
    assert done.returncode == 0, done.stderr


def test_it_says_what_is_there(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "card.md"
    report = write_card(opened(built), out)
    text = out.read_text()
    assert "| default | train | 6 | 8 |" in text.replace("\\", "")
    assert "| train | train | " in text and "| val | validation | 1 | 1 |" in text
    name = digest(frozen_rows(opened(built), None), opened(built).spec)
    assert report["sha256"] == name and f"sha256:{name}" in text
    assert "The licence is not stated" in text
    assert str(built) not in text, "no path of this machine"
    write_card(opened(built), out, licence="cc-by-4.0")
    text = out.read_text()
    assert 'license: "cc-by-4.0"' in text and "not stated" not in text
    assert not (built / "README.md").exists()


def test_dropped_clips_are_not_counted_and_their_bytes_are_told(
    built: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(built, tmp_path / "root"))
    drop(opened(root), [frozen_rows(opened(root), None)["clip_id"][0].as_py()])
    report = write_card(opened(root), None)
    assert report["clips"] == 9 and len(report["dropped_in_shards"]) == 1
    assert "1 samples were dropped" in (root / "README.md").read_text()


def test_what_somebody_wrote_is_not_written_over(built: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(built, tmp_path / "root"))
    write_card(opened(root), None)
    first = (root / "README.md").read_bytes()
    drop(opened(root), [frozen_rows(opened(root), None)["clip_id"][0].as_py()])
    write_card(opened(root), None)
    assert (root / "README.md").read_bytes() != first, "a card as written is brought up to date"
    for text in (first.decode().replace("not stated", "mine"), "my own", ""):
        (root / "README.md").write_text(text)
        with pytest.raises(ClipmillError, match="--force"):
            write_card(opened(root), None)
        assert (root / "README.md").read_text() == text
    write_card(opened(root), None, force=True)


def test_a_root_without_shards_has_no_card(
    tmp_path: Path, annotated: Callable[..., Dataset]
) -> None:
    with pytest.raises(ClipmillError, match="holds no shard"):
        write_card(annotated(tmp_path), None)


def test_the_command_line(
    built: Path, tmp_path: Path, cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    out = tmp_path / "card.md"
    done = cli("card", "--root", built, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["clips"] == 10
    assert "--license" in done.stderr
    out.write_text("mine")
    assert cli("card", "--root", built, "--out", out).returncode == 2
    assert cli("card", "--root", built, "--out", out, "--force").returncode == 0
