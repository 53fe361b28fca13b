"""The parent's side: odd paths, a child that dies, hangs or bloats, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from manifests.errors import ClipmillError
from manifests.reasons import Reason
from manifests.spec import ClipSpec
from pipeline.video import wire
from pipeline.video.decoder import Decoder, Limits
from pipeline.video.errors import VideoError

SPEC = ClipSpec(frames=8, sampling="uniform", rate=1)
X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
ROOT = Path(__file__).resolve().parents[3]


def reason(decoder, path, spec=SPEC):
    with pytest.raises(VideoError) as error:
        decoder.decode(path, spec)
    return error.value.reason


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids, seconds=5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(running(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def children(pid):
    found = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(number) for text in found for number in text.split()]


def test_files_that_are_none(pyav, tmp_path):
    empty, fifo, loop = tmp_path / "empty.mp4", tmp_path / "fifo.mp4", tmp_path / "loop.mp4"
    empty.touch()
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    assert reason(pyav, empty) is Reason.EMPTY
    assert reason(pyav, fifo) is Reason.FORBIDDEN
    assert reason(pyav, loop) is Reason.FORBIDDEN
    assert reason(pyav, tmp_path) is Reason.FORBIDDEN
    assert reason(pyav, "/dev/zero") is Reason.FORBIDDEN
    assert reason(pyav, tmp_path / "nothing.mp4") is Reason.MISSING
    assert reason(pyav, empty / "below.mp4") is Reason.MISSING
    assert reason(pyav, "nul\0.mp4") is Reason.MISSING


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read(made, pyav):
    video = made("a.mp4", "64x48", 0.4, *X264)
    video.chmod(0)
    assert reason(pyav, video) is Reason.FORBIDDEN


NAMES = [
    "a;b&c.mp4",
    "a#2 (x).mp4",
    "[NEW]!!!.mp4",
    "-i.mp4",
    "-",
    "fd:3",
    "pipe:0",
    "concat:a|b",
    "x\n\ud800.mp4".encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"),
    "n" * 250 + ".mp4",
]


@pytest.mark.parametrize("backend", ["pyav", "binary"])
def test_names_are_only_names(made, request, tmp_path, monkeypatch, backend):
    decoder = request.getfixturevalue(backend)
    video = made("plain.mp4", "64x48", 0.4, *X264)
    expected = decoder.decode(video, SPEC).pixels
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        Path(name).symlink_to(video)
        assert np.array_equal(decoder.decode(name, SPEC).pixels, expected), name
        assert decoder.probe(Path(name)).packets == 10


def test_pixels_are_the_callers_own(made, pyav):
    video = made("a.mp4", "64x48", 0.4, *X264)
    first = pyav.decode(video, SPEC).pixels
    before = first.copy()
    pyav.decode(video, ClipSpec(frames=8, sampling="uniform", rate=1, fit="pad"))
    assert first.flags.writeable and np.array_equal(first, before)


def test_same_pixels_twice_and_in_another_child(made, pyav):
    video = made("a.mp4", "200x150", 1, *X264)
    with Decoder() as other:
        expected = other.decode(video, SPEC).pixels
    for _ in range(2):
        assert np.array_equal(pyav.decode(video, SPEC).pixels, expected)


def test_a_child_that_is_killed_costs_one_video(made):
    video = made("a.mp4", "64x48", 0.4, *X264)
    with Decoder() as decoder:
        expected = decoder.decode(video, SPEC).pixels
        child = decoder._child
        os.kill(child.pid, signal.SIGSTOP)
        os.kill(child.pid, signal.SIGKILL)
        alive = iter([True])  # it dies just after it was found alive
        child.alive = lambda: next(alive, False)
        assert reason(decoder, video) is Reason.CRASH
        assert np.array_equal(decoder.decode(video, SPEC).pixels, expected)
        os.kill(decoder._child.pid, signal.SIGKILL)
        assert gone([decoder._child.pid])
        assert np.array_equal(decoder.decode(video, SPEC).pixels, expected)


@pytest.mark.parametrize("backend", ["pyav", "ffmpeg"])
def test_a_child_that_hangs_costs_its_time(made, backend):
    video = made("a.mp4", "64x48", 0.4, *X264)
    long = made("long.mp4", "1280x720", 30, *X264, "-preset", "ultrafast")
    with Decoder(Limits(seconds=1.5), backend) as decoder:
        decoder.decode(video, SPEC)
        first = decoder._child.pid
        began = time.monotonic()
        spec = ClipSpec(frames=750, sampling="uniform", rate=1, height=512, width=512)
        assert reason(decoder, long, spec) is Reason.TIMEOUT
        assert time.monotonic() - began < 6
        assert gone([first]) and not any(running(pid) for pid in children(first))
        decoder.decode(video, SPEC)
        os.kill(decoder._child.pid, signal.SIGSTOP)
        assert reason(decoder, video) is Reason.TIMEOUT
        decoder.decode(video, SPEC)


@pytest.mark.parametrize("backend", ["pyav", "ffmpeg"])
def test_a_video_that_wants_too_much_memory(made, backend):
    video = made("a.mp4", "64x48", 0.4, *X264)
    big = made("big.mp4", "8160x8160", 0.04, "-c:v", "mjpeg", "-q:v", 20, "-pix_fmt", "yuvj444p")
    with Decoder(Limits(memory_bytes=400 << 20, pixels=1 << 27), backend) as decoder:
        expected = decoder.decode(video, SPEC).pixels
        assert reason(decoder, big) is Reason.MEMORY
        assert np.array_equal(decoder.decode(video, SPEC).pixels, expected)
    with Decoder(Limits(pixels=1 << 27), backend) as decoder:
        assert decoder.decode(big, SPEC).width == 8160


def test_too_little_memory_to_start_is_said():
    with pytest.raises(ClipmillError, match="did not start"):
        Decoder(Limits(memory_bytes=64 << 20)).versions()


def test_limits_hold_in_the_child(made, pyav):
    pyav.probe(made("a.mp4", "64x48", 0.4, *X264))
    pid = pyav._child.pid
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    table = {line[:26].strip(): line[26:].split()[:2] for line in limits}
    assert table["Max address space"] == [str(4 << 30)] * 2
    assert table["Max file size"] == table["Max core file size"] == ["0", "0"]
    assert int(table["Max cpu time"][0]) < 3600
    status = Path(f"/proc/{pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    environment = Path(f"/proc/{pid}/environ").read_text()
    assert "OPENBLAS_NUM_THREADS=1" in environment and "HOME=" not in environment
    links = {entry.name: str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    assert all(links[fd] == "/dev/null" for fd in "012")
    assert not any("memfd" in link or link.endswith("a.mp4") for link in links.values())


def test_versions_name_what_may_change_a_pixel(pyav, binary):
    assert {"av", "libavcodec", "libswscale", "imageio-ffmpeg"} <= set(pyav.versions())
    assert "ffmpeg" in binary.versions()


def test_nothing_is_left_after_close(made):
    video = made("a.mp4", "64x48", 0.4, *X264)
    before = set(os.listdir("/proc/self/fd"))
    with Decoder(backend="ffmpeg") as decoder:
        decoder.decode(video, SPEC)
        pid = decoder._child.pid
        assert children(os.getpid()).count(pid) == 1
    assert not Path(f"/proc/{pid}").exists()
    assert set(os.listdir("/proc/self/fd")) == before
    assert decoder.decode(video, SPEC).pixels.shape == SPEC.shape
    decoder.close()
    decoder.close()


@pytest.mark.parametrize("backend", ["pyav", "ffmpeg"])
def test_nothing_is_left_when_the_parent_is_killed(made, tmp_path, backend):
    long = made("long.mp4", "1280x720", 40, *X264, "-preset", "ultrafast")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pipeline.video.decoder import Decoder\n"
        "from manifests.spec import ClipSpec\n"
        "decoder = Decoder(backend=sys.argv[3])\n"
        "decoder.versions(); print(decoder._child.pid, flush=True)\n"
        "spec = ClipSpec(frames=750, sampling='uniform', rate=1, height=512, width=512)\n"
        "while True: decoder.decode(sys.argv[2], spec)\n"
    )
    command = [sys.executable, "-c", script, str(ROOT), str(long), backend]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) as parent:
        child = int(parent.stdout.readline())
        end = time.monotonic() + 20
        while backend == "ffmpeg" and not children(child) and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.2)
        family = [child, *children(child)]
        assert len(family) == (2 if backend == "ffmpeg" else 1)
        parent.kill()
    assert gone(family, seconds=1)  # by the kernel, not by finishing the video


def test_a_fork_gets_a_child_of_its_own(made, pyav):
    video = made("a.mp4", "64x48", 0.4, *X264)
    expected = pyav.decode(video, SPEC).pixels
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            same = np.array_equal(pyav.decode(video, SPEC).pixels, expected)
            pyav.close()
            status = 0 if same else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert np.array_equal(pyav.decode(video, SPEC).pixels, expected)


def test_wrong_use():
    with pytest.raises(ClipmillError, match="unknown decoder backend 'opencv'"):
        Decoder(backend="opencv")
    with pytest.raises(ClipmillError, match="seconds"):
        Limits(seconds=0)


GOOD = {
    "container": "mp4",
    "codec": "h264",
    "width": 64,
    "height": 48,
    "fps": 25.0,
    "duration_s": 1.0,
    "rotation": 0,
    "flipped": False,
    "packets": 2,
    "size": 1000,
    "missing_s": 0.0,
    "missing_packets": 0,
    "times": [0.0, 0.04],
}


def hostile(monkeypatch, reply):
    """The real child; its next answers are replaced."""

    def receive(line, deadline=None):
        found = real(line, deadline)
        return found if "versions" in found else reply

    real = wire.receive
    monkeypatch.setattr(wire, "receive", receive)


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"probe": None},
        {"probe": []},
        {"probe": {}},
        {"probe": GOOD | {"times": "soon"}},
        {"probe": GOOD | {"times": [[0.0], [1.0]]}},
        {"probe": GOOD | {"times": [[0.0], 1.0]}},
        {"probe": GOOD | {"times": [float("nan")]}},
        {"probe": GOOD | {"times": [None]}},
        {"probe": GOOD | {"codec": "\ud800"}},
        {"probe": GOOD | {"codec": 7}},
        {"probe": GOOD | {"width": "64"}},
        {"probe": GOOD | {"width": 1 << 40}},
        {"probe": GOOD | {"size": 1 << 70}},
        {"probe": GOOD | {"duration_s": float("inf")}},
        {"probe": GOOD | {"duration_s": None}},
        {"probe": GOOD | {"flipped": 1}},
        {"reason": "because"},
        {"reason": ["corrupt"]},
        {"reason": None},
    ],
)
def test_an_answer_without_form_is_a_crash_of_one_video(made, monkeypatch, reply):
    video = made("a.mp4", "64x48", 0.2, *X264)
    with Decoder() as decoder:
        with monkeypatch.context() as patch:
            hostile(patch, reply)
            with pytest.raises(VideoError) as error:
                decoder.probe(video)
            assert error.value.reason is Reason.CRASH
            assert reason(decoder, video) is Reason.CRASH
        assert decoder.probe(video).codec == "h264", "the next video has a child of its own"


def test_a_good_answer_passes_and_a_message_becomes_text(made, monkeypatch):
    video = made("a.mp4", "64x48", 0.2, *X264)
    with Decoder() as decoder:
        with monkeypatch.context() as patch:
            hostile(patch, {"probe": GOOD | {"fps": None, "duration_s": 1}})
            assert decoder.probe(video).packets == 2
        hostile(monkeypatch, {"reason": "corrupt", "message": "\ud800" * 99_999})
        with pytest.raises(VideoError) as error:
            decoder.probe(video)
        assert error.value.reason is Reason.CORRUPT
        assert error.value.message.isascii()


def test_memory_stays_flat(made):
    video = made("a.mp4", "640x360", 0.4, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    spec = ClipSpec(frames=4, sampling="uniform", rate=1)
    with Decoder() as decoder:

        def megabytes(clips):
            for _ in range(clips):
                decoder.decode(video, spec)
            assert decoder._child is not None
            pages = Path(f"/proc/{decoder._child.pid}/statm").read_text().split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

        early = megabytes(10)
        assert megabytes(60) < early + 15
