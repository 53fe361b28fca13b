"""The collector of cycles is off inside, and afterwards as it was before."""

import gc

import pytest

from manifests.collector import without_collector


def test_off_inside_and_as_before_afterwards():
    assert gc.isenabled()
    with without_collector():
        assert not gc.isenabled()
        with without_collector():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_on_again_after_an_error():
    with pytest.raises(ValueError), without_collector():
        raise ValueError
    assert gc.isenabled()


def test_as_a_decorator_it_serves_more_than_once():
    enabled = without_collector()(gc.isenabled)
    assert (enabled(), enabled(), gc.isenabled()) == (False, False, True)
