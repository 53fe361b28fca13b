"""A file of weights, ours or another's, as plain tensors: read as data, never run.

.safetensors (a clipmill checkpoint with its digest checked, or anybody's) and PyTorch's .pth, which
is a pickle and read with `weights_only=True`: what is no tensor or plain value in it is refused.
Reading maps the file; the sums inside a .pth, which torch itself does not look at, and the sha256
cost 1 to 2 s a gigabyte each.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from manifests.errors import ClipmillError
from manifests.parts import PARTS
from manifests.seen import Seen, read
from model import checkpoint
from model.layers import NetworkSpec

# Where training scripts put the weights among other things, and what wrappers put before names.
NESTS = ("state_dict", "model", "model_state_dict", "network")
PREFIXES = ("module.", "_orig_mod.")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class WeightsFile:
    """Tensors by name, and of a clipmill checkpoint what is known beside them."""

    tensors: Mapping[str, Tensor]
    network: NetworkSpec | None = None
    labels: tuple[str, ...] | None = None
    seen: Seen | None = None


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: Path, shown: str) -> WeightsFile:
    """Read the tensors of a file, on the CPU; `shown` names it in errors.

    Raises:
        ClipmillError: code in it, no weights in it, another format, a truncated or damaged file.
    """
    with path.open("rb") as file:
        start = file.read(9)
    if start[8:9] == b"{":  # after eight bytes of any value: the length of a safetensors' header
        return _safetensors(path, shown)
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return WeightsFile(_plain(_unpickled(path, shown, start[:1] == b"P"), shown))
    raise ClipmillError(
        f"{shown} is no file of weights; expected .safetensors, or a PyTorch .pth that holds a "
        "state dict. A page that asks to log in is often saved in its place."
    )


def _safetensors(path: Path, shown: str) -> WeightsFile:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            ours = PARTS in (file.metadata() or {})
            names = [] if ours else sorted(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise _broken(shown, error) from error
    if not ours:
        return WeightsFile(_plain(tensors, shown))
    saved = checkpoint.load(path, with_state=False)
    return WeightsFile(saved.weights, saved.network, saved.labels, read(path))


def _unpickled(path: Path, shown: str, zipped: bool) -> Any:
    try:
        value = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
        if zipped:
            _require_sums(path)
        return value
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]{1,200})", str(error))
        if named is None and "Unsupported" not in str(error):
            raise _broken(shown, error) from error
        what = f"code or objects ({named[1]})" if named else "code or objects"
        raise ClipmillError(
            f"{shown} holds {what}, and expected are tensors alone: nothing in it was run. If you "
            "trust whoever made it, save its bare state dict with torch.save(model.state_dict(), …)"
            " where that code belongs, and give that file."
        ) from error
    except Exception as error:  # a damaged file can raise whatever its bytes lead to
        raise _broken(shown, error) from error


def _require_sums(path: Path) -> None:
    """Raise BadZipFile where a member is not what was written; torch may write no sums: zeros."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.CRC and member.compress_type == zipfile.ZIP_STORED:
                with archive.open(member) as file:
                    while file.read(_BLOCK):
                        pass


def _plain(value: Any, shown: str) -> dict[str, Tensor]:
    """Return the state dict in what was read, without the prefixes of wrappers."""
    for _ in NESTS:
        if not isinstance(value, Mapping) or any(isinstance(x, Tensor) for x in value.values()):
            break
        value = next((value[name] for name in NESTS if isinstance(value.get(name), Mapping)), None)
    tensors = dict(value) if isinstance(value, Mapping) else {}
    strange = [key for key, x in tensors.items() if not isinstance(key, str) or not _is_dense(x)]
    if strange or not tensors:
        what = f"{strange[0]!r}, which is no plain tensor" if strange else "no state dict"
        raise ClipmillError(
            f"{shown} holds {what}; expected tensors by name, alone or under "
            f"{', '.join(map(repr, NESTS))}. Save the state dict of the bare network."
        )
    while found := [x for x in PREFIXES if all(key.startswith(x) for key in tensors)]:
        tensors = {key.removeprefix(found[0]): tensor for key, tensor in tensors.items()}
    return {key: tensor.detach() for key, tensor in tensors.items()}


def _is_dense(value: Any) -> bool:
    if not isinstance(value, Tensor) or value.is_quantized or value.is_meta:
        return False
    return value.layout == torch.strided


def _broken(shown: str, error: Exception) -> ClipmillError:
    said = str(error).strip().splitlines() or [""]
    return ClipmillError(
        f"{shown} is not a whole file of weights: {type(error).__name__} {said[0][:200]}. If it "
        "was cut short in copying, copy it again."
    )
