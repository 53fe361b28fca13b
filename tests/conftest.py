"""What the rooms' tests share: small real videos, roots made of them, and the fault harness."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from manifests import annotations
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.rows import Annotation, Clip, Label, SplitRow
from manifests.spec import ClipSpec
from pipeline import running
from pipeline.annotate.folder import read_folder
from pipeline.video.decoder import Decoder, Limits
from shards.format import Sample
from shards.write import Written, write_shard

HERE = Path(__file__).resolve().parent
REPO = HERE.parent
SPEC = ClipSpec(frames=4, rate=2, height=16, width=16)
TINY_SHARDS_MB = 0.019  # three clips of SPEC

# Twelve clips: ten that come out well, one without a frame in its span, one without a file.
LISTED = """path,label,split,start,end
a.avi,run,train,,
b.avi,run,train,,
c.avi,jump,train,,
d.mp4,jump,train,,
e.mp4,run,train,0.1,0.6
e.mp4,run,train,0.3,0.7
f.avi,jump,val,,
g.avi,run,test,,
h.avi,jump,test,,
i.avi,run,test,,
h.avi,jump,train,100,101
gone.avi,run,train,,
"""


# Started in the background, pytest is told to ignore Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Forked trials inherit what is imported: keep them in one process, near each other."""
    for item in items:
        if "faults" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("faults"))


@pytest.fixture(scope="session", autouse=True)
def own_scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep copies and records of what tests read out of the scratch folder of who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLIPMILL_SCRATCH", str(tmp_path_factory.mktemp("scratch")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos and lists; skips where it is away, fails where CI lost it."""
    folder = Path(os.environ.get("CLIPMILL_SHARED", REPO.parent / "shared"))
    if not (folder / "data").is_dir():
        text = "needs the real videos in CLIPMILL_SHARED or ../shared"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return folder


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A maker of real videos, each made once a session: name, size, frames, hue of the picture."""
    folder = tmp_path_factory.mktemp("made")

    def make(name: str, size: str = "48x32", frames: int = 20, hue: int = 0) -> Path:
        path = folder / f"{size}-{frames}-{hue}-{name}"
        if not path.exists():
            source = f"testsrc2=s={size}:r=25:d={frames / 25},hue=h={hue}"
            codec = "libx264" if name.endswith(".mp4") else "mpeg4"
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
            command += ["-f", "lavfi", "-i", source, "-c:v", codec, "-pix_fmt", "yuv420p"]
            subprocess.run([*command, "-threads", "1", str(path)], check=True)
        return path

    return make


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory, make_video: Callable[..., Path]) -> Path:
    """A folder of nine small videos and `clips.csv`, which lists twelve clips of them."""
    folder = tmp_path_factory.mktemp("videos")
    names = sorted({line.split(",")[0] for line in LISTED.splitlines()[1:]} - {"gone.avi"})
    for number, name in enumerate(names):
        os.link(make_video(name, hue=40 * number), folder / name)
    (folder / "clips.csv").write_text(LISTED)
    return folder


@pytest.fixture(scope="session")
def spec() -> ClipSpec:
    """A spec so small that twelve clips are a few kilobytes."""
    return SPEC


@pytest.fixture(scope="session")
def annotated(videos: Path) -> Callable[..., Dataset]:
    """A maker of roots on which `annotate folder --csv` ran and nothing else."""

    def make(root: Path, spec: ClipSpec = SPEC, seed: int = 3) -> Dataset:
        found = read_folder(
            videos, csv=videos / "clips.csv", val=0, test=0, seed=seed, name="twelve"
        )
        return annotations.annotate(str(root), found, spec, seed, str(videos))

    return make


@pytest.fixture(scope="session")
def run_stages() -> Callable[..., dict[str, Any]]:
    """Run stages on a root in this process, with one worker and tiny shards unless told."""

    def run(root: Path, *names: str, **options: Any) -> dict[str, Any]:
        ui = Ui(quiet=True)
        chosen = {"jobs": 1, "shard_mb": TINY_SHARDS_MB} | options
        running.run(str(root), names, running.Options(**chosen), ui)
        return ui.result

    return run


@pytest.fixture(scope="session")
def built(
    tmp_path_factory: pytest.TempPathFactory,
    annotated: Callable[..., Dataset],
    run_stages: Callable[..., dict[str, Any]],
) -> Path:
    """A root that was annotated, downloaded and packed; read it, never change it."""
    root = tmp_path_factory.mktemp("built") / "root"
    annotated(root)
    run_stages(root, "download", "pack")
    return root


@pytest.fixture
def site() -> Iterator[Any]:
    """A web server on loopback whose files and faults the test sets (tests/web.py)."""
    from tests.web import serving

    with serving() as one:
        yield one


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """A maker of a disk of a size (`1m`, `1500k`), a file system of its own."""
    place = tmp_path / "disk"

    def make(size: str) -> Path:
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("mounting a small disk needs root")
        return place

    yield make
    if place.is_mount():
        subprocess.run(["umount", "-l", str(place)], check=True)


class RecordedDecoder:
    """Answers as the real decoder did once, at no cost, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float | None]] = []  # verb, file, start
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._real: Decoder | None = None

    def _answer(self, verb: str, *args: Any) -> Any:
        key = (verb, *map(str, args))
        if args:
            start = args[2] if verb == "decode" else None
            self.asked.append((verb, Path(str(args[0])).name, start))
        if key not in self._answers:
            self._real = self._real or Decoder()
            try:
                self._answers[key] = getattr(self._real, verb)(*args)
            except Exception as error:
                self._answers[key] = error
        answer = self._answers[key]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def versions(self) -> dict[str, str]:
        return self._answer("versions")

    def probe(self, path: Any) -> Any:
        return self._answer("probe", path)

    def decode(self, path: Any, spec: Any, start_s: Any = None, end_s: Any = None) -> Any:
        return self._answer("decode", path, spec, start_s, end_s)

    def decode_views(self, path: Any, spec: Any, start_s: Any, end_s: Any, views: int) -> list[Any]:
        if views == 1:
            return [self.decode(path, spec, start_s, end_s)]
        return self._answer("decode_views", path, spec, start_s, end_s, views)

    def close(self) -> None:
        if self._real is not None:
            self._real.close()
            self._real = None


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> RecordedDecoder:
    """This process's decoder for the length of a test, counted; the real one is asked once."""
    from pipeline import worker

    decoder = RecordedDecoder()
    monkeypatch.setattr(worker._kept, "decoders", {("pyav", Limits()): decoder})
    return decoder


