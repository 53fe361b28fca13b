"""Decode videos in a child process that has limits: probe, frames, filters, two backends."""
