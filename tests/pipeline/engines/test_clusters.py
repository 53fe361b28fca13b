"""dask and ray with real workers: loky's bytes, lost workers, poison, real clusters, no leftovers.

Each engine's cluster is started once, by its own command line, and used through `--address`.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manifests.dataset import Dataset
from manifests.errors import StoppedError
from pipeline.crew import Crew, in_processes

REPO = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clusters")]
ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def environment() -> dict[str, str]:
    more = {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return os.environ | ALONE | more


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    """ray reads where it may listen when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ALONE.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler and two workers of one thread each, started by dask's own commands."""
    pytest.importorskip("distributed")
    folder, port = tmp_path_factory.mktemp("dask"), free_port()
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"cwd": folder, "env": environment(), "stderr": subprocess.DEVNULL}
    scheduler = [str(BIN / "dask"), "scheduler", "--host", "127.0.0.1", "--port", str(port)]
    worker = [str(BIN / "dask"), "worker", address, "--nworkers", "2", "--nthreads", "1"]
    started = [
        subprocess.Popen([*scheduler, "--dashboard-address", "127.0.0.1:0"], **quiet),
        subprocess.Popen([*worker, "--local-directory", str(folder)], **quiet),
    ]
    yield address
    for one in reversed(started):
        one.terminate()
        one.wait(20)


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[str]:
    """A head with two processors, started by ray's own command."""
    pytest.importorskip("ray")
    import psutil

    port = free_port()
    command = [str(BIN / "ray"), "start", "--head", "--port", str(port), "--num-cpus", "2"]
    command += ["--include-dashboard", "false", "--node-ip-address", "127.0.0.1"]
    command += ["--ray-client-server-port", str(free_port()), "--block"]
    head = subprocess.Popen(
        [*command, "--object-store-memory", str(100 << 20)],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, text=True,
    )  # fmt: skip
    assert head.stdout is not None
    for line in head.stdout:
        if "Ray runtime started" in line:
            break
    yield f"127.0.0.1:{port}"
    # Asked to end, it takes its time to say goodbye to nobody.
    for one in [*psutil.Process(head.pid).children(recursive=True), psutil.Process(head.pid)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    head.wait(20)


@pytest.fixture(params=["dask", "ray"])
def cluster(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The name of an engine and the address of its cluster."""
    return request.param, request.getfixturevalue(f"{request.param}_cluster")


def pid_of(unit: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def die_once(mark: str) -> str:
    if mark and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return mark


def full_disk(unit: int) -> int:
    raise StoppedError("the disk is full")


def hashes(root: Path) -> dict[str, str]:
    shards = sorted((root / "shards").glob("*.tar"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in shards}


def test_a_cluster_gives_the_same_bytes(
    tmp_path: Path, cluster: tuple[str, str], annotated: Any, run_stages: Any, built: Path,
    cli: Callable[..., subprocess.CompletedProcess[str]],
) -> None:  # fmt: skip
    backend, address = cluster
    root = tmp_path / "root"
    annotated(root)
    run_stages(root, "download")
    command = ("pack", "--root", root, "--shard-mb", 0.019, "-q")
    done = cli(
        *command, CLIPMILL_BACKEND=backend, CLIPMILL_ADDRESS=address, PYTHONPATH=str(REPO), **ALONE
    )
    assert done.returncode == 0, done.stderr
    assert hashes(root) == hashes(built)
    outcomes = Dataset.open(str(root)).parts("pack").to_pylist()
    assert len(outcomes) == 11 and sum(row["status"] == "done" for row in outcomes) == 10


def test_workers_are_reused_and_a_lost_one_is_made_up_for(
    tmp_path: Path, cluster: tuple[str, str]
) -> None:
    crew = Crew(0, *cluster)
    assert 1 <= len(set(in_processes(pid_of, range(30), crew))) <= 2
    marks = [str(tmp_path / "died"), *[""] * 10]
    assert sorted(in_processes(die_once, marks, crew)) == sorted(marks)
    with pytest.raises(StoppedError, match=r"^the disk is full$"):
        list(in_processes(full_disk, range(5), crew))


def test_a_local_cluster_packs_the_same_through_a_poison_clip(
    tmp_path: Path, make_video: Any, run_stages: Any, assassin: Any, annotate_mine: Any
) -> None:
    videos = tmp_path / "videos"
    for number in range(6):
        path = videos / "run" / f"{number}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_video("a.avi", hue=number * 30).read_bytes())
    poison = videos / "run" / "poison.mp4"
    poison.write_bytes(make_video("poison.mp4", size="1280x720", frames=250).read_bytes())
    annotate_mine(tmp_path / "ready", videos)
    found = {}
    for backend in ("loky", "dask", "ray"):
        root = Path(shutil.copytree(tmp_path / "ready", tmp_path / backend))
        with assassin(poison) as at_work:
            run_stages(root, "pack", jobs=2, backend=backend)
        rows = Dataset.open(str(root)).parts("pack").to_pylist()
        assert sorted(row["status"] for row in rows) == ["done"] * 6 + ["failed"], backend
        [failed] = [row for row in rows if row["status"] == "failed"]
        assert failed["reason"] == "crash" and len(at_work.killed) == 2, backend
        found[backend] = hashes(root)
    assert found["dask"] == found["ray"] == found["loky"] and len(found["loky"]) > 1


LISTENS = """
import os, sys, time
import psutil
from pipeline.crew import Crew, in_processes

def nap(unit):
    time.sleep(0.2)
    return unit

results = in_processes(nap, range(100), Crew(2, sys.argv[1]))
next(results)
family = [psutil.Process(), *psutil.Process().children(recursive=True)]
for one in family:
    try:
        found = one.net_connections(kind="inet")
    except psutil.Error:
        continue
    for line in found:
        if line.status == psutil.CONN_LISTEN:
            print("listens", line.laddr.ip)
print("family", *[one.pid for one in family[1:]], flush=True)
if sys.argv[2] == "close":
    results.close()
for _ in results:
    pass
print("ended", flush=True)
"""


@pytest.mark.parametrize("how", ["close", "SIGKILL"])
@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_a_local_cluster_is_alone_and_leaves_nothing(backend: str, how: str) -> None:
    pytest.importorskip("psutil")
    command = [sys.executable, "-c", LISTENS, backend, how]
    with subprocess.Popen(
        command, cwd=REPO, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as one:  # fmt: skip
        assert one.stdout is not None
        addresses = set()
        for line in one.stdout:
            if line.startswith("family"):
                family = [int(pid) for pid in line.split()[1:]]
                break
            addresses.add(line.split()[1].removeprefix("::ffff:"))
        assert addresses and addresses <= {"127.0.0.1", "::1"}
        if how != "close":
            one.send_signal(signal.Signals[how])
        one.communicate(timeout=60)
        if how == "close":
            assert one.returncode == 0
    left, end = family, time.monotonic() + 20
    while left and time.monotonic() < end:
        time.sleep(0.1)
        left = [pid for pid in family if running(pid)]
        if how == "SIGKILL" and all(map(ray_agent, left)):
            break  # they end by themselves, a minute later
    try:
        assert [pid for pid in left if not ray_agent(pid)] == []
        assert how == "SIGKILL" or left == []
    finally:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def ray_agent(pid: int) -> bool:
    """Whether it is one of the two that ray itself gives a minute to say goodbye."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return line.startswith((b"ray::DashboardAgent", b"ray::RuntimeEnvAgent"))


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("backend", "address"),
    [("dask", "tcp://127.0.0.1:{}"), ("ray", "127.0.0.1:{}"), ("ray", "ray://127.0.0.1:{}")],
)
def test_nobody_at_an_address_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, backend: Any, address: str
) -> None:
    from pipeline.engines import by_dask

    monkeypatch.setattr(by_dask, "CONNECT_S", 1)
    crew = Crew(0, backend, address.format(free_port()))
    started = time.monotonic()
    with pytest.raises(StoppedError, match=r"docs/clusters\.md"):
        list(in_processes(pid_of, [1, 2], crew))
    assert time.monotonic() - started < 15