@pytest.fixture(scope="session")
def faults() -> ModuleType:
    """tests/manifests/faults.py: fail, kill at and log every operation of storage."""
    name, path = "clipmill_faults", HERE / "manifests" / "faults.py"
    found = importlib.util.spec_from_file_location(name, path)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def cli() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as a user does, in a process of its own."""

    def run(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(REPO / "clipmill.py"), *map(str, args)],
            capture_output=True,
            text=True,
            env=os.environ | environment,
            timeout=120,
        )

    return run


@pytest.fixture
def sample() -> Callable[..., Sample]:
    """A maker of samples with pixels of their own: clip_id, spec, label."""

    def make(clip_id: str, spec: ClipSpec = SPEC, label_id: int | None = 0) -> Sample:
        generator = np.random.default_rng(list(clip_id.encode()))
        pixels = generator.integers(0, 256, spec.shape, np.uint8)
        label = None if label_id is None else f"class {label_id}"
        indices = tuple(range(0, 2 * spec.frames, 2))
        return Sample(
            clip_id, label_id, label, f"v-{clip_id}", None, 1.5, pixels, indices, 2, False, 25.0
        )

    return make


@pytest.fixture
def shard(sample: Callable[..., Sample]) -> Callable[..., Written]:
    """A writer of shards of made samples: storage, name, clip ids."""

    def write(
        storage: Any, name: str, clips: list[str], spec: ClipSpec = SPEC, **more: Any
    ) -> Written:
        samples = (sample(clip, spec, **more) for clip in clips)
        written = write_shard(storage, name, "train", 0, samples, spec, {"av": "1"})
        assert written is not None
        return written

    return write


# A root that a network of width 4 learns in a few steps, made without a video.
LEARNABLE = ClipSpec(frames=4, rate=1, height=20, width=20)
COLOURS = {"red": (240, 10, 10), "green": (10, 240, 10), "blue": (10, 10, 240)}
CLIPS_OF = {"train": 24, "val": 9, "test": 9}


def make_learnable(root: Path, splits: tuple[str, ...], spec: ClipSpec = LEARNABLE) -> Path:
    """Write clips of one colour a class, two shards a split, and one clip of test unlabelled."""
    chosen = [
        (f"{split}-{number:02d}", split, number % len(COLOURS))
        for split in splits
        for number in range(CLIPS_OF[split])
    ]
    labels = list(COLOURS)
    if "test" in splits:
        chosen.append(("test-unknown", "test", -1))
    clips = [
        Clip(
            clip, "colours", *((labels[at], at) if at >= 0 else (None, None)), clip, f"file:{clip}"
        )
        for clip, _, at in chosen
    ]
    annotation = Annotation(
        "colours",
        clips,
        [Label(number, label, label) for number, label in enumerate(labels)],
        [SplitRow("default", clip, split) for clip, split, _ in chosen],
        ["default"],
    )
    dataset = annotations.annotate(str(root), annotation, spec, 0, "videos")
    for split in splits:
        members = [(clip, at) for clip, of, at in chosen if of == split]
        for part in range(2):
            name, samples = f"{split}-{part:06d}.tar", []
            for clip, at in members[part::2]:
                noise = np.random.default_rng(list(clip.encode())).integers(-30, 31, spec.shape)
                pixels = np.clip(np.array(COLOURS[labels[at]]) + noise, 0, 255).astype(np.uint8)
                label = (at, labels[at]) if at >= 0 else (None, None)
                taken = tuple(range(spec.frames))
                samples.append(
                    Sample(clip, *label, clip, None, None, pixels, taken, 1, False, 25.0)
                )
            written = write_shard(dataset.storage, name, split, 0, samples, spec, {})
            assert written is not None
            dataset.append("shards", [written.shard])
            dataset.append("samples", written.samples)
    return root


@pytest.fixture(scope="session")
def make_root() -> Callable[..., Path]:
    """A maker of learnable roots: root, splits[, spec]."""
    return make_learnable


@pytest.fixture(scope="session")
def learnable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of 24 train, 9 val and 10 test clips (one unlabelled); read it, never change it."""
    root = tmp_path_factory.mktemp("learnable") / "root"
    return make_learnable(root, ("train", "val", "test"))


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    learnable: Path,
    cli: Callable[..., subprocess.CompletedProcess[str]],
) -> Path:
    """A run folder of r2plus1d on the learnable root, trained by the command line."""
    run = tmp_path_factory.mktemp("trained") / "run"
    options = "--width=4 --epochs=10 --batch=4 --lr=0.02 --schedule=cosine --device=cpu"
    done = cli("train", "--root", learnable, "--run", run, *options.split(), OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture(scope="session")
def torchrun() -> Callable[..., subprocess.Popen[str]]:
    """Start processes of a program under torchrun, as a user does: a script, its arguments."""

    def start(
        script: Path, *args: object, ranks: int = 2, options: str = "", **environment: str
    ) -> subprocess.Popen[str]:
        options = f"--standalone --nproc-per-node={ranks} {options} --no-python --"
        launcher = ["-m", "torch.distributed.run", *options.split()]
        return subprocess.Popen(
            [sys.executable, *launcher, sys.executable, str(script), *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)} | environment,
        )

    return start


@pytest.fixture(scope="session")
def three_splits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The learnable root annotated anew with three split sets of 28, 5 and 9 clips; read it."""
    root = make_learnable(
        tmp_path_factory.mktemp("three") / "root", ("train", "val", "test"), LEARNABLE
    )
    dataset = Dataset.open(str(root))
    clips = [Clip(**row) for row in dataset.clips.to_pylist()]
    names = [clip.clip_id for clip in clips if clip.label_id is not None]
    sets = [f"split{number}" for number in (1, 2, 3)]
    parts = ["train"] * 28 + ["val"] * 5 + ["test"] * 9
    rows = [
        SplitRow(name, clip, parts[(place + 14 * turn) % len(parts)])
        for turn, name in enumerate(sets)
        for place, clip in enumerate(names)
    ]
    labels = [Label(number, label, label) for number, label in enumerate(dataset.labels)]
    found = Annotation("colours", clips, labels, rows, sets)
    annotations.annotate(str(root), found, dataset.spec, dataset.seed, "videos")
    return root
