"""What `cinegan evaluate` runs: the pipeline against real clips, painted masks and known motion."""
