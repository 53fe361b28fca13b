"""What an object store refuses, told as clipmill's errors: what was found, and what to do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from manifests.errors import ClipmillError, StoppedError

_CODE = re.compile(r"<Code>([^<]*)</Code>(?:\s*<Message>([^<]*)</Message>)?")
_STATUS = re.compile(r"status code: (?!408|429)[34]\d\d")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "301 Moved")
_REFUSED = ("PermissionDeniedError", "UnauthenticatedError")
_REFUSING = ("403 Forbidden", "401 Unauthorized", "InvalidAccessKeyId", "SignatureDoesNotMatch")
# Where credentials are asked for when none are given; the store itself was never reached.
_ASKED_FOR_KEYS = ("169.254.169.254", "metadata.google.internal", "MissingAccount", "Account must")
_AGAIN = "then run the same command again; what was finished is kept."


def told(error: Exception, root: str) -> ClipmillError:
    """Return the error to raise for one of obstore's."""
    text = str(error).partition("\n\nDebug source")[0]
    found = _CODE.search(text)
    short = ": ".join(part for part in found.groups() if part) if found else " ".join(text.split())
    if any(mark in text for mark in _NO_BUCKET):
        return ClipmillError(
            f"the bucket of {root} does not exist ({short}). Create it, or mind its spelling, the "
            "region and the endpoint (AWS_REGION, AWS_ENDPOINT_URL)."
        )
    if any(mark in text for mark in _REGION):
        return ClipmillError(
            f"the bucket of {root} is in another region ({short}). Set AWS_REGION to its region."
        )
    if any(mark in text for mark in _ASKED_FOR_KEYS):
        return StoppedError(
            f"no credentials for {root} were found ({short}). Set those of the store "
            f"(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; see docs/remote-roots.md), {_AGAIN}"
        )
    if type(error).__name__ in _REFUSED or any(mark in text for mark in _REFUSING):
        return StoppedError(
            f"{root} refuses these credentials ({short}). Give some that may list, read, write and "
            f"delete there (see docs/remote-roots.md), {_AGAIN}"
        )
    return StoppedError(
        f"{root} cannot be reached ({short}). Look at the network and at the endpoint, {_AGAIN}"
    )


def is_final(error: Exception) -> bool:
    """Whether asking again is of no use: the store has answered, and not that it is busy."""
    return bool(_STATUS.search(str(error)))


@contextlib.contextmanager
def telling(root: str) -> Iterator[None]:
    """Turn obstore's errors into ours; FileNotFoundError passes where a file alone is missing."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        if any(mark in str(error) for mark in _NO_BUCKET):
            raise told(error, root) from error
        raise FileNotFoundError(str(error).partition("\n\nDebug source")[0]) from error
    except BaseError as error:
        raise told(error, root) from error
