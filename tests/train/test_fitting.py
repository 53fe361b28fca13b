"""Memory that ends in a step: the error names what a real, limited process can take."""

import os
import resource
from pathlib import Path

import pytest
import torch

from manifests.console import Ui
from manifests.dataset import Dataset
from model.world import World
from shards.reading import Reading
from train.fitting import explained, out_of_memory
from train.options import Options
from train.run import Run
from train.session import Session
from train.start import start

ALONE = World(0, 1, torch.device("cpu"))


def begun(root: Path, folder: Path) -> Session:
    options, how = Options(width=4, batch=24, crop=(20, 20)), Reading(workers=0)
    return start(Dataset.open(str(root)), options, Run(folder), ALONE, Ui(quiet=True), how)


def in_little_memory(session: Session, told: Path) -> None:
    """In a child: a step over clips of which half fit into what the process may still have."""
    pixels = torch.zeros((64, 4, 112, 112, 3), dtype=torch.uint8)
    session.network(session.normalise(pixels[:1])).sum().backward()
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (96 << 20), now + (96 << 20)))
    try:
        with explained(session, pixels):
            session.network(session.normalise(pixels)).sum().backward()
    except BaseException as error:
        told.write_text(f"{type(error).__name__}: {error}")
    else:
        told.write_text("it fitted")


def test_a_batch_that_fits_is_named(learnable, tmp_path: Path) -> None:
    session, told = begun(learnable, tmp_path / "run"), tmp_path / "told"
    child = os.fork()
    if not child:
        try:
            torch.set_num_threads(1)
            in_little_memory(session, told)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    text = told.read_text()
    assert text.startswith("ClipmillError: out of memory in a step of --batch 24 (")
    clips = int(text.partition(" of a process's 64 fit: use --batch ")[0].split()[-1])
    assert clips in (1, 2, 4, 8, 16, 32)
    assert f"--accumulate {64 // clips} to keep the batch" in text


def test_other_errors_pass(learnable, tmp_path: Path) -> None:
    session = begun(learnable, tmp_path / "run")
    with pytest.raises(RuntimeError, match="mine"), explained(session, torch.zeros(1)):
        raise RuntimeError("mine")
    assert out_of_memory(torch.OutOfMemoryError("CUDA")) and out_of_memory(MemoryError())
