"""Who works: what the options mean, and what is refused."""

import os
import sys

import pytest

from manifests.errors import ClipmillError
from pipeline import crew as crews
from pipeline.crew import Crew, in_processes


def test_zero_jobs_are_a_worker_for_each_core() -> None:
    assert Crew().workers == len(os.sched_getaffinity(0))
    assert Crew(3).workers == 3


def test_a_cluster_is_given_units_ahead_unless_told_how_many() -> None:
    assert Crew(2, "dask").ahead == 4
    assert Crew(0, "dask", "tcp://host:8786").ahead == crews.AHEAD
    assert Crew(5, "ray", "auto").ahead == 5


def test_threads_are_nothing_that_a_cluster_does() -> None:
    assert Crew().threads(8) == 8
    assert Crew(3).threads(8) == 3
    assert Crew(100, "ray", "auto").threads(8) == 8


def test_an_address_needs_a_cluster() -> None:
    with pytest.raises(ClipmillError, match="this machine only; expected --backend dask"):
        Crew(address="tcp://host:8786")
    with pytest.raises(ClipmillError, match=r"unknown backend 'dusk'.*Did you mean 'dask'"):
        Crew(backend="dusk")  # type: ignore[arg-type]


def test_one_worker_and_one_unit_need_no_process() -> None:
    here = os.getpid()
    assert list(in_processes(lambda _: os.getpid(), [1, 2], Crew(1))) == [here, here]
    assert list(in_processes(lambda _: os.getpid(), [1], Crew(4))) == [here]


@pytest.mark.parametrize(("backend", "module"), [("dask", "distributed"), ("ray", "ray")])
def test_an_engine_that_is_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, backend: crews.Backend, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ClipmillError, match=rf"pip install 'clipmill\[{backend}\]'") as error:
        list(in_processes(str, [1, 2], Crew(2, backend)))
    assert error.value.exit_code == 2
