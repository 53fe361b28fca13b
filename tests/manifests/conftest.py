"""What the tests of the dataset folder share."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def small() -> ModuleType:
    """tests/manifests/small.py: make a dataset folder of four clips."""
    path = Path(__file__).with_name("small.py")
    found = importlib.util.spec_from_file_location("clipmill_small", path)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
