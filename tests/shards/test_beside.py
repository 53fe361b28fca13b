"""One question at a time, answered in a thread or by whoever takes: once, in order, no longer."""

import gc
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.beside import Beside


@given(st.lists(st.sampled_from(["ask", "take", "pause", "settle"]), max_size=40))
def test_each_answer_comes_once_and_in_order(what: list[str]) -> None:
    beside: Beside[int] = Beside()
    asked, taken = iter(range(99)), []
    for one in what:
        if one == "ask":
            beside.ask(asked.__next__)
        elif one == "take":
            taken.append(beside.take(asked.__next__))
        elif one == "pause":
            time.sleep(0)
        else:
            beside.settle()
    assert taken == sorted(set(taken)) and len(taken) == what.count("take")
    if "settle" not in what:
        assert taken == [*range(len(taken))]


def test_what_is_asked_is_answered_beside() -> None:
    beside: Beside[int] = Beside()
    done = threading.Event()

    def question() -> int:
        done.set()
        return threading.get_ident()

    beside.ask(question)
    assert done.wait(60), "without anybody who takes"
    assert beside.take(question) != threading.get_ident()
    assert beside.take(question) == threading.get_ident(), "nothing was asked"


def test_an_error_is_raised_where_the_answer_is_taken() -> None:
    beside: Beside[int] = Beside()
    for error in (ValueError("no"), StopIteration()):

        def question(error: Exception = error) -> int:
            raise error

        beside.ask(question)
        with pytest.raises(type(error)):
            beside.take(question)
        beside.ask(question)
        beside.settle()
        assert beside.take(lambda: 5) == 5


def test_settling_waits_for_who_is_about_it() -> None:
    beside: Beside[int] = Beside()
    begun, ended = threading.Event(), []

    def question() -> int:
        begun.set()
        time.sleep(0.05)
        ended.append(True)
        return 1

    beside.ask(question)
    begun.wait(60)
    beside.settle()
    assert ended and beside.take(lambda: 2) == 2


def test_the_thread_ends_with_its_owner_and_keeps_nothing_before() -> None:
    class Thing:
        def __call__(self) -> int:
            return 1

    beside: Beside[int] = Beside()
    before, thing = set(threading.enumerate()), Thing()
    beside.ask(thing)
    [thread] = set(threading.enumerate()) - before
    beside.take(thing)
    del beside
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()
    assert len(gc.get_referrers(thing)) <= 1
