"""visdom: windows of a run on a visdom server, by default the one at http://localhost:8097.

Windows are always sent whole, so a server that was away, or was started anew, shows the whole run
again, and a run that goes on doubles nothing. What is sent is what visdom's own client would send;
it is not imported, for it would bring scipy, and it stops whoever loses the server.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from train.curve import Curve
from train.figures import SPLITS
from train.trackers import pictures
from train.trackers.sender import Sender
from train.trackers.told import Told

STEP_EVERY_S = 2.0
NAMES_UP_TO = 60  # classes that are named beside a confusion matrix
# Of each window of curves: its curves by name.
LINES: dict[str, Mapping[str, str]] = {
    "loss": {split: f"{split}_loss" for split in SPLITS},
    "top-1": {split: f"{split}_top1" for split in SPLITS},
    "top-5": {split: f"{split}_top5" for split in SPLITS},
    "mean recall": {split: f"{split}_mean_recall" for split in SPLITS},
    "learning rate": {"lr": "lr"},
    "clips a second": {"train": "clips_per_s"},
    "share of time waiting for data": {"train": "waiting"},
    "memory, MB": {"process": "memory_mb", "GPU": "gpu_memory_mb"},
}


class Visdom:
    """Shows a run in the environment `env` of a visdom server."""

    name = "visdom"

    def __init__(self, address: str, env: str) -> None:
        self.page = f"{address}/env/{env}"
        self._address, self._env = address, env
        self._sender = Sender(address)
        self._clips = 1
        self._shown = -math.inf
        self._complained = False

    @property
    def away(self) -> str:
        """What to tell of a server that is not there."""
        return (
            f"no visdom server at {self._address} ({self._sender.trouble}). Start one: `pip "
            "install 'clipmill[visdom]'`, `visdom -port 8097`; or name another by --visdom. "
            "The run goes on, and appears there as soon as it can."
        )

    def begin(self, clips: int) -> bool:
        """Look for the server; `clips` is how many an epoch has. Returns whether it is there."""
        self._clips = clips
        self._complained = not self._sender.reached()
        return not self._complained

    def step(self, curve: Curve) -> None:
        """Show the loss by steps, at most every `STEP_EVERY_S`."""
        if time.monotonic() - self._shown > STEP_EVERY_S:
            self._shown = time.monotonic()
            self._curve(curve)
        self._complain()

    def epoch(self, told: Told) -> None:
        """Show the figures of all epochs, and the pictures of the last one."""
        self._curve(told.curve)
        epochs = [row["epoch"] for row in told.rows]
        for title, lines in LINES.items():
            values = {name: [row.get(key) for row in told.rows] for name, key in lines.items()}
            drawn = [_line(name, epochs, of) for name, of in values.items() if _any(of)]
            if drawn:
                self._plot(title, drawn, {"xaxis": _axis("epoch"), "yaxis": _axis(title)})
        for split, measured in told.found.items():
            self._confusion(split, measured.confusion.tolist(), told.labels)
            if measured.worst:
                png = pictures.worst(measured.worst, told.labels)
                self._image(f"worst errors of {split}", png)
        self._complain()

    def flush(self) -> None:
        """Nothing: a window that is not sent yet is sent whole later."""

    def close(self) -> None:
        """Send what is left, within seconds."""
        self._sender.close()

    def _complain(self) -> None:
        if self._sender.trouble and not self._complained:
            self._complained = True
            raise ConnectionError(f"{self._address}: {self._sender.trouble}")

    def _curve(self, curve: Curve) -> None:
        epochs = [clips / self._clips for clips, _ in curve.points]
        line = _line("train", epochs, [loss for _, loss in curve.points])
        axes = {"xaxis": _axis("epoch"), "yaxis": _axis("loss of a step")}
        self._plot("loss of a step", [line | {"mode": "lines"}], axes)

    def _confusion(self, split: str, counts: list[list[int]], labels: Sequence[str]) -> None:
        shares = [[round(count / max(sum(row), 1), 4) for count in row] for row in counts]
        heat = {
            "type": "heatmap",
            "z": shares,
            "x": list(labels),
            "y": list(labels),
            "zmin": 0,
            "zmax": 1,
            "colorscale": [[0, "#ffffff"], [0.5, "#9ecae1"], [1, "#08306b"]],
        }
        named = {"type": "category", "showticklabels": len(labels) <= NAMES_UP_TO}
        axes = {
            "xaxis": _axis("predicted") | named,
            "yaxis": _axis("true") | named | {"autorange": "reversed"},
        }
        self._plot(f"confusion of {split}", [heat], axes)

    def _plot(self, title: str, data: list[dict[str, Any]], axes: Mapping[str, Any]) -> None:
        margin = {"l": 60, "r": 20, "t": 40, "b": 60}
        layout = {"showlegend": len(data) > 1, "margin": margin}
        self._send(title, data, layout | dict(axes))

    def _image(self, title: str, png: bytes) -> None:
        source = "data:image/png;base64," + base64.b64encode(png).decode()
        content = {"src": source, "caption": ""}
        high, wide = pictures.pixels(png).shape[:2]
        self._send(title, [{"type": "image", "content": content}], {}, width=wide, height=high)

    def _send(
        self, title: str, data: list[dict[str, Any]], layout: Mapping[str, Any], **opts: Any
    ) -> None:
        window = {"data": data, "layout": dict(layout), "opts": {"title": title} | opts}
        self._sender.put(window | {"win": title, "eid": self._env})


def _any(values: Sequence[float | None]) -> bool:
    return any(value is not None for value in values)


def _line(name: str, x: Sequence[float], y: Sequence[float | None]) -> dict[str, Any]:
    """A curve with a gap where a value is none or no number, for which JSON has no word."""
    known = [None if value is None or not math.isfinite(value) else value for value in y]
    return {"type": "scatter", "mode": "lines+markers", "name": name, "x": list(x), "y": known}


def _axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}}
