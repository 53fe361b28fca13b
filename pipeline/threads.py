"""Threads for what waits on networks: results as they come, and an end when it is asked for.

They cost little; each unit may give any number of results.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, TypeVar

U = TypeVar("U")
R = TypeVar("R")

ENDING_S = 4.0  # how long threads may take to end after they were asked to; then they are left


def in_threads(
    work: Callable[[U], Iterable[R]], units: Sequence[U], jobs: int, stop: threading.Event
) -> Generator[R, None, None]:
    """Yield what `jobs` threads find, each unit giving any number of results.

    An error of one thread ends all. When interrupted, `stop` is set, which the work has to look
    at, and what the units in hand still give is handed over before the interruption goes on.
    """
    todo: queue.SimpleQueue[U] = queue.SimpleQueue()
    for unit in units:
        todo.put(unit)
    found: queue.Queue[R | BaseException | None] = queue.Queue(maxsize=4 * jobs)
    threads = [
        threading.Thread(target=_thread, args=(work, todo, found, stop), daemon=True)
        for _ in range(min(jobs, len(units)))
    ]
    for one in threads:
        one.start()
    running, failure, until = len(threads), None, math.inf
    try:
        while running and time.monotonic() < until:
            try:
                result = found.get(timeout=None if failure is None else 0.1)
            except queue.Empty:
                continue
            except KeyboardInterrupt as error:
                if failure:
                    raise  # asked twice
                failure, until = error, time.monotonic() + ENDING_S
                stop.set()
                continue
            if result is None:
                running -= 1
            elif isinstance(result, BaseException):
                failure, until = failure or result, min(until, time.monotonic() + ENDING_S)
                stop.set()
            else:
                yield result
    finally:
        stop.set()
        _end(threads, found, min(until, time.monotonic() + ENDING_S))
    if failure:
        raise failure


def _thread(
    work: Callable[[U], Iterable[R]],
    todo: queue.SimpleQueue[U],
    found: queue.Queue[R | BaseException | None],
    stop: threading.Event,
) -> None:
    try:
        while not stop.is_set():
            for result in work(todo.get_nowait()):
                found.put(result)
                if stop.is_set():
                    break
    except queue.Empty:
        pass
    except BaseException as error:
        found.put(error)
    finally:
        found.put(None)


def _end(threads: list[threading.Thread], found: queue.Queue[Any], until: float) -> None:
    """Wait for the threads, emptying the queue that they may be waiting at."""
    for one in threads:
        while one.is_alive() and time.monotonic() < until:
            with contextlib.suppress(queue.Empty):
                while True:
                    found.get_nowait()
            one.join(0.05)
