"""Messages of failed fetches, as rows and terminals may hold them."""

import pytest

from manifests.addresses import presentable
from pipeline.fetch.errors import FetchError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("status 404 \x1b[2J\x1b]0;pwn\x07 not\n", "status 404  [2J ]0;pwn  not"),
        ("url: http://user:p@ss@host/a?b@c (reset)", "url: http://host/a?b@c (reset)"),
        ("https://host/a@b", "https://host/a@b"),
        ("Video \u2028unavailable — “sorry”", "Video  unavailable — “sorry”"),
    ],
)
def test_what_is_shown(text, shown):
    assert presentable(text) == shown
    assert FetchError(text).message == str(FetchError(text)) == shown


def test_what_is_asked_again_at_once():
    assert FetchError("timed out").passing
    assert FetchError("status 503", status=503).passing
    assert not FetchError("timed out", lasting=True).passing
    assert not FetchError("timed out", changed=True).passing
    assert not FetchError("status 429", status=429).passing
    assert not FetchError("interrupted").passing
