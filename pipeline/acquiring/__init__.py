"""The download stage: where videos lie, which file serves a clip, what arrived."""
