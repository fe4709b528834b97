"""Weights as files: our bundles, the researchers' own checkpoints, and the sets that are installed."""

from cinegan_cli.checkpoints.released import load_released

__all__ = ["load_released"]
