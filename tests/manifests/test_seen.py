"""The fingerprint in a checkpoint: written with the weights, read without them or torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

import model
from manifests.dataset import Dataset
from manifests.errors import ClipmillError
from manifests.seen import Seen, hashes, read, seen_by
from manifests.spec import ClipSpec, Window
from model import checkpoint
from model.checkpoint import Checkpoint

REPO = Path(__file__).resolve().parents[2]


def keep(path: Path, seen: Seen | None, **more: object) -> Path:
    network = model.build("r2plus1d", 2, width=4)
    values = {"labels": ("a", "b"), "mean": (0.4,) * 3, "std": (0.2,) * 3} | more
    spec = ClipSpec(frames=4, rate=1, height=16, width=16)
    weights = network.state_dict()
    kept = Checkpoint(network.spec, spec, Window(4, 16, 16), weights=weights, seen=seen, **values)
    checkpoint.save(path, kept)
    return path


def seen_of(train, val, dataset="d", split_set="split1") -> Seen:
    return Seen(np.unique(hashes(train)), np.unique(hashes(val)), dataset, split_set)


@given(st.lists(st.text(max_size=5), max_size=8), st.lists(st.text(max_size=5), max_size=8))
def test_what_is_written_is_read(tmp_path_factory, train, val):
    path = tmp_path_factory.mktemp("seen") / "a.safetensors"
    wanted = seen_of(train, val, "naïve", "split3")
    keep(path, wanted)
    found = read(path)
    assert found is not None
    for mine, theirs in ((found.train, wanted.train), (found.val, wanted.val)):
        assert mine.dtype == np.int64
        assert mine.tolist() == sorted(set(theirs.tolist()))
    assert (len(found.train), len(found.val)) == (len(set(train)), len(set(val)))
    assert (found.dataset, found.split_set) == ("naïve", "split3")


def test_a_video_is_eight_bytes_wherever_it_stands(tmp_path):
    videos = [f"video {number}" for number in range(1000)]
    small = keep(tmp_path / "a", seen_of([], [])).stat().st_size
    large = keep(tmp_path / "b", seen_of(videos, videos[:10])).stat().st_size
    assert abs(large - small - 8 * 1010) < 400  # offsets have more digits
    assert hashes(["a", "b"]).tolist() == hashes(iter("ab")).tolist()
    assert hashes(["0wR5jVB-WPk"]).tolist() == [-959176743145564654]  # the same for ever


def test_loading_the_weights_reads_nothing_of_it(tmp_path):
    path = keep(tmp_path / "a.safetensors", seen_of(["one", "two"], []))
    data = bytearray(path.read_bytes())
    where = data.index(seen_of(["one", "two"], []).train.tobytes())
    data[where] ^= 1
    path.write_bytes(data)
    for with_state in (True, False):
        loaded = checkpoint.load(path, with_state=with_state)
        assert loaded.seen is None
        assert "seen/train" not in loaded.weights
    with pytest.raises(ClipmillError, match=r"a.safetensors is damaged: the digest of what it has"):
        read(path)


def test_an_older_checkpoint_has_none_and_loads(tmp_path):
    path = keep(tmp_path / "a.safetensors", None)
    assert read(path) is None
    assert len(checkpoint.load(path).weights) > 0


def test_other_files_are_told_apart(tmp_path):
    with pytest.raises(ClipmillError, match="no checkpoint at"):
        read(tmp_path / "gone")
    with pytest.raises(ClipmillError, match="no checkpoint at"):
        read(tmp_path)
    (tmp_path / "text").write_text("hello, this is no checkpoint at all")
    with pytest.raises(ClipmillError, match="is not a whole checkpoint"):
        read(tmp_path / "text")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(ClipmillError, match="but no clipmill checkpoint"):
        read(tmp_path / "foreign")
    whole = keep(tmp_path / "whole", seen_of(["one"], [])).read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-100])
    with pytest.raises(ClipmillError, match="is not a whole checkpoint"):
        read(tmp_path / "cut")


def test_weights_cannot_take_its_name(tmp_path):
    network = model.build("r2plus1d", 2, width=4)
    spec = ClipSpec(frames=4, rate=1, height=16, width=16)
    wrong = Checkpoint(
        network.spec, spec, Window(4, 16, 16), (0.4,) * 3, (0.2,) * 3, ("a", "b"),
        {"seen/train": torch.zeros(1)},
    )  # fmt: skip
    with pytest.raises(ClipmillError, match="`seen/` is reserved"):
        checkpoint.save(tmp_path / "a", wrong)


def test_clips_are_counted_by_their_videos(annotated, tmp_path):
    dataset: Dataset = annotated(tmp_path / "root")
    ids = dataset.clips["clip_id"].to_pylist()
    seen = seen_by(dataset, "default", ids)
    videos = set(dataset.clips["video_id"].to_pylist())
    assert len(seen.train) == len(videos) < len(ids)  # e.mp4 and h.avi have two clips each
    assert seen.train.tolist() == sorted(hashes(videos).tolist())
    assert (len(seen.val), seen.dataset, seen.split_set) == (0, dataset.name, "default")


def test_reading_needs_no_torch(tmp_path):
    path = keep(tmp_path / "a.safetensors", seen_of(["one"], []))
    program = (
        "import sys; from manifests.seen import read; "
        "print(len(read(sys.argv[1]).train), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, cwd=REPO
    )
    assert done.stdout.split() == ["1", "False"], done.stderr
