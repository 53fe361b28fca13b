"""What `clipmill bench stream` measures: batches from one's own shards, beside other ways."""
