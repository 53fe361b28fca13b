"""Bringing videos from archives, web servers and YouTube, so that it survives weeks."""
