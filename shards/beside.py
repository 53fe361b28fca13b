"""One thing asked for in a thread, beside what its taker does meanwhile.

Whoever takes what has not been begun does it itself, so a taker in a hurry waits for no thread.
The thread starts with the first question, holds nothing while it waits, and ends with its owner.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class _Answer(Generic[T]):
    """What came of asking: a thing, or what was raised."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._error: BaseException | None = None
        try:
            self._found = ask()
        except BaseException as error:
            self._error = error

    def require(self) -> T:
        """Return the thing, or raise."""
        error, self._error = self._error, None  # which knows this: a ring the collector would open
        if error is not None:
            raise error
        return self._found


Questions = SimpleQueue[Callable[[], T] | None]


class Beside(Generic[T]):
    """At most one question at a time, and its answer."""

    def __init__(self) -> None:
        self._questions: Questions[T] = SimpleQueue()
        self._answers: SimpleQueue[_Answer[T]] = SimpleQueue()
        self._asked = self._started = False

    def ask(self, question: Callable[[], T]) -> None:
        """Have something asked for, unless something was already."""
        if self._asked:
            return
        if not self._started:
            self._start()
        self._asked = True
        self._questions.put(question)

    def take(self, question: Callable[[], T]) -> T:
        """Return the answer to what was asked, or ask now; raise what asking raised."""
        if not self._asked or self._taken_back():
            return question()
        answer = self._answers.get()
        self._asked = False
        return answer.require()

    def settle(self) -> None:
        """Throw away what was asked, once nobody is about it any more."""
        if self._asked and not self._taken_back():
            self._answers.get()
            self._asked = False

    def _taken_back(self) -> bool:
        try:
            self._questions.get_nowait()
        except Empty:
            return False
        self._asked = False
        return True

    def _start(self) -> None:
        work = threading.Thread(
            target=_answered,
            args=(self._questions, self._answers),
            name="clipmill-beside",
            daemon=True,
        )
        work.start()
        weakref.finalize(self, self._questions.put, None)
        self._started = True


def _answered(questions: Questions[T], answers: SimpleQueue[_Answer[T]]) -> None:
    """Answer one question after the other, in the thread."""
    while (question := questions.get()) is not None:
        answers.put(_Answer(question))
        del question
