"""What is known of torch and cuDNN together, told with its source and a cure."""

import subprocess
import sys

import pytest

from model.conv3d import FAULTS, faults, named, warnings, warnings_here


@pytest.mark.parametrize(
    ("torch", "cudnn", "sources"),
    [
        ("2.8.0+cu128", 91002, ["163539"]),
        ("2.9.0", 91300, ["166122", "163539"]),
        ("2.9.0", 92100, ["166122"]),
        ("2.9.1", 91300, ["166122", "163539"]),
        ("2.9.1", 91500, []),
        ("2.10.0", 91002, ["163539"]),
        ("2.13.0+cu130", 92000, []),
        ("2.13.0+cpu", None, []),
        ("2.4.0", 8907, []),
        ("2.4.0", 90100, []),
    ],
)
def test_pairs(torch, cudnn, sources):
    assert [fault.source.partition("#")[2] for fault in faults(torch, cudnn)] == sources
    assert len(warnings(torch, cudnn)) == len(sources)


def test_cudnns_numbers_are_written_as_people_do():
    assert [named(x) for x in (8907, 90100, 91002, 92100)] == ["8.9.7", "9.1.0", "9.10.2", "9.21.0"]


def test_a_warning_names_both_versions_the_source_and_a_cure():
    [slow, wrong] = warnings("2.9.1", 91002)
    assert "torch 2.9.1 with cuDNN 9.10.2" in slow and "four times as long" in slow
    assert "wrong results" in wrong and "9.15 or newer" in wrong
    assert all(fault.cure and fault.source.startswith("pytorch#") for fault in FAULTS)


def test_asking_imports_no_torch_until_this_process_s_own_is_meant():
    code = "import sys, model.conv3d as c; c.faults('2.9', 91002); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert warnings_here() == [], "the torch of the tests"
