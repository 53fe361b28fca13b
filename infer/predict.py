"""Look at one video's prediction: top classes as a table and JSON, and drawn on the video.

A video is decoded once as its checkpoint's ClipSpec says (in the limited decoder child), seen
once by the network, and, for the annotated .mp4, decoded and encoded once more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from infer.banner import banner
from manifests.console import Ui
from manifests.spec import ClipSpec, Window
from manifests.storage import LocalStorage
from model.checkpoint import Checkpoint
from model.preprocess import Normalise
from pipeline.video.decoder import Decoder, Limits
from pipeline.video.errors import VideoError
from pipeline.video.overlay import overlay, shown_size


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
    """
    network = checkpoint.build_model().to(device)
    normalise = Normalise(checkpoint.mean, checkpoint.std).to(device)
    stems = _stems(videos)
    results = []
    with Decoder() as decoder:
        for video, stem in zip(videos, stems, strict=True):
            try:
                result = _one(video, decoder, checkpoint, network, normalise, top, device)
                if out is not None:
                    result["annotated"] = str(_draw(video, decoder, result, out, stem))
            except VideoError as error:
                result = {"video": str(video), "error": str(error.reason), "message": error.message}
            results.append(result)
            if out is not None:
                text = json.dumps(result, ensure_ascii=False, indent=1) + "\n"
                LocalStorage(out.absolute()).write(f"{stem}.json", text.encode())
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
    clip = torch.from_numpy(decoded.pixels[_centre(spec, window)]).unsqueeze(0)
    with torch.inference_mode():
        probabilities = network(normalise(clip.to(device))).float().softmax(1)[0].cpu()
    best = probabilities.topk(min(top, len(checkpoint.labels)))
    taken = decoded.indices[_centre(spec, window)[0]]
    return {
        "video": str(video),
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


def _centre(spec: ClipSpec, window: Window) -> tuple[slice, slice, slice]:
    """The middle of the stored clip, as evaluation takes it."""
    stored = (spec.frames, spec.height, spec.width)
    starts = [(most - mine + 1) // 2 for mine, most in zip(window, stored, strict=True)]
    first, second, third = (
        slice(start, start + mine) for start, mine in zip(starts, window, strict=True)
    )
    return first, second, third


def _draw(video: Path, decoder: Decoder, result: dict[str, Any], out: Path, stem: str) -> Path:
    size = shown_size(decoder.probe(video))
    best = [(entry["label"], entry["probability"]) for entry in result["predictions"]]
    picture, height = banner(size[0], best)
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{stem}.mp4"
    overlay(video, size, picture, height, target, Limits())
    return target


def _stems(videos: Sequence[Path]) -> list[str]:
    """Names for the outputs; two videos of one name get a number behind."""
    seen: dict[str, int] = {}
    stems = []
    for video in videos:
        count = seen[video.stem] = seen.get(video.stem, 0) + 1
        stems.append(video.stem if count == 1 else f"{video.stem}-{count}")
    return stems


def _show(result: dict[str, Any], ui: Ui) -> None:
    if "error" in result:
        ui.warn(f"{result['video']}: {result['error']}: {result['message']}")
        return
    rows = [(entry["label"], f"{entry['probability']:.2%}") for entry in result["predictions"]]
    ui.table(result["video"], ("class", "probability"), rows)
    if "annotated" in result:
        ui.note(f"drawn on {result['annotated']}")
