"""An epoch's row of figures, and the tables that a run keeps of them.

metrics.parquet and metrics.csv hold a row an epoch; confusions/epoch-0001.parquet the cells of an
epoch's confusion matrices that are not zero, from which every figure of a class follows. All are
named by what they hold and written whole, so a resumed run leaves nothing twice: the rows are the
checkpoint's, and an epoch that is done again replaces its file. 600 classes with 30,000 clips of
val cost about 0.1 MB an epoch.
"""

from __future__ import annotations

import csv
import io
import resource
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from manifests import schema, tables
from train.measured import Measured
from train.session import Session

SPLITS = ("train", "val", "test")
NAMES = ("loss", "top1", "top5", "mean_recall")
CSV, PARQUET, FOLDER = "metrics.csv", "metrics.parquet", "confusions"


def row(
    session: Session, epoch: int, found: Mapping[str, Measured], pace: Mapping[str, float]
) -> dict[str, Any]:
    """Return an epoch's figures by the columns of the table `metrics`; None where there are none.

    `found` is what was measured by split; `pace` has seconds and, where clips of train were left
    when the epoch was gone on with, clips_per_s and waiting (0 to 1).
    """
    figures: dict[str, Any] = {
        "clips_per_s": None,
        "waiting": None,
        "epoch": epoch + 1,
        "step": session.train.progress,
        "clips": clips_seen(session),
        "lr": session.optimizer.param_groups[0]["lr"],
    }
    for split in SPLITS:
        result = found[split].result if split in found else {}
        figures |= {f"{split}_{name}": result.get(name) for name in NAMES}
    return figures | dict(pace) | memory(session.world.device)


def clips_seen(session: Session) -> int:
    """Return the clips of train that lie behind, in all epochs; what an epoch left out counts.

    It grows alike for every batch size, so it is what curves are drawn over.
    """
    stream = session.train
    return stream.epoch * len(stream.samples) + stream.skipped + stream.step * stream.global_batch


def memory(device: torch.device) -> dict[str, float | None]:
    """Return the most memory that this process has held, in MB: its own, and of its GPU."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    on_gpu = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None
    return {
        "memory_mb": most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6,
        "gpu_memory_mb": on_gpu,
    }


def write(session: Session, epoch: int, found: Mapping[str, Measured]) -> None:
    """Write the run's tables: of all epochs so far, and this one's confusion matrices."""
    session.run.write(f"{FOLDER}/epoch-{epoch + 1:04d}.parquet", confusions(found))
    session.run.write(PARQUET, as_parquet(session.log))
    session.run.write(CSV, as_csv(session.log))


def as_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as CSV with six digits; what a row does not have stays empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = schema.TABLES["metrics"].names
    writer.writerow(names)
    for one in rows:
        values = (one.get(name) for name in names)
        writer.writerow([f"{x:.6g}" if isinstance(x, float) else x for x in values])
    return text.getvalue().encode()


def as_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as the table `metrics`; of rows of before it had all columns the missing are 0.

    Raises:
        ValueError: a column that the table does not have.
    """
    whole = [{"step": 0, "clips": 0} | dict(one) for one in rows]
    return tables.encode("metrics", tables.from_rows("metrics", whole))


def confusions(found: Mapping[str, Measured]) -> bytes:
    """Return the cells of confusion matrices by split as the table `confusions`."""
    parts = [schema.TABLES["confusions"].empty_table()]
    for split, measured in found.items():
        truth, predicted = np.nonzero(measured.confusion)
        columns = [
            pa.array([split] * len(truth), pa.string()),
            pa.array(truth, pa.int32()),
            pa.array(predicted, pa.int32()),
            pa.array(measured.confusion[truth, predicted], pa.int64()),
        ]
        parts.append(pa.Table.from_arrays(columns, schema=schema.TABLES["confusions"]))
    return tables.encode("confusions", pa.concat_tables(parts).combine_chunks())
