"""Score shards, predict a video."""
