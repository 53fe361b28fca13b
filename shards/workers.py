"""Processes that read tasks: torch's own DataLoader workers, a message each way for each task.

Asking for a finished task costs 0.1 to 0.5 ms (torch's queues, on cold caches), so a thread does it
beside what the consumer does with the one before (shards/beside.py).
A worker that dies (killed, out of memory, a shard cut short under its hands) is survived: new ones
begin with the tasks that did not come back. Workers end with the process that started them.
Starting two takes some 20 ms forked, seconds with another start method.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch.utils.data import DataLoader, Sampler, get_worker_info

from manifests.errors import StoppedError
from shards.beside import Beside
from shards.fill import Done, Filler, Task
from shards.orphans import end_with_parent

T = TypeVar("T")
DEATHS = 3  # in a row, without a task that came back


class Workers:
    """A number of processes that read; started with the first task.

    `cut` tells which shards have another length than they should: what SIGBUS comes of.
    """

    def __init__(
        self,
        filler: Filler,
        count: int,
        prefetch: int,
        context: str,
        cut: Callable[[], list[str]] = list,
    ) -> None:
        self._cut = cut
        self._settings: dict[str, Any] = {
            "dataset": filler,
            "batch_size": None,
            "num_workers": count,
            "prefetch_factor": prefetch,
            "multiprocessing_context": context,
            "persistent_workers": True,
            "collate_fn": _as_it_is,
            "worker_init_fn": _settle,
            "generator": torch.Generator(),  # else each epoch would change the program's own
        }
        self._tasks = _Tasks()
        self._loader: DataLoader | None = None
        self._beside: Beside[Any] = Beside()
        self._question: Callable[[], Any] | None = None
        self.restarts = 0

    def run(self, tasks: Iterable[Task], made: Callable[[Task, Done], T]) -> Iterator[T]:
        """Yield what is made of each task and what came of it, in order.

        Tasks are asked for as workers get free, from a thread, and what they come to is made there.

        Raises:
            StoppedError: workers die again and again.
            Exception: what asking for the next task raised, after the tasks before it.
        """
        sent: deque[Task] = deque()
        coming, deaths = _Coming(tasks), 0
        while True:
            again, sent = sent, deque()
            self._tasks.come = _noted([*again], coming, sent)
            try:
                self._question = partial(_received, self._begun(), sent, made)
                with contextlib.suppress(StopIteration):
                    while True:
                        found = self._beside.take(self._question)
                        deaths = 0
                        yield found
                self._question = None
                coming.require()
                return
            except RuntimeError as error:
                causes = self._deaths()
                if not causes:
                    raise
                deaths, self.restarts = deaths + 1, self.restarts + 1
                self.close()
                if deaths == DEATHS:
                    raise StoppedError(_told(causes, self._cut())) from error

    def ahead(self) -> None:
        """Have the next task received meanwhile: the consumer has all of the one before."""
        if self._question is not None:
            self._beside.ask(self._question)

    def settle(self) -> None:
        """Wait until nothing is asked for any more; what came is thrown away."""
        self._beside.settle()
        self._question = None

    def _begun(self) -> Callable[[], Done]:
        with warnings.catch_warnings(), _own_children_signal():
            # More workers than cores were asked for by name.
            warnings.filterwarnings("ignore", message="This DataLoader will create")
            if self._loader is None:
                self._loader = DataLoader(sampler=self._tasks, **self._settings)
            return _unprofiled(iter(self._loader))

    def _deaths(self) -> list[int]:
        """Return how the workers that died ended: exit codes, below 0 of a signal."""
        running = getattr(self._loader, "_iterator", None)
        ended = [one.exitcode for one in getattr(running, "_workers", ())]
        return [code for code in ended if code not in (None, 0)]

    def close(self) -> None:
        """End the processes."""
        self.settle()
        running = getattr(self._loader, "_iterator", None)
        self._loader = None
        self._tasks.come = iter(())  # what gives tasks knows the memory that they fill
        if running is not None:
            with contextlib.suppress(RuntimeError):
                running._shutdown_workers()


def _unprofiled(coming: Iterator[Done]) -> Callable[[], Done]:
    """Return how to ask a DataLoader's iterator without torch's profiler around each step.

    That costs 0.05 to 0.2 ms a message, a third of what asking for one does.
    """
    return getattr(coming, "_next_data", coming.__next__)


def _received(ask: Callable[[], Done], sent: deque[Task], made: Callable[[Task, Done], T]) -> T:
    done = ask()
    return made(sent.popleft(), done)


class _Tasks(Sampler[Task]):
    """What the DataLoader takes for a sampler: the tasks that are to be sent next."""

    come: Iterator[Task] = iter(())

    def __iter__(self) -> Iterator[Task]:
        return self.come


class _Coming(Iterator[Task]):
    """Tasks as they come. An error ends them and is kept: raised inside torch's DataLoader it
    would leave that half made, with tasks on their way.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks = iter(tasks)
        self._error: Exception | None = None

    def __next__(self) -> Task:
        if self._error is None:
            try:
                return next(self._tasks)
            except StopIteration:
                raise
            except Exception as error:
                self._error = error
        raise StopIteration

    def require(self) -> None:
        """Raise what ended the tasks early."""
        error, self._error = self._error, None  # which knows this: a ring the collector would open
        if error is not None:
            raise error


def _noted(again: list[Task], coming: Iterator[Task], sent: deque[Task]) -> Iterator[Task]:
    """Yield tasks and note each one as sent."""
    for task in again:
        sent.append(task)
        yield task
    for task in coming:
        sent.append(task)
        yield task


def _as_it_is(done: Done) -> Done:
    return done


def _settle(_: int) -> None:
    """Leave signals to the parent: Ctrl-C is its business, all others end a worker plainly.

    And end with it. The memory that is filled is mapped here.
    """
    end_with_parent()
    filler = _filler()
    filler.slots.map_anew()
    if filler.source.folder is None:  # shards come over a network, and are waited for
        filler.slots.touch()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGBUS, signal.SIGSEGV, signal.SIGFPE):
        signal.signal(number, signal.SIG_DFL)


def _filler() -> Filler:
    about = get_worker_info()
    assert about is not None
    return cast(Filler, about.dataset)


@contextlib.contextmanager
def _own_children_signal() -> Iterator[None]:
    """Keep this program's handler of SIGCHLD.

    DataLoader sets one that raises wherever the program is when a worker dies; without it the
    death is found where the next batch is asked for, and survived there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


def _told(causes: list[int], cut: list[str]) -> str:
    names = {signal.Signals(-code).name if code < 0 else f"exit {code}" for code in causes}
    found = f" Found: {'; '.join(cut[:3])}." if cut else ""
    return (
        f"the processes that read shards died {DEATHS} times over the same batches "
        f"({', '.join(sorted(names))}).{found} SIGKILL: the machine may be out of memory, read "
        "with fewer --workers; SIGBUS: a shard was cut short or its disk failed, see `clipmill "
        "verify`. Then run the same command again; what was finished is kept."
    )
