"""Network modules only: no files, no device choice."""
