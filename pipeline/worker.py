"""What a worker keeps between units: one decoder child a thread, started when first needed.

Starting a child takes about 0.2 s; it ends with the thread that started it, at the latest with the
process. Only workers of a dask cluster that somebody started with threads have more than one.
"""

from __future__ import annotations

import atexit
import threading

from pipeline.video.decoder import Backend, Decoder, Limits


class _Kept(threading.local):
    def __init__(self) -> None:
        self.decoders: dict[tuple[Backend, Limits], Decoder] = {}


_kept = _Kept()


def decoder(backend: Backend, limits: Limits) -> Decoder:
    """Return this thread's decoder for a backend and limits."""
    key = (backend, limits)
    if key not in _kept.decoders:
        _kept.decoders[key] = Decoder(limits=limits, backend=backend)
        atexit.register(_kept.decoders[key].close)
    return _kept.decoders[key]
