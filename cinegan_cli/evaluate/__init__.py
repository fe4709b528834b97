"""How good loops, masks, motion and inversions are, on photos and clips whose truth is known."""

from cinegan_cli.evaluate.settings import EvaluateConfig

__all__ = ["EvaluateConfig"]
