"""Published weights into a network: all of them, or an error that says why not.

Only the head may be made anew: where the classes are others, or where that is asked for. Everything
else has to fit by name and shape, so that no network trains from weights it never got. Costs the
reading of the file and of its sha256.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from manifests.addresses import presentable
from manifests.console import Ui
from manifests.errors import ClipmillError
from manifests.onefile import at_hand
from manifests.seen import Seen
from manifests.storage import is_url
from model.layers import Network
from model.layouts import PAPER_WIDTH, Layout, recognise
from model.weightsfile import WeightsFile, read_weights, sha256_of

OPTION = "--init"
COUNTS = "num_batches_tracked"  # of norms: not in files of before torch 0.4.1
LEAST_DIGITS = 8  # of a sha256: as many as names of published files carry
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of importing: names of tensors, as the network has them.

    `matched` were taken from the file, `anew` stayed as the network drew them (its head), `left`
    stand in the file and were not taken (the file's head). `seen` is which videos the weights were
    trained on, where the file tells.
    """

    source: str
    sha256: str
    layout: str
    matched: tuple[str, ...]
    anew: tuple[str, ...]
    left: tuple[str, ...]
    notes: tuple[str, ...] = ()
    seen: Seen | None = None

    def record(self) -> dict[str, Any]:
        """Return what a run keeps of it: plain values."""
        return {
            "source": self.source,
            "sha256": self.sha256,
            "layout": self.layout,
            "matched": len(self.matched),
            "made_anew": list(self.anew),
            "not_taken": list(self.left),
        }

    def show(self, ui: Ui) -> None:
        """Print a table of it, and what is to be known beside."""
        rows = [
            ("taken as they are", len(self.matched), ""),
            ("made anew", len(self.anew), ", ".join(self.anew)),
            ("in the file, not taken", len(self.left), ", ".join(self.left)),
        ]
        title = f"weights of {self.source} ({self.layout}, sha256 {self.sha256[:12]})"
        ui.table(title, ("", "tensors", "which"), rows)
        for note in self.notes:
            ui.warn(note)


def import_weights(
    network: Network,
    source: str,
    *,
    sha256: str = "",
    labels: Sequence[str] = (),
    new_head: bool = False,
) -> Imported:
    """Fill a network with the weights of a file: a path, or an address (https://…, s3://…).

    `sha256` is what its bytes must have (or how that begins, from 8 digits on): checked before
    anything else is read. The head is made anew where `new_head` says so, where the file's has
    other classes, and where the file is a checkpoint of other `labels`.

    Raises:
        ClipmillError: no such file, another sha256, code in it, weights that do not fit.
        StoppedError: the server fails for too long, or the disk is full.
    """
    shown, wanted = presentable(source), _digits(sha256)
    digest = ""
    for anew in (False, True):  # the copy on this machine may be of another time
        with at_hand(source, OPTION, anew=anew) as path:
            digest = sha256_of(path)
            if digest.startswith(wanted):
                file = read_weights(path, shown)
                return _take(network, file, shown, digest, labels, new_head)
        if not is_url(source):
            break
    raise ClipmillError(
        f"{OPTION} {shown} has sha256 {digest}; expected {wanted}. It is another file, or a "
        "damaged one: nothing in it was read."
    )


def _digits(sha256: str) -> str:
    wanted = sha256.strip().lower()
    if wanted and not re.fullmatch(rf"[0-9a-f]{{{LEAST_DIGITS},64}}", wanted):
        raise ClipmillError(
            f"{OPTION}-sha256 {sha256!r}; expected {LEAST_DIGITS} to 64 hexadecimal digits."
        )
    return wanted


