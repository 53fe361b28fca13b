"""The one door: whole files or none, paths that stay inside, leftovers, errors with a cure."""

import errno
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests import disk, leftovers, local
from manifests.errors import ClipmillError, StoppedError
from manifests.leftovers import TEMPORARY
from manifests.local import LocalStorage
from manifests.storage import open_storage


@pytest.fixture
def store(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "root")


@given(st.lists(st.sampled_from(["..", "a", ".", "", "b c", "ü"]), min_size=1, max_size=6))
def test_no_path_leaves_the_root(parts: list[str]) -> None:
    store, text = LocalStorage(Path("/somewhere/root")), "/".join(parts)
    try:
        path = store.place(text)
    except ClipmillError as error:
        assert ".." in parts or text.startswith("/")
        assert "does not stay inside" in str(error)
    else:
        assert Path(os.path.normpath(path)).is_relative_to("/somewhere/root")
        assert ".." not in parts


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a/..", "x\0y"])
def test_paths_that_are_refused(store: LocalStorage, path: str) -> None:
    for ask in (store.read, store.list, store.size, store.delete, store.place):
        with pytest.raises(ClipmillError, match="does not stay inside"):
            ask(path)
    with pytest.raises(ClipmillError), store.writer(path):
        pass
    with pytest.raises(ClipmillError):
        store.create(path, b"")


def test_what_is_written_is_read(store: LocalStorage) -> None:
    store.write("a/b/c", b"one")
    store.write("a/b/c", b"two")
    assert store.read("a/b/c") == b"two"
    assert store.size("a/b/c") == 3
    assert store.list("a/b") == {"c": 3}
    store.delete("a/b/c")
    store.delete("a/b/c")
    assert store.size("a/b/c") is None
    assert store.list("nowhere") == {}
    with pytest.raises(FileNotFoundError):
        store.read("a/b/c")


def test_create_keeps_what_is_there(store: LocalStorage) -> None:
    assert store.create("plan", b"first")
    assert not store.create("plan", b"second")
    assert store.read("plan") == b"first"
    assert store.leftovers(".") == []


def test_a_block_that_raises_leaves_nothing(store: LocalStorage) -> None:
    store.write("big", b"old")
    with pytest.raises(KeyboardInterrupt), store.writer("big") as out:
        out.write(b"half")
        raise KeyboardInterrupt
    assert store.read("big") == b"old"
    assert os.listdir(store.root) == ["big"]


def test_a_file_is_not_seen_before_its_block_ends(store: LocalStorage) -> None:
    with store.writer("x") as out:
        out.write(memoryview(b"abc")[1:])
        assert store.size("x") is None
        assert store.list(".") == {}
        assert len(store.leftovers(".")) == 1
        assert store.clean(".") == [], "a file that is being written was taken for a leftover"
    assert store.read("x") == b"bc"


def test_sixteen_creators_have_one_winner(store: LocalStorage) -> None:
    store.write("ready", b"")
    with multiprocessing.get_context("fork").Pool(16) as pool:
        won = pool.starmap(_create, [(store.root, number) for number in range(16)])
    assert sum(won) == 1
    assert store.read("plan") == str(won.index(True)).encode()


def _create(root: str, number: int) -> bool:
    return open_storage(root).create("plan", str(number).encode())


def _leave(root: Path, pid: int, host: str | None = None) -> Path:
    name = f".tmp-{leftovers.host() if host is None else host}-{pid}-0123abcd"
    assert TEMPORARY.fullmatch(name)
    (root / name).write_bytes(b"half")
    return root / name


def test_only_what_dead_processes_of_this_machine_left_is_removed(store: LocalStorage) -> None:
    root = Path(store.root)
    root.mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = _leave(root, dead.pid)
    # In a container that was started anew, a dead process had the number that is ours now.
    reused = _leave(root, os.getpid())
    alive = _leave(root, os.getppid())
    elsewhere = _leave(root, dead.pid, "another_host")
    (root / ".tmp-note").write_bytes(b"somebody's own")
    assert sorted(store.clean(".")) == sorted([gone.name, reused.name])
    assert alive.exists() and elsewhere.exists() and (root / ".tmp-note").exists()
    assert store.clean("nowhere") == []


