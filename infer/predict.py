"""Look at one video's prediction: top classes as a table and JSON, and drawn on the video.

A video is decoded once as its checkpoint's ClipSpec says (in the limited decoder child), seen
once by the network, and, for the annotated .mp4, decoded and encoded once more.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from infer.banner import banner
from infer.views import positions
from manifests.console import Ui
from manifests.errors import ClipmillError
from manifests.local import LocalStorage
from model.checkpoint import Checkpoint
from model.preprocess import Normalise
from pipeline.video.decoder import Decoder, Limits
from pipeline.video.errors import VideoError
from pipeline.video.overlay import overlay, shown_size

STEM_BYTES = 200  # of the 255 that a file name may have


def predict(
    videos: Sequence[Path],
    checkpoint: Checkpoint,
    out: Path | None,
    top: int,
    device: torch.device,
    ui: Ui,
) -> list[dict[str, Any]]:
    """Predict each video; one that cannot be read is an entry with its reason.

    With `out`, each video NAME.* leaves NAME.json and NAME.mp4 there.

    Raises:
        ClipmillError: `out` is where the videos lie, so that one of them would be replaced.
    """
    stems = _stems(videos)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        _require_apart(videos, stems, out)
    network = checkpoint.build_model().to(device)
    normalise = Normalise(checkpoint.mean, checkpoint.std).to(device)
    results = []
    with Decoder() as decoder:
        for video, stem in zip(videos, stems, strict=True):
            result: dict[str, Any] = {"video": str(video)}
            try:
                result |= _one(video, decoder, checkpoint, network, normalise, top, device)
                if out is not None:
                    result["annotated"] = str(_draw(video, decoder, result, out, stem))
            except VideoError as error:
                result |= {"error": str(error.reason), "message": error.message}
            results.append(result)
            if out is not None:
                text = json.dumps(result, ensure_ascii=False, indent=1) + "\n"
                # A name that is no UTF-8 is written as JSON's escapes for it.
                data = text.encode(errors="backslashreplace")
                LocalStorage(out.absolute()).write(f"{stem}.json", data)
            _show(result, ui)
    return results


def _one(
    video: Path,
    decoder: Decoder,
    checkpoint: Checkpoint,
    network: torch.nn.Module,
    normalise: Normalise,
    top: int,
    device: torch.device,
) -> dict[str, Any]:
    spec, window = checkpoint.spec, checkpoint.window
    decoded = decoder.decode(video, spec)
    [centre] = positions(spec, window, 1, 1)
    clip = torch.from_numpy(decoded.pixels[centre]).unsqueeze(0)
    with torch.inference_mode():
        probabilities = network(normalise(clip.to(device))).float().softmax(1)[0].cpu()
    best = probabilities.topk(min(top, len(checkpoint.labels)))
    taken = decoded.indices[centre[0]]
    return {
        "predictions": [
            {"label_id": number, "label": checkpoint.labels[number], "probability": share}
            for number, share in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ],
        "frames": [int(index) for index in taken],
        "fps": decoded.fps,
        "duration_s": decoded.duration_s,
        "decode_errors": decoded.errors,
        "network": checkpoint.network.name,
        "checkpoint": checkpoint.origin,
    }


def _draw(video: Path, decoder: Decoder, result: dict[str, Any], out: Path, stem: str) -> Path:
    size = shown_size(decoder.probe(video))
    best = [(entry["label"], entry["probability"]) for entry in result["predictions"]]
    picture, height = banner(size[0], best)
    target = out / f"{stem}.mp4"
    overlay(video, size, picture, height, target, Limits())
    return target


def _stems(videos: Sequence[Path]) -> list[str]:
    """Names for the outputs, not too long; two videos of one name get a number behind."""
    stems: list[str] = []
    for video in videos:
        stem = os.fsdecode(os.fsencode(video.stem)[:STEM_BYTES])
        names = itertools.chain([stem], (f"{stem}-{count}" for count in itertools.count(2)))
        stems.append(next(name for name in names if name not in stems))
    return stems


def _require_apart(videos: Sequence[Path], stems: Sequence[str], out: Path) -> None:
    for stem in stems:
        target = out / f"{stem}.mp4"
        if any(target.exists() and video.exists() and target.samefile(video) for video in videos):
            raise ClipmillError(
                f"--out {out} holds {target.name}, one of the videos to look at; expected a "
                "folder where the annotated videos replace none of them. Name another one."
            )


def _show(result: dict[str, Any], ui: Ui) -> None:
    if "error" in result:
        ui.warn(f"{result['video']}: {result['error']}: {result['message']}")
    if "predictions" not in result:
        return
    rows = [(entry["label"], f"{entry['probability']:.2%}") for entry in result["predictions"]]
    ui.table(result["video"], ("class", "probability"), rows)
    if "annotated" in result:
        ui.note(f"drawn on {result['annotated']}")
