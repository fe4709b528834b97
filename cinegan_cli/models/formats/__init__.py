"""The researchers' own file formats."""
