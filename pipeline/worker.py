"""What a worker process keeps between units: one decoder child, started when first needed.

Starting a child takes about 0.2 s; it is ended with the process.
"""

from __future__ import annotations

import atexit

from pipeline.video.decoder import Backend, Decoder, Limits

_decoders: dict[tuple[Backend, Limits], Decoder] = {}


def decoder(backend: Backend, limits: Limits) -> Decoder:
    """Return this process's decoder for a backend and limits."""
    key = (backend, limits)
    if key not in _decoders:
        _decoders[key] = Decoder(limits=limits, backend=backend)
        atexit.register(_decoders[key].close)
    return _decoders[key]
