"""Nested training state (optimiser, random generators, counters) as JSON text plus plain tensors.

What comes back is equal in type, order and bits. JSON holds scalars, strings and lists as they
are; every JSON object has one key, which says what it stands for:

    (1, 2)      {"tuple": [1, 2]}              tensor        {"tensor": "state/3"}
    {0: "a"}    {"dict": [[0, "a"]]}           numpy array   {"array": "state/4"}

Tensors are not copied. Anything else is refused: data is never code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from manifests.errors import ClipmillError

MAX_DEPTH = 64
_KEYS = (str, int, float, type(None))  # bool is an int


def pack(value: Any, prefix: str) -> tuple[str, dict[str, Tensor]]:
    """Return the JSON text of `value` and its tensors, named `prefix` plus a number.

    Raises:
        ClipmillError: a value of another type (naming where it stands), nesting deeper than 64.
    """
    tensors: dict[str, Tensor] = {}

    def keep(tensor: Tensor) -> str:
        name = f"{prefix}{len(tensors)}"
        tensors[name] = tensor.detach()
        return name

    def walk(value: Any, path: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ClipmillError(
                f"{path[:80]}… is nested deeper than {MAX_DEPTH}; expected plain training state. "
                f"Does it contain itself?"
            )
        if isinstance(value, Mapping):
            pairs = []
            for key, item in value.items():
                if not isinstance(key, _KEYS):
                    raise _refused(f"the key {key!r} of {path}", key)
                pairs.append([key, walk(item, f"{path}[{key!r}]", depth + 1)])
            return {"dict": pairs}
        if isinstance(value, list | tuple):
            items = [walk(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
            return items if isinstance(value, list) else {"tuple": items}
        if isinstance(value, Tensor):
            return {"tensor": keep(value)}
        if isinstance(value, np.ndarray):
            try:
                return {"array": keep(torch.from_numpy(np.array(value)))}
            except TypeError:
                raise _refused(path, value) from None
        if isinstance(value, _KEYS):
            return value
        raise _refused(path, value)

    return json.dumps(walk(value, "state", 0), separators=(",", ":")), tensors


def unpack(text: str, tensors: Mapping[str, Tensor]) -> Any:
    """Return the value whose `pack` gave `text`; tensors are shared with `tensors`, not copied.

    Raises:
        ValueError, KeyError, TypeError: text that `pack` did not write.
    """

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        ((kind, inner),) = node.items()
        match kind:
            case "tuple":
                return tuple(walk(item) for item in inner)
            case "dict":
                return {key: walk(item) for key, item in inner}
            case "tensor":
                return tensors[inner]
            case "array":
                return tensors[inner].numpy()
        raise ValueError(f"unknown kind {kind!r}")

    return walk(json.loads(text))


def _refused(path: str, value: object) -> ClipmillError:
    return ClipmillError(
        f"{path} is a {type(value).__module__}.{type(value).__qualname__}; a checkpoint holds only "
        f"tensors, numpy arrays of numbers, str, int, float, bool, None, list, tuple and dict. "
        f"Convert it first."
    )
