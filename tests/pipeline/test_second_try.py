"""A video that kills its decoder child costs that clip alone, after two tries."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manifests import annotations
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.reasons import Reason
from manifests.spec import ClipSpec
from pipeline import worker
from pipeline.annotate.folder import read_folder
from pipeline.second_try import in_either
from pipeline.verifying.mending import fix
from pipeline.verifying.verify import Wish
from pipeline.video.decoder import Decoder, Limits
from pipeline.video.errors import VideoError

# Over the whole of a video, so that the one that is met takes a while.
SPEC = ClipSpec(frames=4, sampling="uniform", rate=1, height=16, width=16)


@pytest.fixture
def poisoned(tmp_path: Path, make_video: Callable[..., Path]) -> Callable[[], Dataset]:
    """A root that was looked at: four small videos, and one that takes long enough to be met."""
    videos = tmp_path / "videos"
    for number in range(4):
        path = videos / "run" / f"{number}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_video("small.avi", hue=number * 30).read_bytes())
    (videos / "run" / "poison.mp4").write_bytes(
        make_video("poison.mp4", size="1280x720", frames=250).read_bytes()
    )

    def make() -> Dataset:
        found = read_folder(videos, csv=None, val=0, test=0, seed=0, name="poison")
        return annotations.annotate(str(tmp_path / "root"), found, SPEC, 0, str(videos))

    return make


def rows(root: Path, table: str = "pack") -> dict[str, dict[str, Any]]:
    found = Dataset.open(str(root)).parts(table).to_pylist()
    assert len({row["clip_id"] for row in found}) == len(found), "one row a clip"
    return {row["clip_id"]: row for row in found}


@pytest.mark.parametrize("stage", ["pack", "decode"])
def test_both_decoders_are_killed_and_the_clip_is_a_row(
    tmp_path: Path, poisoned: Callable[[], Dataset], run_stages: Any, assassin: Any, stage: str
) -> None:
    poisoned()
    run_stages(tmp_path / "root", "download")
    with assassin(tmp_path / "videos" / "run" / "poison.mp4") as at_work:
        run_stages(tmp_path / "root", stage, jobs=2)
    found = rows(tmp_path / "root", stage)
    assert sorted(row["status"] for row in found.values()) == ["done"] * 4 + ["failed"]
    [failed] = [row for row in found.values() if row["status"] == "failed"]
    assert failed["reason"] == "crash"
    story = "the decoder process was ended by SIGKILL"
    assert failed["message"] == f"pyav: {story}; then ffmpeg: crash: {story}"
    assert len(at_work.killed) == 2, "tried exactly twice"


@pytest.mark.parametrize(("first", "second"), [("pyav", "ffmpeg"), ("ffmpeg", "pyav")])
def test_the_other_decoder_makes_it_and_is_named(
    tmp_path: Path, poisoned: Any, run_stages: Any, assassin: Any, first: str, second: str
) -> None:
    poisoned()
    run_stages(tmp_path / "root", "download")
    with assassin(tmp_path / "videos" / "run" / "poison.mp4", mercy=1) as at_work:
        run_stages(tmp_path / "root", "pack", decoder=first)
    assert len(at_work.killed) == 1
    found = rows(tmp_path / "root")
    assert {row["status"] for row in found.values()} == {"done"}
    named = {clip: json.loads(row["versions"]).get("decoder") for clip, row in found.items()}
    assert sorted(map(str, named.values())) == ["None"] * 4 + [second]


def test_a_shard_row_made_again_is_not_said_to_be_the_other_decoders(
    tmp_path: Path, poisoned: Any, run_stages: Any, assassin: Any
) -> None:
    poisoned()
    root = tmp_path / "root"
    run_stages(root, "download")
    with assassin(tmp_path / "videos" / "run" / "poison.mp4", mercy=1):
        run_stages(root, "pack", shard_mb=0.001)  # a shard each: one holds the rescued clip alone
    wanted = shard_rows(root)
    shutil.rmtree(root / "manifests" / "shards")
    fix(str(root), Wish(), Ui(quiet=True), dry_run=False)
    made = shard_rows(root)
    assert made.keys() == wanted.keys() and len(made) == 5
    assert all("decoder" not in versions for versions in made.values())


def shard_rows(root: Path) -> dict[str, dict[str, str]]:
    found = Dataset.open(str(root)).parts("shards").to_pylist()
    return {row["shard"]: json.loads(row["versions"]) for row in found}


def test_no_child_of_the_other_decoder_stays(make_video: Any, assassin: Any) -> None:
    path = make_video("poison.mp4", size="1280x720", frames=250)
    with Decoder() as one, Decoder(backend="ffmpeg") as other, assassin(path, mercy=1):
        found, by = in_either(
            lambda backend: {"pyav": one, "ffmpeg": other}[backend],
            "pyav",
            lambda decoder: decoder.decode(path, SPEC),
        )
        assert found.backend == by["decoder"] == "ffmpeg"
        assert other._child is None


@pytest.mark.parametrize("reason", [one for one in Reason if one is not Reason.CRASH])
def test_what_is_no_crash_is_tried_once(reason: Reason) -> None:
    asked = []

    def ask(decoder: Decoder) -> None:
        asked.append(decoder.backend)
        raise VideoError(reason, "so it is")

    with pytest.raises(VideoError) as error:
        in_either(lambda backend: Decoder(backend=backend), "pyav", ask)
    assert error.value.reason is reason and asked == ["pyav"]


def test_each_thread_has_a_child_of_its_own() -> None:
    from concurrent.futures import ThreadPoolExecutor

    here = worker.decoder("pyav", Limits())
    with ThreadPoolExecutor(1) as thread:
        there = thread.submit(worker.decoder, "pyav", Limits()).result()
        assert thread.submit(worker.decoder, "pyav", Limits()).result() is there
    assert here is not there and worker.decoder("pyav", Limits()) is here


def test_children_end_with_their_worker() -> None:
    program = """
from pipeline.video.decoder import Limits
from pipeline.worker import decoder
decoder("pyav", Limits()).versions()
print(decoder("pyav", Limits())._child.pid, flush=True)
"""
    repo = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=repo, capture_output=True, text=True)
    assert not Path(f"/proc/{int(done.stdout)}").exists()
