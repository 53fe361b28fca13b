"""What was measured on a split."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from train.worst import Wrong


@dataclass(frozen=True, slots=True)
class Measured:
    """Counts of a split over all ranks.

    `result` is Metrics'; `confusion` int64 (classes, classes), rows the truth; `worst` the most
    confident errors, where somebody wants to see them.
    """

    result: dict[str, float]
    confusion: NDArray[np.int64]
    worst: list[Wrong] = field(default_factory=list)
