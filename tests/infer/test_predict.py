"""One video's prediction and picture: any name, any damage, and no source is ever replaced."""

import json
import os
import subprocess
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
import torch

from infer.predict import _stems, predict
from manifests.console import Ui
from manifests.errors import ClipmillError
from model import checkpoint
from model.checkpoint import Checkpoint

ODD = ["a;b & c#d[0]!%d.mp4", "-dash.mp4", "12:30 it's.mp4", "日本 'x' \".mp4", "x" * 251 + ".mp4"]


@pytest.fixture(scope="module")
def weights(trained) -> Checkpoint:
    return checkpoint.load(trained / "best.safetensors", with_state=False)


@pytest.fixture
def look(weights):
    def run(videos: list[Path], out: Path | None = None, top: int = 5, ui: Ui | None = None):
        ui = ui or Ui(quiet=True)
        return predict(videos, weights, out, top, torch.device("cpu"), ui)

    return run


def frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_top_classes_and_the_frames_looked_at(look, make_video, weights):
    video = make_video("a.mp4")
    (result,) = look([video], top=2)
    assert result["video"] == str(video)
    assert len(result["predictions"]) == 2
    (result,) = look([video], top=99)
    best = result["predictions"]
    assert sorted(entry["label"] for entry in best) == ["blue", "green", "red"]
    assert all(weights.labels[entry["label_id"]] == entry["label"] for entry in best)
    shares = [entry["probability"] for entry in best]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)
    assert len(result["frames"]) == weights.window.frames
    assert result["duration_s"] == pytest.approx(0.8)
    assert "annotated" not in result


def test_the_drawing_has_every_frame_and_a_dark_banner(look, make_video, tmp_path):
    video = make_video("a.mp4")
    (result,) = look([video], tmp_path / "new" / "out")
    drawn = frames(Path(result["annotated"]))
    assert len(drawn) == len(frames(video)) == 20
    assert drawn[0].shape == (320, 480, 3), "48x32 is enlarged so that words can be read"
    plain = np.stack(frames(video)).mean()
    assert np.stack(drawn)[:, 100:].mean() == pytest.approx(plain, abs=25)
    assert np.stack(drawn)[:, :6].mean() < 0.6 * np.stack(frames(video))[:, :1].mean()
    saved = json.loads((tmp_path / "new" / "out" / f"{video.stem}.json").read_text())
    assert saved == result
    assert sorted(os.listdir(tmp_path / "new" / "out")) == [
        f"{video.stem}.json",
        f"{video.stem}.mp4",
    ]


def test_odd_names_and_two_of_one_name(look, make_video, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "more").mkdir(parents=True)
    videos = [folder / name for name in [*ODD, "more/-dash.mp4", "-dash-2.mp4"]]
    for video in videos:
        os.link(make_video("a.mp4"), video)
    results = look(videos, out)
    assert not [result for result in results if "error" in result]
    assert len({result["annotated"] for result in results}) == len(videos)
    assert all(len(frames(Path(result["annotated"]))) == 20 for result in results)
    assert len(os.listdir(out)) == 2 * len(videos)


def test_a_relative_folder_and_a_colon(look, make_video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    os.link(make_video("a.mp4"), tmp_path / "in" / "a:b.mp4")
    (result,) = look([Path("in/a:b.mp4")], Path())
    assert sorted(os.listdir(tmp_path)) == ["a:b.json", "a:b.mp4", "in"]
    assert "error" not in result


def test_names_that_are_no_text(look, make_video, tmp_path):
    video = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    os.link(make_video("a.mp4"), video)
    (result,) = look([video], tmp_path / "out")
    (name,) = [name for name in os.listdir(tmp_path / "out") if name.endswith(".json")]
    saved = json.loads((tmp_path / "out" / name).read_text())
    assert saved["video"] == result["video"] == str(video)


def test_broken_videos_have_their_reason_and_the_others_are_done(look, make_video, tmp_path):
    sound, empty = tmp_path / "sound.mp4", tmp_path / "empty.mp4"
    empty.touch()
    tone = ["-f", "lavfi", "-i", "sine=d=0.3", str(sound)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *tone], check=True)
    videos = [tmp_path / "gone.mp4", empty, sound, tmp_path, make_video("a.mp4")]
    results = look(videos, tmp_path / "out")
    reasons = ["missing", "empty", "no_video", "forbidden", None]
    assert [result.get("error") for result in results] == reasons
    assert all(result["message"] for result in results[:-1])
    assert "predictions" in results[-1]
    names = os.listdir(tmp_path / "out")
    assert len([name for name in names if name.endswith(".json")]) == 5
    assert [name for name in names if name.endswith(".mp4")] == [f"{videos[-1].stem}.mp4"]


def test_a_drawing_that_fails_keeps_the_prediction(look, make_video, tmp_path, monkeypatch):
    from infer import predict as predicting
    from manifests.reasons import Reason
    from pipeline.video.errors import VideoError

    def fail(*args):
        raise VideoError(Reason.TIMEOUT, "too slow")

    monkeypatch.setattr(predicting, "overlay", fail)
    (result,) = look([make_video("a.mp4")], tmp_path)
    assert result["error"] == "timeout"
    assert len(result["predictions"]) == 3


def test_a_source_is_never_replaced(look, make_video, tmp_path):
    video = tmp_path / "mine.mp4"
    video.write_bytes(make_video("a.mp4").read_bytes())
    before = video.read_bytes()
    with pytest.raises(ClipmillError, match=r"holds mine\.mp4, one of the videos"):
        look([video], tmp_path)
    assert video.read_bytes() == before
    assert os.listdir(tmp_path) == ["mine.mp4"]


def test_output_names():
    videos = [Path("a.mp4"), Path("x/a.avi"), Path("a-2.mp4"), Path("é" * 120 + ".mp4")]
    stems = _stems(videos)
    assert stems == ["a", "a-2", "a-2-2", "é" * 100]
