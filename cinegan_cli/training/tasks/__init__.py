"""One module a training task."""
