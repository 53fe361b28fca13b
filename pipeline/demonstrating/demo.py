"""The whole road in a few minutes, with the verbs as one would type them, each in its own process.

Makes videos of actions that differ only in motion, annotates, packs, trains, scores and predicts.
About two minutes of two cores with the defaults. What is finished is kept: after an interruption
the same command goes on where it stopped.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from manifests.console import Ui, clock
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from pipeline.demonstrating import demo_videos

INTERRUPTED = 130
STOPPED = 3
SEED = 0
MADE = "demo.json"
# Eight frames of 32 pixels tell the classes apart, and let two cores train in a minute or two. No
# mirror images: left and right are classes here. No val: nothing is chosen, the last checkpoint is
# scored.
SPEC = "--frames 8 --sampling uniform --size 36"
TRAINING = (
    "--model r2plus1d --width 16 --crop 32 --epochs 32 --batch 16 --optimizer adamw --lr 3e-3 "
    "--schedule cosine --warmup-epochs 1 --jitter 0.4 --no-flip --resume"
)
SHOWN = "OrbitClockwise"


class StepError(ClipmillError):
    """A verb ended badly; the demo ends with its exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.exit_code = code


def run(out: Path, clips: int, ui: Ui) -> None:
    """Go the whole road below `out` with `clips` videos in each class.

    Raises:
        ClipmillError: `out` holds a demo of another size, or a step failed (with its exit code).
        KeyboardInterrupt: somebody stopped it; the verb at work has kept what it had.
    """
    started = time.monotonic()
    _claim(out, clips)
    videos = out / "videos"
    ui.note(f"{len(demo_videos.CLASSES)} classes of {clips} videos, in UCF101's layout: {videos}")
    made = demo_videos.make(videos, clips, SEED, ui)
    ui.note(f"{made} videos made, {clips * len(demo_videos.CLASSES) - made} were there")
    for step in steps(out):
        _type(step, out, ui)
    _conclude(out, time.monotonic() - started, ui)


def steps(out: Path) -> list[list[str]]:
    """Return the arguments of each verb, in the order in which they run."""
    videos, root, train = out / "videos", str(out / "dataset"), str(out / "run")
    lists, files = str(videos / demo_videos.LISTS), videos / demo_videos.VIDEOS
    checkpoint = str(out / "run" / "last.safetensors")
    shown = str(files / demo_videos.Item(SHOWN, 1, 1).file)  # group 1 is test
    score, predict = str(out / "score"), str(out / "predict")
    spec, training = SPEC.split(), TRAINING.split()
    return [
        [
            "annotate",
            "ucf101",
            "--lists",
            lists,
            "--videos",
            str(files),
            "--root",
            root,
            "--val",
            "0",
            *spec,
        ],
        ["pack", "--root", root],
        ["status", "--root", root],
        ["train", "--root", root, "--run", train, *training],
        ["score", "--root", root, "--checkpoint", checkpoint, "--split", "test", "--out", score],
        ["predict", shown, "--checkpoint", checkpoint, "--out", predict],
    ]


def _claim(out: Path, clips: int) -> None:
    """Refuse a folder with a demo of another size: its shards and run belong to other clips."""
    storage = LocalStorage(out)
    wanted = {"clips": clips, "seed": SEED}
    if not storage.create(MADE, (json.dumps(wanted) + "\n").encode()):
        found = json.loads(storage.read(MADE))
        if found != wanted:
            raise ClipmillError(
                f"{out} holds a demo made with --clips {found.get('clips')}, not {clips}. Give "
                "that number, or another --out."
            )


def _type(arguments: Sequence[str], out: Path, ui: Ui) -> None:
    """Show a command as one would type it, run it, and pass on how it failed."""
    line = shlex.join(["clipmill", *arguments])
    ui.note(f"\n$ {line}")
    manner = ["-q"] * ui.quiet + ["-v"] * ui.verbose
    # With --json the one object on stdout is the demo's own.
    shown = sys.stderr if ui.json else None
    command = [*_clipmill(), *arguments, *manner]
    code = _wait(subprocess.Popen(command, process_group=0, stdout=shown))
    if code:
        raise StepError(
            f"`{line}` ended with exit code {code}; its last lines say why. When that is mended, "
            f"`clipmill demo --out {shlex.quote(str(out))}` goes on from there.",
            code if code > 0 else STOPPED,
        )


def _clipmill() -> list[str]:
    # The file, not `-m clipmill`: that would look into the user's folder first, which may well
    # have a `train` of its own. The file's own folder is the checkout or site-packages.
    return [sys.executable, str(Path(__file__).resolve().parents[2] / "clipmill.py")]


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for a verb; an interruption is passed on once, and the verb left time to save.

    The verb has a process group of its own, else a Ctrl-C would reach it twice, and the second
    one ends training without a checkpoint.
    """
    interrupted = False
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            interrupted = True
            process.send_signal(signal.SIGINT)
            continue
        if interrupted or code == INTERRUPTED:
            raise KeyboardInterrupt
        return code


def _conclude(out: Path, seconds: float, ui: Ui) -> None:
    """Say how good it is, where the pictures are, and what to type for one's own videos."""
    score, predict = out / "score", out / "predict"
    top1 = json.loads((score / "metrics.json").read_text())["top1"]
    stem = Path(demo_videos.Item(SHOWN, 1, 1).file).stem
    found = {
        "top1": top1,
        "confusion": str(score / "confusion.png"),
        "video": str(predict / f"{stem}.mp4"),
        "checkpoint": str(out / "run" / "last.safetensors"),
        "seconds": round(seconds, 1),
    }
    names = ("confusion matrix", "annotated video", "checkpoint")
    paths = (found["confusion"], found["video"], found["checkpoint"])
    rows = [("top-1 on test", f"{top1:.1%} (guessing: {1 / len(demo_videos.CLASSES):.1%})")]
    rows += [(name, path) for name, path in zip(names, paths, strict=True)]
    ui.finish(found)
    ui.note("")
    ui.table(f"the demo took {clock(seconds)}", ("what", "where"), rows)
    ui.note(
        "Your own videos, one folder a class:\n"
        "  clipmill annotate folder --videos DIR --root data\n"
        "  clipmill pack --root data\n"
        "  clipmill train --root data --run run\n"
        "  clipmill score --root data --checkpoint run/best.safetensors --split test --out score\n"
        "  clipmill predict VIDEO --checkpoint run/best.safetensors --out predict"
    )
