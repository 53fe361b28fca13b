"""The archives of the Common Visual Data Foundation (CVDF): Kinetics without a request a video."""
