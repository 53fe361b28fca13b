"""What the kernel refuses a real decoder child, and that nothing else is lost by it."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from manifests.spec import ClipSpec
from pipeline.video import process, seccomp
from pipeline.video.decoder import Decoder
from pipeline.video.process import Child

ROOT = Path(__file__).resolve().parents[3]
SPEC = ClipSpec(frames=8, sampling="uniform", rate=1)
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.machine() not in seccomp.MACHINES,
    reason="seccomp is Linux's",
)

# Run in a process that is confined as the child is: each line of what it tries gives its outcome.
TRIES = """
import ctypes, importlib, json, os, resource, signal, socket, subprocess, sys, threading
sys.path.insert(0, sys.argv[1])
from pipeline.video import child, limits, seccomp
limits.confine(4 << 30)
child._versions(); child._import_all()
here = os.open(sys.argv[3], os.O_RDONLY)
assert seccomp.refuse(sys.argv[2] == "1")
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *args):
    if getattr(libc, name)(*args) == -1:
        raise OSError(ctypes.get_errno(), name)

def fork():
    if os.fork() == 0:
        os._exit(0)

def thread():
    found = []
    one = threading.Thread(target=lambda: found.append(blocked(lambda: os.open("/", 0) and None)))
    one.start(); one.join()
    return found[0]

def blocked(what):
    try:
        return what() or "done"
    except OSError as error:
        return f"errno {error.errno}"

path = sys.argv[3]
tries = {
    "open": lambda: os.open(path, os.O_RDONLY) and None,
    "create": lambda: os.open(path + ".new", os.O_CREAT | os.O_WRONLY) and None,
    "socket": lambda: socket.socket() and None,
    "fork": fork,
    "program": lambda: subprocess.run(["/bin/true"], stdin=here) and None,
    "exec": lambda: os.execv("/bin/false", ["false"]),
    "unlink": lambda: os.unlink(path),
    "rename": lambda: os.rename(path, path + ".old"),
    "symlink": lambda: os.symlink(path, path + ".link"),
    "chmod": lambda: os.chmod(path, 0o600),
    "ptrace": lambda: call("ptrace", 16, os.getppid(), 0, 0),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "kill the parent": lambda: os.kill(os.getppid(), 0),
    "outlive the parent": lambda: call("prctl", 1, 0, 0, 0, 0),
    "limits of others": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CPU) and None,
    "own limits": lambda: limits.renew_cpu(5),
    "kill itself softly": lambda: os.kill(os.getpid(), 0),
    "read": lambda: os.read(here, 4) and None,
    "a thread opens": thread,
}
if sys.argv[2] == "1":
    del tries["exec"]
print(json.dumps({name: blocked(one) for name, one in tries.items()}))
"""
ALLOWED = {"own limits", "kill itself softly", "read"}
STARTING = {"open", "create", "fork", "program", "a thread opens"}


def tried(tmp_path: Path, starts_programs: bool) -> dict[str, str]:
    path = tmp_path / "file"
    path.write_bytes(b"bytes")
    arguments = [str(ROOT), str(int(starts_programs)), str(path)]
    done = subprocess.run(
        [sys.executable, "-c", TRIES, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@linux
def test_a_decoder_may_do_nothing_but_read_what_it_was_given(tmp_path: Path) -> None:
    found = tried(tmp_path, False)
    assert {name for name, what in found.items() if what == "done"} == ALLOWED
    assert {what for name, what in found.items() if name not in ALLOWED} == {"errno 1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@linux
def test_what_starts_programs_may_start_them_and_little_else(tmp_path: Path) -> None:
    found = tried(tmp_path, True)
    assert {name for name, what in found.items() if what == "done"} - {
        "kill the parent"
    } == ALLOWED | STARTING
    for name in ("socket", "unlink", "rename", "ptrace", "mount", "outlive the parent"):
        assert found[name] == "errno 1", name


def mode(pid: int) -> str:
    return re.findall(r"^Seccomp:\s+(\d)", Path(f"/proc/{pid}/status").read_text(), re.M)[0]


@linux
@pytest.mark.parametrize("starts_programs", [False, True])
def test_the_real_child_is_under_it(starts_programs: bool) -> None:
    child = Child(4 << 30, starts_programs)
    try:
        assert mode(child.pid) == "2" and mode(os.getpid()) == "0"
    finally:
        child.end()


@linux
def test_every_shared_video_has_the_same_pixels_without_it(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what a system does that has none: the list is then not put on, and all else works."""
    first = {}
    for path in sorted((shared / "data/videos").rglob("*")):
        first.setdefault((path.suffix.lower(), path.parent.name), path)
    paths = [path for path in first.values() if path.is_file()]
    assert len({path.suffix for path in paths}) > 5

    def pixels(decoder: Decoder) -> list[bytes]:
        found = []
        for path in paths:
            try:
                found.append(decoder.decode(path, SPEC).pixels.tobytes())
            except Exception as error:
                found.append(str(error).encode())
        return found

    with Decoder() as decoder:
        under = pixels(decoder)
    without = "import platform; platform.machine = lambda: 'riscv64'; "
    monkeypatch.setattr(process, "BOOT", without + process.BOOT)
    with Decoder() as decoder:
        assert pixels(decoder) == under
        assert decoder._child is not None and mode(decoder._child.pid) == "0"
    assert not any(b"not permitted" in one for one in under)
    assert len({one for one in under if len(one) == np.prod(SPEC.shape)}) > 8


@linux
def test_numbers_are_the_kernels() -> None:
    headers = {
        "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        "aarch64": Path("/usr/include/asm-generic/unistd.h"),
    }
    there = {name: path for name, path in headers.items() if path.exists()}
    if not there:
        pytest.skip("needs the kernel's headers")
    for machine, path in there.items():
        pattern = r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b"
        known = dict(re.findall(pattern, path.read_text()))
        at = list(seccomp.MACHINES).index(machine)
        for entry in (seccomp.STARTING + seccomp.ALWAYS).split(";"):
            if (found := entry.split()) and found[1 + at] != "-":
                assert known[found[0]] == found[1 + at], (machine, found)
        single = {"clone": seccomp.CLONE, "kill": seccomp.KILL, "tgkill": seccomp.TGKILL}
        single |= {"prctl": seccomp.PRCTL, "prlimit64": seccomp.PRLIMIT}
        single |= {"seccomp": seccomp.SECCOMP}
        for name, numbers in single.items():
            assert known[name] == str(numbers[at]), (machine, name)


@pytest.mark.parametrize("machine", list(seccomp.MACHINES))
@pytest.mark.parametrize("starts_programs", [False, True])
def test_jumps_stay_inside(machine: str, starts_programs: bool) -> None:
    found = seccomp.program(machine, starts_programs)
    assert len(found) < 4096
    for at, (code, yes, no, _) in enumerate(found):
        assert at + 1 + max(yes, no) < len(found) or code == seccomp.ANSWER
    assert found[-1] == (seccomp.ANSWER, 0, 0, seccomp.ALLOW)
