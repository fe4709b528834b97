"""Turn one landscape photo into a seamless, full-resolution looping video."""
