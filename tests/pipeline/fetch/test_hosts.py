"""What is known of hosts, through clocks that jump and files that anybody wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.addresses import host_of
from pipeline.fetch.hosts import BUCKET, LONGEST_PAUSE_S, Host, read_hosts, write_hosts


@given(
    st.floats(1, 10_000),
    st.lists(st.tuples(st.sampled_from(["ask", "jump"]), st.floats(-1e6, 1e6)), max_size=40),
)
def test_no_jump_of_the_clock_gives_more_than_a_bucket_or_closes_for_ever(rate, events):
    host, now = Host(filled_at=0.0), 0.0
    for kind, value in events:
        if kind == "jump":
            now += value
            continue
        wait = host.wait(now, rate)
        assert 0 <= wait <= max(3600 / rate, LONGEST_PAUSE_S)
        assert host.tokens <= BUCKET
        now += wait


def test_what_is_written_is_read(tmp_path):
    hosts = {"h": Host(3.5, 1000.0, 2000.0, 2, "status 429"), "other": Host()}
    write_hosts(tmp_path / "b", hosts)
    assert read_hosts(tmp_path / "b") == hosts


def test_a_file_from_before_reasons_were_kept_is_read(tmp_path):
    (tmp_path / "b").write_text('{"h": {"tokens": 1, "filled_at": 2, "closed_until": 3, "b": 4}}')
    assert read_hosts(tmp_path / "b") == {"h": Host(1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://user:secret@Example.com:8443/a?b", "example.com:8443"),
        ("http://[::1]:80/x", "[::1]:80"),
        ("http://[bad/x", ""),
    ],
)
def test_names_of_hosts(url, name):
    assert host_of(url) == name
