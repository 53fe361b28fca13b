"""What a step does that the loop's tests do not show."""

from types import SimpleNamespace

import numpy as np
import torch

from train.streams import class_weights


def test_class_weights_let_every_class_count_alike():
    labels = np.array([0, 0, 0, 2, 2, 4])
    stream = SimpleNamespace(samples=SimpleNamespace(labels=labels), clip_ids=list("abcdef"))
    weights = class_weights(stream, 5)  # type: ignore[arg-type]
    torch.testing.assert_close(weights, torch.tensor([2 / 3, 1.0, 1.0, 1.0, 2.0]))
    assert weights[torch.from_numpy(labels)].mean().item() == 1
