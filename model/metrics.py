"""Loss, top-1, top-5 and the confusion matrix, counted exactly while batches stream by.

Every number is a sum, so ranks and parts of a data set add up to the whole in any order (the
loss up to rounding). Costs one top-k per batch and 8 * classes^2 bytes (2.9 MB for 600 classes);
`update` never waits for the device, `result` and `per_class` do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from manifests.errors import ClipmillError

TOP = 5


class Metrics:
    """Counts over clips that have a label; those labelled -1, or masked out, are left aside."""

    def __init__(self, num_classes: int, device: torch.device | str = "cpu") -> None:
        self.num_classes = num_classes

        def zeros(*shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self._state = {
            "loss": zeros(dtype=torch.float64),
            "top5": zeros(),
            "unlabelled": zeros(),
            "out_of_range": zeros(),
            "confusion": zeros(num_classes, num_classes),
        }

    def state(self) -> dict[str, Tensor]:
        """Return the live tensors; summing each over the ranks in place merges them.

        `loss` float64 and `top5`, `unlabelled`, `out_of_range` int64 are scalars; `confusion` is
        int64 (classes, classes), rows the truth and columns the prediction.
        """
        return dict(self._state)

    def merge(self, state: Mapping[str, Tensor]) -> None:
        """Add what another `state()` counted: another rank's, or one read from a file."""
        for name, mine in self._state.items():
            if name not in state or state[name].shape != mine.shape:
                found = tuple(state[name].shape) if name in state else "nothing"
                raise ClipmillError(
                    f"metrics state has {found} for {name!r}; expected {tuple(mine.shape)}: "
                    f"merge only states of {self.num_classes} classes."
                )
            mine += state[name].to(mine.device)

    @torch.no_grad()
    def update(self, logits: Tensor, labels: Tensor, valid: Tensor | None = None) -> None:
        """Count a batch: logits (N, classes), labels (N,) int, valid (N,) bool, false = padding.

        Raises:
            ClipmillError: shapes that do not fit. A label outside -1..classes-1 is counted and
                raised by `result`: looking at it here would wait for the device.
        """
        count = labels.shape[0]
        expected = (count, self.num_classes)
        if tuple(logits.shape) != expected or (valid is not None and valid.shape != labels.shape):
            raise ClipmillError(
                f"metrics got logits {tuple(logits.shape)}, labels {tuple(labels.shape)} and "
                f"valid {None if valid is None else tuple(valid.shape)}; expected logits "
                f"{expected} and one label and flag for each clip."
            )
        if not count:
            return
        labels = labels.long()
        valid = torch.ones_like(labels, dtype=torch.bool) if valid is None else valid
        known = valid & (labels >= 0) & (labels < self.num_classes)
        truth = torch.where(known, labels, 0)
        losses = functional.cross_entropy(logits.double(), truth, reduction="none")
        best = logits.topk(min(TOP, self.num_classes)).indices
        # The first of the top five, not argmax: among equal logits the two may differ.
        cells = truth * self.num_classes + best[:, 0]

        state = self._state
        state["loss"] += torch.where(known, losses, 0).sum()
        state["top5"] += ((best == truth[:, None]).any(1) & known).sum()
        state["unlabelled"] += (valid & (labels == -1)).sum()
        state["out_of_range"] += (valid & ~known & (labels != -1)).sum()
        state["confusion"].view(-1).index_add_(0, cells, known.long())

    def so_far(self) -> Tensor:
        """Return float64 (2,) on the device: clips that were right, and all. It does not wait."""
        confusion = self._state["confusion"]
        return torch.stack([confusion.diagonal().sum(), confusion.sum()]).double()

    def result(self) -> dict[str, float]:
        """Return plain numbers; NaN where no clip was labelled.

        `clips` and `unlabelled` are counts; `loss` is the mean cross-entropy in nats; `top1`,
        `top5` and `mean_recall` (over the classes that occur) are fractions from 0 to 1.

        Raises:
            ClipmillError: some label was outside -1..classes-1.
        """
        wrong = int(self._state["out_of_range"])
        if wrong:
            raise ClipmillError(
                f"{wrong} labels are outside -1..{self.num_classes - 1}: the data has other "
                f"classes than the network. Use the checkpoint that was trained on these labels."
            )
        confusion = self._state["confusion"].cpu()
        clips = int(confusion.sum())
        recall = self.per_class()["recall"]
        seen = recall[~recall.isnan()]

        def mean(total: float) -> float:
            return total / clips if clips else math.nan

        return {
            "clips": clips,
            "unlabelled": int(self._state["unlabelled"]),
            "loss": mean(float(self._state["loss"])),
            "top1": mean(int(confusion.diagonal().sum())),
            "top5": mean(int(self._state["top5"])),
            "mean_recall": float(seen.mean()) if len(seen) else math.nan,
        }

    def per_class(self) -> dict[str, Tensor]:
        """Return CPU tensors (classes,): `clips`, `predicted`, `correct`, `precision`, `recall`.

        Counts are int64; precision and recall float64, NaN where nothing was predicted or true.
        """
        confusion = self._state["confusion"].cpu()
        clips, predicted, correct = confusion.sum(1), confusion.sum(0), confusion.diagonal()
        return {
            "clips": clips,
            "predicted": predicted,
            "correct": correct.clone(),
            "precision": correct.double() / predicted,  # 0 / 0 is NaN
            "recall": correct.double() / clips,
        }
