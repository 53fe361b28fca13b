"""Look at what is packed: contact sheets drawn from the tars, and the statistics of a root."""
