"""`cinegan train`: make the shipped models again, or better ones, from your own photos."""

from __future__ import annotations

from typing import Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options
from cinegan_cli.config import section_from
from cinegan_cli.training.mask_config import MaskTrainConfig


@click.group(no_args_is_help=False)
def train() -> None:
    """Train a model on your own data."""


@train.command()
@config_options(MaskTrainConfig, without=("widths",))
@output_options
def mask(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train the network that finds sky and water, on photos with painted masks.

    The data are laid out as the README says: photos/NAME.jpg and annotated/NAME_mask.png (0 static, 1 sky, 2 water).
    Started again with the same --work it goes on where it was stopped.
    """
    from cinegan_cli.scene import pick_device
    from cinegan_cli.training.mask import train as run

    config = section_from(MaskTrainConfig, given(options))
    pick_device(config.device)
    path = run(config)
    Printer(quiet, as_json).result(str(path), {"weights": str(path)})
