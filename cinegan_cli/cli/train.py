"""`cinegan train`: make the shipped models again, from photos."""

from __future__ import annotations

import click


@click.group()
def train() -> None:
    """Train a model on your own data."""
