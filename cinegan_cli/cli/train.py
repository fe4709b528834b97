"""`cinegan train`: make the shipped models again, or better ones, from your own photos."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from cinegan_cli.cli.options import Printer, config_options, given, output_options
from cinegan_cli.config import section_from
from cinegan_cli.training.deeplandscape_settings import (
    DeepLandscapeCompactLoop,
    DeepLandscapeCompactSettings,
    DeepLandscapeEncoderLoop,
    DeepLandscapeEncoderSettings,
    DeepLandscapeLoop,
    DeepLandscapeSettings,
    LightingLoop,
    LightingSettings,
    SuperresLoop,
    SuperresSettings,
)
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

    --data is a folder of photos with masks: NAME_mask.png (or NAME.png, or labelme's NAME.json) beside NAME.jpg, or
    images/ and masks/, with folders in them as you like. Masks hold 0 static, 1 sky, 2 water, 255 unknown; or white
    where something moves; or outlines called sky, water, river and so on. Or one that `cinegan data from-photos` made:
    manifest.csv, photos/NAME.jpg, annotated/NAME_mask.png. What cannot be read is listed and left out.
    """
    printer = Printer(quiet, as_json)
    train_on_the_loop("mask", MaskSettings, MaskLoop, options, printer, tell=printer.notice)


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
    """Train the network that says where sky and water move.

    --data is a folder of clips, with folders in it as you like; of photos or clips with their motion beside them, as
    the Eulerian set and its descendants have it (NAME_input.jpg or NAME_gt.mp4 with NAME_motion.pth, .npy, .npz or
    .flo); of photos with arrows (arrows.json, or labelme's NAME.json); or a motion set of `cinegan data`. Clips are
    measured once, below --work; those that are no good are listed with the reason and left out.

    The compact form learns from fields with and without arrows, so arrows steer it. The paper's form (pix2pixhd) is
    brought into a set by `cinegan models import FILE --sky FILE` (or --water).
    """
    printer = Printer(quiet, as_json)
    train_on_the_loop("motion", MotionSettings, MotionLoop, options, printer, tell=printer.notice)


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


@train.command()
@config_options(DeepLandscapeSettings, DeepLandscapeLoop)
@output_options
def deeplandscape(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train a DeepLandscape generator on photos and clips, from 8 px up, against critics of pictures and of pairs.

    Photos and clips may have any size; they are read once and kept below --work at the sizes of the training. Frames of
    a clip teach what moves and how the light changes. Both may be LMDB sets that the release's prepare_data.py made
    (`pip install cinegan[lmdb]`).
    """
    printer = Printer(quiet, as_json)
    train_on_the_loop("deeplandscape", DeepLandscapeSettings, DeepLandscapeLoop, options, printer, tell=printer.notice)


@train.command(name="deeplandscape-compact")
@config_options(DeepLandscapeCompactSettings, DeepLandscapeCompactLoop)
@output_options
def deeplandscape_compact(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train the small DeepLandscape generator, its encoder and lighting network, together, from photos with masks.

    They learn to give photos back, with noise that moves and in the light of the looks. For a real generator of
    landscapes that do not exist take `cinegan train deeplandscape`, and many photos.
    """
    printer = Printer(quiet, as_json)
    train_on_the_loop(
        "deeplandscape_compact",
        DeepLandscapeCompactSettings,
        DeepLandscapeCompactLoop,
        options,
        printer,
        tell=printer.notice,
    )


@train.command(name="deeplandscape-encoder")
@config_options(DeepLandscapeEncoderSettings, DeepLandscapeEncoderLoop)
@output_options
def deeplandscape_encoder(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train the encoder of a DeepLandscape generator, photo to w, on pictures that the generator makes."""
    printer = Printer(quiet, as_json)
    train_on_the_loop("deeplandscape_encoder", DeepLandscapeEncoderSettings, DeepLandscapeEncoderLoop, options, printer)


@train.command()
@config_options(LightingSettings, LightingLoop)
@output_options
def lighting(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train the network that moves a DeepLandscape w to another light, on the generator's own mapping."""
    train_on_the_loop("lighting", LightingSettings, LightingLoop, options, Printer(quiet, as_json))


@train.command()
@config_options(SuperresSettings, SuperresLoop)
@output_options
def superres(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train what enlarges DeepLandscape's frames by 4, with the photo's own detail where nothing moves.

    Pairs are made first: each photo is inverted once, for minutes, and kept below --work. Photos that are too small are
    listed and left out.
    """
    printer = Printer(quiet, as_json)
    train_on_the_loop("superres", SuperresSettings, SuperresLoop, options, printer, tell=printer.notice)


def train_on_the_loop(
    name: str, kind: type, loop_kind: type[LoopSettings], options: dict[str, Any], printer: Printer, **others: Any
) -> None:
    """Run `cinegan_cli.training.tasks.NAME.train` with its own settings, the loop's, and what `others` it takes."""
    typed = given(options)
    settings, loop = section_from(kind, typed), section_from(loop_kind, typed)
    run = import_module(f"cinegan_cli.training.tasks.{name}").train
    with printer.progress() as progress:
        path = run(settings, loop, progress=progress, **others)
    printer.result(str(path), {"weights": str(path)})
