"""From annotations to shards: annotate, acquire, decode, pack, and the checks around them."""
