"""What `clipmill bench train` measures: training steps of one's own shards, beside other ways."""