def _take(
    network: Network,
    file: WeightsFile,
    shown: str,
    digest: str,
    labels: Sequence[str],
    new_head: bool,
) -> Imported:
    """Hold the file against the network, then load it."""
    layout = recognise({name: tuple(tensor.shape) for name, tensor in file.tensors.items()})
    rename = layout.rename if layout else str
    found = {rename(name): tensor for name, tensor in file.tensors.items()}
    mine = network.state_dict()
    head = {name for name in mine if name.startswith(network.head_prefix)}
    others = bool(labels) and file.labels is not None and tuple(labels) != file.labels
    anew = new_head or others or not _same_classes(head, mine, found)
    left = {name for name in found if name.startswith(network.head_prefix)} if anew else set()
    made = head if anew else set()
    counts = {name for name in mine if name.endswith(COUNTS) and name not in found}
    wrong = _misfits(mine, found, made | counts, left)
    if wrong:
        raise _unfit(network, wrong, len(mine), shown, layout)
    matched = sorted(mine.keys() - made - counts)
    _require_finite({name: found[name] for name in matched}, shown)
    taken = {name: found[name] for name in matched} | {name: mine[name] for name in made}
    network.load_state_dict(taken | {name: torch.zeros_like(mine[name]) for name in counts})
    return Imported(
        shown,
        digest,
        layout.title if layout else "unknown layout",
        tuple(matched),
        tuple(sorted(made)),
        tuple(sorted(left)),
        _notes(network, file, layout),
        file.seen,
    )


def _same_classes(head: set[str], mine: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> bool:
    """Whether the file has a head, of as many classes. A head of other features is a misfit."""
    return all(name in found and found[name].shape[:1] == mine[name].shape[:1] for name in head)


def _misfits(
    mine: Mapping[str, Tensor], found: Mapping[str, Tensor], made: set[str], left: set[str]
) -> list[str]:
    """Return a line for each tensor that is missing, too much, or of another shape or kind."""
    lines = []
    both, either = mine.keys() & found.keys(), mine.keys() | found.keys()
    for name in (*sorted(both), *sorted(either - both)):
        expected, there = mine.get(name), found.get(name)
        if name in made | left or (expected is not None and _alike(there, expected)):
            continue
        lines.append(f"{name} is {_kind(there, 'missing')}, expected {_kind(expected, 'nothing')}")
    return lines


def _alike(one: Tensor | None, other: Tensor) -> bool:
    if one is None or one.shape != other.shape:
        return False
    return one.is_floating_point() == other.is_floating_point()


def _kind(tensor: Tensor | None, absent: str) -> str:
    if tensor is None:
        return absent
    numbers = "" if tensor.is_floating_point() else f" of {str(tensor.dtype).partition('.')[2]}"
    return f"{tuple(tensor.shape)}{numbers}"


def _unfit(
    network: Network, wrong: list[str], count: int, shown: str, layout: Layout | None
) -> ClipmillError:
    options = {name: value for name, value in network.spec.options.items() if name != "dropout"}
    what = f"{network.spec.name} ({', '.join(f'{k}={v}' for k, v in options.items())})"
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    if layout is None:
        looks = "It looks like no network that clipmill knows"
    elif not layout.model:
        looks = f"It looks like {layout.title}, which clipmill has not"
    elif layout.model == network.spec.name and _as_built(network, layout):
        looks = f"It looks like {layout.title}, changed: give the state dict of the bare network"
    else:
        looks = f"It looks like {layout.title}: take {layout.choice}"
    return ClipmillError(
        f"{OPTION} {shown}: {len(wrong)} tensors do not fit the {count} of {what}: "
        f"{'; '.join(wrong[:_SHOWN])}{more}. {looks}."
    )


def _as_built(network: Network, layout: Layout) -> bool:
    defaults = {"width": PAPER_WIDTH, "planes": "torchvision"}
    built = network.spec.options
    return all(built[k] == layout.options.get(k, v) for k, v in defaults.items() if k in built)


def _require_finite(weights: Mapping[str, Tensor], shown: str) -> None:
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ClipmillError(
                f"{OPTION} {shown}: {name} holds numbers that are not finite: its training had "
                "diverged. Use another file."
            )


def _notes(network: Network, file: WeightsFile, layout: Layout | None) -> tuple[str, ...]:
    """Return what fits by shape and yet is not the same, and what else is to be known."""
    notes = [layout.note] if layout and layout.note else []
    theirs = dict(layout.options) if layout else {}
    theirs |= dict(file.network.options) if file.network else {}
    for name, value in theirs.items():
        mine = network.spec.options.get(name, value)
        if name not in ("dropout", "width") and mine != value:
            flag = f"--no-{name}" if value is False else f"--{name} {value}"
            notes.append(
                f"these weights are of a network with {flag}, and this one has {name} {mine!r}: "
                "they fit, and mean something else here"
            )
    return tuple(notes)
