"""Fail, kill at, and log every operation with which storage changes a disk; cut the power.

`Injector` replaces the functions of manifests/disk.py. `trial` runs something in a forked child
with a fault at one operation. `Disk` follows a log and knows, at each of its points, what a power
cut may leave: data that was not synced and names whose folder was not synced are not promised.
A trial costs a fork and the work itself; nothing here waits for a real disk.
"""

import contextlib
import copy
import errno
import gc
import os
import pickle
import random
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from manifests import disk
from manifests.errors import ClipmillError, StoppedError
from manifests.local import LocalStorage

OPERATIONS = (
    "create",
    "extend",
    "write",
    "sync",
    "rename",
    "link",
    "unlink",
    "mkdir",
    "sync_folder",
)
FAULTS = ("KILL", "EIO", "LATE", "ENOSPC", "SHORT")
NEEDS_SPACE = {"create", "extend", "write", "rename", "link", "mkdir"}
KILLED, STOPPED, REFUSED, CRASHED = -signal.SIGKILL, 3, 2, 99


class Log:
    """Operations and promises, in order, on a pipe of their own that survives a SIGKILL."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)

    def put(self, *entry: Any) -> None:
        data = pickle.dumps(entry)
        os.write(self._fd, struct.pack("<I", len(data)) + data)

    @staticmethod
    def read(path: Path) -> list[tuple[Any, ...]]:
        data, found, at = path.read_bytes(), [], 0
        while at < len(data):
            (size,) = struct.unpack_from("<I", data, at)
            found.append(pickle.loads(data[at + 4 : at + 4 + size]))
            at += 4 + size
        return found


@dataclass
class Injector:
    """Counts operations; at number `at` the `fault` comes. Install it in a child that will end.

    EIO: the operation does nothing and fails, once. LATE: it is done and fails all the same.
    ENOSPC: it and all that need space fail from then on. SHORT: half of a write is taken, then
    the process dies. KILL: the process dies before it.
    """

    at: int = 0
    fault: str = ""
    log: Log | None = None
    count: int = 0
    real: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def install(self) -> None:
        for name in OPERATIONS:
            self.real[name] = getattr(disk, name)
            setattr(disk, name, self._wrapped(name))
        if self.log is not None:
            _promise(self.log)

    def _wrapped(self, name: str) -> Callable[..., Any]:
        def operation(*args: Any) -> Any:
            self.count += 1
            if self.count == self.at:
                self._strike(name, args)
            elif self.fault == "ENOSPC" and self.at and self.count > self.at:
                self._full(name)
            result = self.real[name](*args)
            if self.log is not None:
                values = [
                    bytes(value) if isinstance(value, memoryview) else value for value in args
                ]
                self.log.put(name, values, result, _site())
            if self.count == self.at and self.fault == "LATE":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return result

        return operation

    def _strike(self, name: str, args: tuple[Any, ...]) -> None:
        if self.fault == "SHORT" and name == "write":
            half = bytes(args[1])[: len(args[1]) // 2]
            self.real["write"](args[0], half)
            if self.log is not None:
                self.log.put("write", [args[0], half], None, "")
        if self.fault in ("KILL", "SHORT"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "EIO":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.fault == "ENOSPC":
            self._full(name)

    def _full(self, name: str) -> None:
        if name in NEEDS_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _site() -> str:
    """The function of storage.py that asked for the operation."""
    return sys._getframe(2).f_code.co_name


def _promise(log: Log) -> None:
    """Log what storage promises when its functions return: kept bytes, names that are gone."""
    create, writer, delete = LocalStorage.create, LocalStorage.writer, LocalStorage.delete

    def promising_create(self: LocalStorage, path: str, data: bytes) -> bool:
        made = create(self, path, data)
        if made:
            log.put("kept", self.place(path), data)
        return made

    @contextlib.contextmanager
    def promising_writer(self: LocalStorage, path: str) -> Iterator[Any]:
        with writer(self, path) as out:
            yield out
        log.put("kept", self.place(path), self.place(path).read_bytes())

    def promising_delete(self: LocalStorage, path: str) -> None:
        delete(self, path)
        log.put("gone", self.place(path))

    LocalStorage.create, LocalStorage.writer = promising_create, promising_writer  # type: ignore[method-assign]
    LocalStorage.delete = promising_delete  # type: ignore[method-assign]


@dataclass
class Ended:
    """How a forked child came to its end and what it handed back."""

    code: int
    value: Any = None
    trace: str = ""


def forked(work: Callable[[], Any]) -> Ended:
    """Run `work` in a forked child; its result comes back through a pipe."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        gc.freeze()
        os.close(reading)
        code, value, trace = 0, None, ""
        try:
            value = work()
        except StoppedError as error:
            code, trace = STOPPED, str(error)
        except ClipmillError as error:
            code, trace = REFUSED, str(error)
        except BaseException:
            code, trace = CRASHED, traceback.format_exc()
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump((value, trace), pipe)
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    value, trace = pickle.loads(data) if data else (None, "")
    return Ended(os.waitstatus_to_exitcode(status), value, trace)


def trial(work: Callable[[], Any], at: int = 0, fault: str = "", log: Path | None = None) -> Ended:
    """Run `work` in a forked child with a fault at operation `at`; `value` is (result, count)."""

    def child() -> Any:
        injector = Injector(at, fault, None if log is None else Log(log))
        injector.install()
        return work(), injector.count

    return forked(child)


@dataclass
class _File:
    data: bytes = b""
    synced: bytes = b""


@dataclass
class _Folder:
    now: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)


