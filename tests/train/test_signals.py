"""A signal is a wish; a second one is an order; what was there before comes back."""

import os
import signal

import pytest

from train.signals import Stop, ignore_early


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_ends(number):
    before = signal.getsignal(number)
    with Stop() as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_one_signal_saves_and_ends_nothing():
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    try:
        ignore_early()
        os.kill(os.getpid(), signal.SIGUSR1)
        with Stop() as stop:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert stop.saving and not stop.asked
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RuntimeError), Stop():
        raise RuntimeError
    assert signal.getsignal(signal.SIGTERM) is before
