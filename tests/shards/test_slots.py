"""Slots: shared memory that is used again only when nobody can see what it held."""

import gc
import multiprocessing
import os
import queue
import random
import threading

import numpy as np
import pytest
import torch

from manifests.spec import Window
from shards.slots import RANDOM, Pool, Slots

WINDOW = Window(2, 3, 4)


def slots(count: int = 4) -> Slots:
    return Slots(count, 5, WINDOW)


def _write(shared: Slots) -> None:
    shared.pixels[2] = 7
    shared.random[2] = 0.5


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_what_another_process_writes_is_seen(method: str) -> None:
    shared = slots()
    assert shared.pixels.shape == (4, 5, 2, 3, 4, 3) and shared.random.shape == (4, 5, RANDOM)
    process = multiprocessing.get_context(method).Process(target=_write, args=(shared,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert (shared.pixels[2] == 7).all() and (shared.random[2] == 0.5).all()
    assert not shared.pixels[[0, 1, 3]].any()


def test_memory_and_descriptor_go_with_the_slots() -> None:
    before, names = len(os.listdir("/proc/self/fd")), set(os.listdir("/dev/shm"))
    for _ in range(5):
        shared = slots()
        pool = Pool(shared, 2)
        pool.show(pool.take(1)[0])
        del shared, pool
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before
    assert not any(name.startswith("clipmill") for name in {*os.listdir("/dev/shm")} - names)


def test_a_slot_is_free_when_the_last_view_of_it_is_gone() -> None:
    pool = Pool(slots(2), 2)
    [slot] = pool.take(1)
    tensor = pool.show(slot)
    view = tensor[1:3].permute(0, 4, 1, 2, 3)
    del tensor
    assert pool.take(1) != (slot,), "a view of it is left"
    del view
    assert pool.take(1) == (slot,)


def test_who_holds_many_gets_copies() -> None:
    shared = slots(3)
    pool = Pool(shared, 2)
    kept = []
    for number in range(20):
        [slot] = pool.take(1)
        shared.pixels[slot] = number
        kept.append(pool.show(slot))
    assert [int(tensor.unique().item()) for tensor in kept] == list(range(20))


def test_no_order_of_holding_and_dropping_ever_shows_a_slot_that_was_written_to() -> None:
    generator = random.Random(4)
    shared = slots(5)
    pool = Pool(shared, 2)
    held: dict[int, torch.Tensor] = {}
    for number in range(500):
        taken = pool.take(generator.choice([1, 2]))
        for slot in taken:
            shared.pixels[slot] = (number * 2 + slot) % 251
            held[number * 10 + slot] = pool.show(slot)
        assert all(
            bool((tensor == (key // 10 * 2 + key % 10) % 251).all()) for key, tensor in held.items()
        )
        for key in generator.sample([*held], min(len(held), generator.choice([0, 1, 2, 3]))):
            del held[key]


def test_what_was_taken_and_never_shown_is_taken_back() -> None:
    pool = Pool(slots(3), 2)
    first = pool.take(3)
    shown = pool.show(first[1])
    pool.recover()
    assert set(pool.take(2)) == {first[0], first[2]}
    assert np.shares_memory(shown.numpy(), pool._slots.pixels)


def test_another_thread_takes_while_this_one_shows_and_drops() -> None:
    """Four slots on their way at most: three taken ahead, and one in hand."""
    shared = slots(6)
    pool = Pool(shared, 2)
    filled: queue.Queue[tuple[int, int]] = queue.Queue(maxsize=2)
    generator, errors = random.Random(5), []

    def fill() -> None:
        try:
            for number in range(3000):
                [slot] = pool.take(1)
                shared.pixels[slot] = number % 251
                filled.put((number, slot))
        except IndexError as error:
            errors.append(error)
            filled.put((-1, 0))

    thread = threading.Thread(target=fill)
    thread.start()
    held: list[tuple[int, torch.Tensor]] = []
    for wanted in range(3000):
        number, slot = filled.get()
        assert number == wanted, errors
        held.append((number, pool.show(slot)))
        assert all(bool((tensor == at % 251).all()) for at, tensor in held)
        del held[: max(0, len(held) - generator.choice([0, 1, 2, 4]))]
    thread.join(60)


def test_all_memory_is_taken_when_it_is_touched() -> None:
    ring = Slots(4, 2, Window(3, 64, 64))
    assert os.fstat(ring._fd).st_blocks == 0
    ring.touch()
    assert os.fstat(ring._fd).st_blocks * 512 >= ring.nbytes
    assert not ring.pixels.any() and not ring.random.any()
