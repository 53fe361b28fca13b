"""obstore's client for a root: what it is told by the root and by the environment.

Credentials, region and endpoint are read by obstore from the variables that the store's own tools
use (AWS_…, GOOGLE_…, AZURE_…). A process has one client a root: about 10 ms, and then connections
that stay open.
"""

from __future__ import annotations

import datetime
import functools
import os
import re
from typing import Any

from manifests.errors import ClipmillError
from manifests.objecterrors import telling

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl")
PATIENCE = "CLIPMILL_STORE_PATIENCE"
_READ_BY_OBSTORE = ("AWS_", "GOOGLE_", "AZURE_", "CLIPMILL_STORE_")


def client(root: str) -> Any:
    """Return the client for `scheme://bucket/prefix`.

    Raises:
        ClipmillError: no such scheme, no bucket, obstore is not installed, wrong settings.
    """
    match = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]+)://([^/?#]+)((?:/[^?#]*)?)", root)
    if not match or match[1].lower() not in SCHEMES:
        raise ClipmillError(
            f"--root {root!r}; expected a local folder, or a bucket with a prefix such as "
            f"s3://bucket/name (schemes: {', '.join(SCHEMES)})."
        )
    # What is forked may not use its parent's client.
    settings = frozenset((k, v) for k, v in os.environ.items() if k.startswith(_READ_BY_OBSTORE))
    return _client(root, settings, os.getpid())


def patience() -> float:
    """Return for how many seconds a store that does not answer is asked again.

    Raises:
        ClipmillError: CLIPMILL_STORE_PATIENCE is no number.
    """
    text = os.environ.get(PATIENCE) or "60"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ClipmillError(f"{PATIENCE} is {text!r}; expected a number of seconds up to 3600.")
    return seconds


@functools.lru_cache(maxsize=16)
def _client(root: str, settings: frozenset[tuple[str, str]], process: int) -> Any:
    try:
        from obstore.store import from_url
    except ImportError:
        raise ClipmillError(
            f"--root {root!r} is in an object store, which needs obstore. Install it with "
            "`pip install 'clipmill[s3]'`."
        ) from None
    seconds = patience()
    endpoints = [value for name, value in settings if name.endswith(("ENDPOINT_URL", "ENDPOINT"))]
    more: dict[str, Any] = {
        "allow_http": any(value.startswith("http://") for value in endpoints),
        "connect_timeout": datetime.timedelta(seconds=5),
        "read_timeout": datetime.timedelta(seconds=30),
        "timeout": datetime.timedelta(seconds=600),
    }
    retry: Any = {
        "max_retries": 100,
        "retry_timeout": datetime.timedelta(seconds=min(seconds, 240)),
        "backoff": {
            "init_backoff": datetime.timedelta(milliseconds=100),
            "max_backoff": datetime.timedelta(seconds=5),
            "base": 2,
        },
    }
    with telling(root):
        try:
            return from_url(root, client_options=more, retry_config=retry)  # type: ignore[arg-type]
        except ValueError as error:
            raise ClipmillError(f"--root {root!r} cannot be opened ({error}).") from error
