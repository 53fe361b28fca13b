"""What a run's network begins with: drawn weights, or a file's (`--init`), which is recorded.

A run that goes on imports nothing: its weights are its checkpoint's, and the record is read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manifests.console import Ui
from manifests.errors import ClipmillError
from manifests.seen import Seen
from model.importing import import_weights
from model.layers import Network
from train.options import Options
from train.run import Run


@dataclass(frozen=True, slots=True)
class Beginning:
    """The record of what was imported (empty: nothing), and what those weights had seen."""

    record: Mapping[str, Any] = field(default_factory=dict)
    seen: Seen | None = None

    @property
    def new_head(self) -> bool:
        """Whether a head that was drawn stands on weights that were imported."""
        return bool(self.record.get("made_anew"))


def begin(
    network: Network, options: Options, labels: Sequence[str], run: Run, going_on: bool, ui: Ui
) -> Beginning:
    """Fill the network with the weights that `options.init` names, unless the run goes on.

    Raises:
        ClipmillError: the file is not there, is another one, or does not fit.
    """
    if options.init is None:
        if options.init_sha256:
            raise ClipmillError("--init-sha256 says what --init is to be; give --init too.")
        return Beginning()
    if going_on:
        return Beginning(run.read_init())
    done = import_weights(network, options.init, sha256=options.init_sha256 or "", labels=labels)
    done.show(ui)
    return Beginning(done.record(), done.seen)
