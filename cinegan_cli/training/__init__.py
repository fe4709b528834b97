"""One loop, one file per task."""
