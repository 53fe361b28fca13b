"""joblib's processes: a killed one is one clear error, and what is given up ends quietly."""

import os
import signal
import warnings
from collections.abc import Iterator

import pytest

from manifests.errors import StoppedError
from pipeline.crew import Crew, in_processes


def die(unit: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return unit


def test_a_killed_process_is_one_clear_error() -> None:
    with pytest.raises(StoppedError, match="a worker process was killed"):
        list(in_processes(die, [1, 2, 3], Crew(2)))


def test_results_given_up_are_closed_without_a_warning(
    recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import joblib

    ends: list[str] = []

    def given() -> Iterator[dict[str, str]]:
        """Stands for joblib's results: closing them before their end warns."""
        try:
            while True:
                yield {}
        except GeneratorExit:
            ends.append("closed")
            warnings.warn("3 tasks have been cancelled", UserWarning, stacklevel=1)

    monkeypatch.setattr(joblib, "Parallel", lambda **_: lambda tasks: given())
    results = in_processes(str, ["a", "b"], Crew(2))
    assert next(results) == {}
    results.close()
    assert ends == ["closed"]
    assert not recwarn.list
