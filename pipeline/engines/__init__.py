"""What does units of work: joblib's loky, dask, ray; each a function of work, units and crew."""
