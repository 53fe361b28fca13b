"""The made-up actions of synthetic.py as real video files, in UCF101's layout, lists included.

    DIR/UCF-101/<Class>/v_<Class>_g01_c01.avi
    DIR/ucfTrainTestlist/classInd.txt trainlist01.txt testlist01.txt

MPEG-4 in AVI as UCF101 has it, but key frames only at a fixed quality: a picture then carries no
trace of its neighbours, so not even the codec tells which way time runs. About 50 kB and 40 ms of
one core a file. A file appears whole or not at all, and what is there already is not made again.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from manifests.console import Ui
from manifests.errors import StoppedError
from manifests.local import LocalStorage
from pipeline.crew import cores
from pipeline.demonstrating.drawing import SIDE
from pipeline.demonstrating.synthetic import CLASSES, Frames, render

RATE = 12  # frames a second: two seconds a clip
GROUP = 4  # clips
TEST_PART = 7 / 25  # UCF101 tests on groups 1 to 7 of 25
QUALITY = 3  # mpeg4's quantiser: 1 is best, 31 is worst
VIDEOS, LISTS = "UCF-101", "ucfTrainTestlist"


class Item(NamedTuple):
    """One video file to be: its class, its group and its number in the group, both from 1."""

    label: str
    group: int
    number: int

    @property
    def file(self) -> str:
        """Its path below UCF-101, as the lists write it."""
        return f"{self.label}/v_{self.label}_g{self.group:02d}_c{self.number:02d}.avi"


def items(clips: int) -> Iterator[Item]:
    """Every file of a set with `clips` clips in each class."""
    for label in CLASSES:
        for index in range(clips):
            yield Item(label, index // GROUP + 1, index % GROUP + 1)


def held_groups(clips: int) -> int:
    """Return how many groups, from the first, are test: UCF101's part, whole groups."""
    groups = -(-clips // GROUP)
    return min(max(1, round(groups * TEST_PART)), groups - 1)


def lists(clips: int) -> dict[str, str]:
    """Return name → text of the three lists."""
    number = {label: index for index, label in enumerate(CLASSES, 1)}
    tested = held_groups(clips)
    train = [item for item in items(clips) if item.group > tested]
    test = [item for item in items(clips) if item.group <= tested]
    return {
        "classInd.txt": "".join(f"{index} {label}\n" for label, index in number.items()),
        "trainlist01.txt": "".join(f"{item.file} {number[item.label]}\n" for item in train),
        "testlist01.txt": "".join(f"{item.file}\n" for item in test),
    }


def make(folder: Path, clips: int, seed: int, ui: Ui) -> int:
    """Make the files and lists that are not there yet; return how many videos were made."""
    from joblib import Parallel, delayed

    videos = folder / VIDEOS
    missing = [item for item in items(clips) if not (videos / item.file).exists()]
    workers = Parallel(n_jobs=cores(), return_as="generator_unordered")
    with ui.progress(len(missing), "making videos") as progress:
        for count in workers(delayed(_make)(videos, pair, seed) for pair in _pairs(missing)):
            progress.advance(cast(int, count))
    storage = LocalStorage(folder / LISTS)
    for name, text in lists(clips).items():
        storage.write(name, text.encode())
    return len(missing)


def _pairs(missing: list[Item]) -> list[list[Item]]:
    """Put forward and backward clip together: their frames are the same, drawn once."""
    pairs: dict[tuple[str, int, int], list[Item]] = {}
    for item in missing:
        motion, _ = CLASSES[item.label]
        pairs.setdefault((motion, item.group, item.number), []).append(item)
    return list(pairs.values())


def _make(videos: Path, pair: list[Item], seed: int) -> int:
    first = pair[0]
    frames = render(first.label, first.group, first.number, seed)
    for item in pair:
        same = CLASSES[item.label] == CLASSES[first.label]
        data = encode(frames if same else np.ascontiguousarray(frames[::-1]))
        LocalStorage(videos).write(item.file, data)
    return len(pair)


def encode(frames: Frames) -> bytes:
    """Return an AVI file of the frames.

    Raises:
        StoppedError: ffmpeg failed, with its last line.
    """
    # Not through a pipe: ffmpeg goes back to write the number of frames into the header.
    with tempfile.TemporaryDirectory(prefix="clipmill-") as folder:
        path = Path(folder) / "clip.avi"
        done = subprocess.run(
            _command(path), input=frames.tobytes(), capture_output=True, check=False
        )
        if done.returncode == 0:
            return path.read_bytes()
    words = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
    raise StoppedError(
        f"ffmpeg could not write a video (exit code {done.returncode}): {words[-1]}. "
        "Make room on the disk, or install imageio-ffmpeg again."
    )


def _command(path: Path) -> list[str]:
    import ffmpeg
    import imageio_ffmpeg

    size = f"{SIDE}x{SIDE}"
    pipe = ffmpeg.input("pipe:0", format="rawvideo", pix_fmt="rgb24", s=size, framerate=RATE)
    options = {"c:v": "mpeg4", "vtag": "XVID", "q:v": QUALITY, "g": 1, "threads": 1}
    exact = {"flags": "+bitexact", "fflags": "+bitexact", "format": "avi"}
    output = pipe.output(str(path), **options, **exact)
    output = output.global_args("-hide_banner", "-nostdin", "-loglevel", "error")
    return [str(word) for word in ffmpeg.compile(output, cmd=imageio_ffmpeg.get_ffmpeg_exe())]
