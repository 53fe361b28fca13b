"""A safetensors file of parts, each with its own digest: what is published, what resumes, what
the network has seen.

The format is Hugging Face's (8 bytes of length, a JSON header, the tensors' bytes), so any
safetensors reader opens it; nothing in it can run. Written here rather than by their library
because this way the bytes depend only on the content and go through storage's one door.
Writing reads each tensor twice (digest, file) and copies only what is not on the CPU or not
contiguous; reading maps the file and hashes the parts that are asked for, about 10 GB/s.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from manifests.errors import ClipmillError, DamagedError
from manifests.local import LocalStorage
from manifests.nocheckpoint import no_checkpoint
from manifests.parts import PARTS, PREFIXES, digest, part_of, text_key

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
CURE = "Use a checkpoint that `clipmill train` wrote: best or last.safetensors of a run folder."
MAX_HEADER = 100_000_000  # the limit of every safetensors reader


@dataclass(frozen=True, slots=True)
class Part:
    """A JSON text and the tensors that belong to it, by their names in the file."""

    text: str
    tensors: Mapping[str, Tensor]


def write(path: Path, parts: Mapping[str, Part]) -> None:
    """Put a whole file in place of `path`; after a kill at any moment the old or the new stands.

    Temporary files that killed processes of this machine left beside it are removed.

    Raises:
        ClipmillError: a tensor that cannot be stored, a header above 100 MB.
        StoppedError: the disk is full or cannot be written; the old file is whole.
    """
    metadata, entries, digests = {"format": "pt"}, {}, {}
    host: dict[str, Tensor] = {}
    for name, part in parts.items():
        mine = {key: _on_host(key, tensor) for key, tensor in part.tensors.items()}
        metadata[text_key(name)] = part.text
        digests[name] = _digest(part.text, mine)
        host |= mine
    metadata[PARTS] = json.dumps(digests)
    # Wide types first, so that every tensor starts at a multiple of its element's size.
    order = sorted(host, key=lambda key: (-host[key].element_size(), key))
    offset = 0
    for key in order:
        end = offset + host[key].nbytes
        shape, dtype = list(host[key].shape), DTYPES[host[key].dtype]
        entries[key] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    header = json.dumps({"__metadata__": metadata, **entries}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > MAX_HEADER:
        raise ClipmillError(
            f"{path}: the plain values take {len(header)} bytes; expected at most {MAX_HEADER}. "
            f"Keep long lists of numbers in tensors."
        )
    parent = path.expanduser().parent.resolve()
    storage, folder = LocalStorage(parent.parent), parent.name
    storage.clean(folder)
    with storage.writer(f"{folder}/{path.name}") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        for key in order:
            out.write(_raw(host[key]))


def read(path: Path, wanted: Collection[str]) -> dict[str, Part]:
    """Return the parts in `wanted` that the file has, their digests checked; tensors on the CPU.

    Raises:
        ClipmillError: no such file, a pickle.
        DamagedError: a truncated or damaged file, or one of another format.
    """
    if not path.is_file():
        raise no_checkpoint(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata, keys = file.metadata() or {}, sorted(file.keys())
            if PARTS not in metadata:
                raise DamagedError(
                    f"{path} is a safetensors file, but no clipmill checkpoint. {CURE}"
                )
            found = {}
            for name, expected in dict(json.loads(metadata[PARTS])).items():
                if name in PREFIXES and name not in wanted:
                    continue  # an unknown name is damage: its digest matches nothing
                text = metadata.get(text_key(name), "")
                tensors = {key: file.get_tensor(key) for key in keys if part_of(key) == name}
                if _digest(text, tensors) != expected:
                    raise DamagedError(
                        f"{path} is damaged: the digest of its {name} does not match its bytes. "
                        f"Use another checkpoint of the run, or copy the file again."
                    )
                found[name] = Part(text, tensors)
            return found
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise _unreadable(path, error) from error


def _on_host(key: str, tensor: Tensor) -> Tensor:
    if tensor.dtype not in DTYPES or tensor.layout != torch.strided or tensor.is_meta:
        raise ClipmillError(
            f"tensor {key!r} is {tensor.dtype}, {tensor.layout} on {tensor.device}; a checkpoint "
            f"holds dense tensors of {', '.join(str(d).split('.')[1] for d in DTYPES)}."
        )
    return tensor.detach().cpu().contiguous()


def _raw(tensor: Tensor) -> memoryview:
    if not tensor.numel():  # one from numpy has a stride that cannot be viewed as bytes
        return memoryview(b"")
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    order = ((key, tensors[key]) for key in sorted(tensors))
    return digest(text, ((k, DTYPES.get(x.dtype), list(x.shape), _raw(x)) for k, x in order))


def _unreadable(path: Path, error: Exception) -> ClipmillError:
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04" or start[:1] == b"\x80":
        return ClipmillError(
            f"{path} is a pickle (a PyTorch .pth file), not a clipmill checkpoint; pickles are "
            f"never run. {CURE}"
        )
    return DamagedError(
        f"{path} is not a whole safetensors file: {error}. If it was cut short in copying, copy "
        f"it again; otherwise use another checkpoint of the run."
    )
