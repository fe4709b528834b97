"""`cinegan train`: make the shipped models again, or better ones, from your own photos."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options
from cinegan_cli.config import section_from
from cinegan_cli.training.settings import (
    CompactLoop,
    CompactSettings,
    EncoderLoop,
    EncoderSettings,
    GeneratorLoop,
    GeneratorSettings,
    LoopSettings,
    MaskLoop,
    MaskSettings,
    MotionLoop,
    MotionSettings,
    SeerLoop,
    SeerSettings,
)


@click.group(no_args_is_help=False)
def train() -> None:
    """Train a model on your own data."""


@train.command()
@config_options(MaskSettings, MaskLoop)
@output_options
def mask(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train the networks that find sky and water, on photos with painted masks.

    The data are a folder such as `cinegan data from-photos` makes: manifest.csv, photos/NAME.jpg, and of some of them
    annotated/NAME_mask.png (0 static, 1 sky, 2 water).
    """
    train_on_the_loop("mask", MaskSettings, MaskLoop, options, Printer(quiet, as_json))


@train.command()
@config_options(SeerSettings, SeerLoop)
@output_options
def seer(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train the network that says what is in a photo, what of it moves, where to and how fast.

    The data are photos with painted masks (0 static, 1 sky, 2 water, 4 fog, 5 lake, 6 sea, 7 surf, 8 river, 9 rapids,
    10 falls, 11 reflection, 255 not known), and arrows.json with arrows of one second's travel.
    """
    train_on_the_loop("seer", SeerSettings, SeerLoop, options, Printer(quiet, as_json))


@train.command()
@config_options(MotionSettings, MotionLoop)
@output_options
def motion(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train the network that says where sky and water move, on sets made by `cinegan data`.

    The compact form learns from fields with and without arrows, so arrows steer it. The paper's form (pix2pixhd) is
    brought into a set by `cinegan models import FILE --sky FILE` (or --water).
    """
    train_on_the_loop("motion", MotionSettings, MotionLoop, options, Printer(quiet, as_json))


@train.command()
@config_options(GeneratorSettings, GeneratorLoop)
@output_options
def generator(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train a StyleGAN2 generator on photos, with R1, path length, style mixing and adaptive augmentation."""
    train_on_the_loop("generator", GeneratorSettings, GeneratorLoop, options, Printer(quiet, as_json))


@train.command()
@config_options(EncoderSettings, EncoderLoop)
@output_options
def encoder(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train the encoder of a generator: photo to w+ and D10. What is written holds both, for --models."""
    from cinegan_cli.models import find_lpips

    printer = Printer(quiet, as_json)
    network, note = find_lpips(options["lpips"])
    printer.notice(note if network is not None else f"{note} Edges stand in for it.")
    train_on_the_loop("encoder", EncoderSettings, EncoderLoop, options, printer)


@train.command()
@config_options(CompactSettings, CompactLoop)
@output_options
def compact(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train the small generator and its encoder that ship, together: D14 carries the layout, w+ the look."""
    train_on_the_loop("compact", CompactSettings, CompactLoop, options, Printer(quiet, as_json))


def train_on_the_loop(
    name: str, kind: type, loop_kind: type[LoopSettings], options: dict[str, Any], printer: Printer
) -> None:
    """Run `cinegan_cli.training.tasks.NAME.train` with its own settings and the loop's."""
    typed = given(options)
    settings, loop = section_from(kind, typed), section_from(loop_kind, typed)
    run = import_module(f"cinegan_cli.training.tasks.{name}").train
    with printer.progress() as progress:
        path = run(settings, loop, progress=progress)
    printer.result(str(path), {"weights": str(path)})
