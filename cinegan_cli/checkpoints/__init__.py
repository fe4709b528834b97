"""Reading and writing weights, never executing a pickle."""