def test_a_dead_process_that_nobody_waited_for_is_dead(store: LocalStorage) -> None:
    """In a container whose first process reaps nobody it stays a zombie for ever."""
    root = Path(store.root)
    root.mkdir()
    zombie = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert zombie.stdout
    zombie.stdout.read()
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    left = _leave(root, zombie.pid)
    assert store.clean(".") == [left.name]
    zombie.wait()


def test_host_names_fit_into_temporary_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gpu-node-7.cluster.example", "", "büro"):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        assert re.fullmatch(r"[A-Za-z0-9_]+", leftovers.host())


@pytest.mark.parametrize("number", sorted(local._STOPPING))
def test_errors_of_the_environment_stop_and_say_the_cure(
    store: LocalStorage, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(fd: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk, "sync", fail)
    with pytest.raises(StoppedError, match="run the same command again") as caught:
        store.write("folder/file", b"data")
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith("folder/file: ")
    assert os.listdir(Path(store.root) / "folder") == []


def test_other_errors_are_not_disguised(
    store: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EINVAL, "nobody foresaw this")

    monkeypatch.setattr(disk, "sync", fail)
    with pytest.raises(OSError, match="nobody foresaw"):
        store.write("x", b"")


def test_a_file_where_the_root_should_be(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("no folder")
    store = LocalStorage(tmp_path / "root")
    for ask in (lambda: store.read("x"), lambda: store.write("x", b""), lambda: store.list(".")):
        with pytest.raises(ClipmillError, match="a file stands where a folder should be") as caught:
            ask()
        assert caught.value.exit_code == 2
        assert f"in the folder {store.root}: " in str(caught.value)
    assert store.size("x") is None


@pytest.mark.parametrize("number", sorted(local._WRONG))
def test_a_path_that_cannot_be_is_wrong_use(
    store: LocalStorage, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(path: Path) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk, "create", fail)
    with pytest.raises(ClipmillError, match="give a") as caught:
        store.write("folder/file", b"data")
    assert caught.value.exit_code == 2
    assert store.root in str(caught.value)


def test_a_root_that_is_too_long_or_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / ("x" * 300), tmp_path / "file" / "below"):
        store = LocalStorage(root)
        for ask in (lambda: store.write("x", b""), lambda: store.list(".")):  # noqa: B023
            with pytest.raises(ClipmillError, match=re.escape(store.root)) as caught:
                ask()
            assert caught.value.exit_code == 2


def test_a_short_write_is_gone_on_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
    LocalStorage(tmp_path).write("x", b"0123456789")
    monkeypatch.undo()
    assert (tmp_path / "x").read_bytes() == b"0123456789"


def test_threads_may_write_at_once(store: LocalStorage) -> None:
    def work(number: int) -> None:
        store.write(f"deep/er/{number}", str(number).encode())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.list("deep/er") == {str(number): len(str(number)) for number in range(16)}


@pytest.mark.parametrize("root", ["memory://x", "hf+x://y"])
def test_urls_without_a_driver_are_refused(root: str) -> None:
    with pytest.raises(ClipmillError, match="expected a local folder"):
        open_storage(root)


def test_a_process_that_dies_while_it_writes_shows_nothing(
    faults: ModuleType, tmp_path: Path
) -> None:
    def write(number: int) -> None:
        LocalStorage(tmp_path / str(number)).write("x", b"0123")

    _, operations = faults.trial(lambda: write(0)).value
    assert operations > 5
    for at in range(1, operations + 1):
        assert faults.trial(lambda at=at: write(at), at, "KILL").code == faults.KILLED
        store = LocalStorage(tmp_path / str(at))
        assert store.size("x") in (None, 4)
        store.clean(".")
        assert store.leftovers(".") == []
