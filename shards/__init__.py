"""The shard format and the order in which shards are read."""
