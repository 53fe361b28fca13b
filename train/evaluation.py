"""What the network makes of a split: each clip once, whatever the number of ranks.

Costs one forward pass over the split, and one collective for the counts.
"""

from __future__ import annotations

import torch

from model.metrics import Metrics
from shards.stream import Stream
from train.measured import Measured
from train.session import Session
from train.worst import Worst, Wrong


def evaluate(session: Session, stream: Stream, *, pictures: bool = False) -> Measured:
    """Return what the kept network makes of a stream; with `pictures` its worst errors too."""
    device = session.world.device
    metrics, worst = Metrics(session.network.spec.num_classes, device), Worst(device)
    network = session.kept.eval()
    with torch.inference_mode(), session.computing():
        for batch in stream:
            pixels, labels = batch.pixels.to(device), batch.labels.to(device)
            clips = session.normalise(pixels)
            logits = network(clips.contiguous(memory_format=session.ways.layout)).float()
            metrics.update(logits, labels, batch.valid.to(device))
            if pictures:
                worst.update(pixels, logits, labels, batch.rows)
    return measured(
        session, metrics, worst.result(session.world, stream.clip_ids) if pictures else []
    )


def measured(session: Session, metrics: Metrics, worst: list[Wrong] | None = None) -> Measured:
    """Add up what all ranks have counted; a collective call."""
    whole = Metrics(session.network.spec.num_classes, session.world.device)
    whole.merge(session.world.total(metrics.state()))
    confusion = whole.state()["confusion"].cpu().numpy()
    return Measured(whole.result(), confusion, worst or [])