@dataclass
class Disk:
    """The disk under `base` as operations change it, and as a power cut may leave it.

    What stood there before the log is taken as kept. Trees are {path under base: bytes, or None
    for a folder}.
    """

    base: Path
    top: _Folder = field(default_factory=_Folder)
    open: dict[int, _File] = field(default_factory=dict)

    def _folder(self, path: Path) -> _Folder:
        found = self.top
        for part in path.relative_to(self.base).parts:
            found = found.now[part]
        return found

    def apply(self, entry: tuple[Any, ...]) -> None:
        """Follow one entry of a log; promises change nothing."""
        name, args = entry[0], entry[1]
        if name == "create":
            file = self._folder(args[0].parent).now[args[0].name] = _File()
            self.open[entry[2]] = file
        elif name == "extend":
            names = self._folder(args[0].parent).now
            file = names.setdefault(args[0].name, _File())
            file.data = file.data[: args[1]]
            self.open[entry[2]] = file
        elif name == "write":
            self.open[args[0]].data += args[1]
        elif name == "sync":
            self.open[args[0]].synced = self.open[args[0]].data
        elif name == "rename":
            file = self._folder(args[0].parent).now.pop(args[0].name)
            self._folder(args[1].parent).now[args[1].name] = file
        elif name == "link":
            file = self._folder(args[0].parent).now[args[0].name]
            self._folder(args[1].parent).now[args[1].name] = file
        elif name == "unlink":
            del self._folder(args[0].parent).now[args[0].name]
        elif name == "mkdir":
            self._folder(args[0].parent).now[args[0].name] = _Folder()
        elif name == "sync_folder" and args[0].is_relative_to(self.base):
            folder = self._folder(args[0])
            folder.kept = dict(folder.now)

    def now(self) -> dict[str, bytes | None]:
        """The tree as running processes see it."""
        return _tree(self.top, lambda folder: folder.now, lambda file: file.data)

    def strict(self) -> dict[str, bytes | None]:
        """The least that a power cut may leave: nothing that was not synced."""
        return _tree(self.top, lambda folder: folder.kept, lambda file: file.synced)

    def hasty(self) -> dict[str, bytes | None]:
        """All names, as a journal may write them early, but no byte that was not synced."""
        return _tree(self.top, lambda folder: folder.now, lambda file: file.synced)

    def torn(self, seed: int) -> dict[str, bytes | None]:
        """Some of the names that were not synced, and a part of the bytes that were not."""
        chance = random.Random(seed)

        def names(folder: _Folder) -> dict[str, Any]:
            found = dict(folder.kept)
            for name in sorted({*folder.now, *folder.kept}):
                if folder.now.get(name) is folder.kept.get(name) or chance.random() < 0.5:
                    continue
                if name in folder.now:
                    found[name] = folder.now[name]
                else:
                    del found[name]
            return found

        def data(file: _File) -> bytes:
            return file.synced + file.data[len(file.synced) :][: chance.randrange(1 << 12)]

        return _tree(self.top, names, data)


def _tree(
    folder: _Folder,
    names: Callable[[_Folder], dict[str, Any]],
    data: Callable[[_File], bytes],
    prefix: str = "",
) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for name, node in sorted(names(folder).items()):
        if isinstance(node, _Folder):
            found[prefix + name] = None
            found |= _tree(node, names, data, f"{prefix}{name}/")
        else:
            found[prefix + name] = data(node)
    return found


def put(tree: dict[str, bytes | None], base: Path) -> None:
    """Make a tree real."""
    base.mkdir(parents=True)
    for path, data in tree.items():
        if data is None:
            (base / path).mkdir()
        else:
            (base / path).write_bytes(data)


@dataclass
class Cut:
    """One disk that a power cut may leave, and the point of the log where it does."""

    at: int
    how: str
    tree: dict[str, bytes | None]


def cuts(log: list[tuple[Any, ...]], base: Path) -> Iterator[Cut]:
    """Yield each different disk that a cut after any operation of the log may leave."""
    seen: set[int] = set()
    model = Disk(base)
    for at, entry in enumerate([("start", []), *log]):
        model.apply(entry)
        for how, tree in (
            ("strict", model.strict()),
            ("hasty", model.hasty()),
            ("torn", model.torn(at)),
        ):
            mark = hash(tuple(tree.items()))
            if mark not in seen:
                seen.add(mark)
                yield Cut(at, how, tree)


def broken_promises(log: list[tuple[Any, ...]], base: Path) -> list[str]:
    """Find what storage promised and a power cut may undo, at any point of the log."""
    model, found = Disk(base), []
    promised: dict[str, bytes | None] = {}
    for at, entry in enumerate(log):
        name = entry[0]
        if name == "kept":
            promised[entry[1].relative_to(base).as_posix()] = entry[2]
        elif name == "gone":
            promised[entry[1].relative_to(base).as_posix()] = None
        else:
            model.apply(entry)
            touched = entry[1][-1] if name in ("rename", "link", "unlink") else None
            if touched is not None:
                # From here to the next promise either of two states may be found.
                promised.pop(touched.relative_to(base).as_posix(), None)
            continue
        for how, tree in (("strict", model.strict()), ("hasty", model.hasty())):
            for path, data in promised.items():
                if tree.get(path) != data:
                    found.append(f"after entry {at} ({how}): {path} is not what was promised")
    return found


def without(log: list[tuple[Any, ...]], *names: str, site: str | None = None) -> list[Any]:
    """Return the log of a storage that leaves out operations, everywhere or in one function."""
    return [
        entry for entry in log if not (entry[0] in names and (site is None or entry[3] == site))
    ]


def renamed_early(log: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return the log of a storage that gives a file its name first and syncs it afterwards."""
    found = copy.copy(log)
    for at in range(len(found) - 1):
        if found[at][0] == "sync" and found[at + 1][0] in ("rename", "link"):
            found[at], found[at + 1] = found[at + 1], found[at]
    return found
