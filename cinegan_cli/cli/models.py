"""`cinegan models`: the sets of models on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from cinegan_cli.cli.options import Printer, output_options


@click.group(no_args_is_help=False)
def models() -> None:
    """Bring in, check and remove the models of StyleCineGAN and DeepLandscape, or your own."""


@models.command("list")
@output_options
def list_models(quiet: bool, as_json: bool) -> None:
    """What is installed, and what could be."""
    from cinegan_cli.models import PURPOSES, REGISTRY, SHIPPED_SETS, list_sets

    found = {each.name: each for each in list_sets()}
    lines = []
    for name, each in found.items():
        lines += [f"{name}: {each}", *(f"  {part}: {PURPOSES[part]}" for part in each.parts)]
    if not any({"generator", "encoder"} <= {*each.parts} for each in found.values() if each.path not in SHIPPED_SETS):
        lines.append("--backbone auto uses no generator: none is installed but what came with cinegan")
    for name, known in REGISTRY.items():
        if name not in found or found[name].path in SHIPPED_SETS:
            lines += [
                f"not installed: {name}: {known.about}",
                f"  from {known.publisher}",
                f"  licence: {known.licence}",
            ]
            lines += [f"  {file}: {what}" for file, what in known.files.items()]
            lines.append(f"  then: cinegan models import FILE... --name {name}")
    Printer(quiet, as_json).result(
        "\n".join(lines), {"installed": {n: s.as_dict() for n, s in found.items()}, "known": sorted(REGISTRY)}
    )


@models.command("import")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--name",
    help="Name of the set; its other parts stay.  [default: a trained set's file; lpips; lhq-1024; deeplandscape]",
)
@click.option("--licence", default="", help="Licence of the weights, to be kept with them.")
@click.option("--sky", type=click.Path(path_type=Path), multiple=True, help="Motion network for skies.")
@click.option("--water", type=click.Path(path_type=Path), multiple=True, help="Motion network for water.")
@output_options
def import_models(
    files: tuple[Path, ...],
    name: str | None,
    licence: str,
    sky: tuple[Path, ...],
    water: tuple[Path, ...],
    quiet: bool,
    as_json: bool,
) -> None:
    """Convert released checkpoints to one installed bundle: StyleCineGAN's networks, LPIPS, or DeepLandscape's.

    Sets that `cinegan train` wrote are taken part by part; they can also be used where they lie, with --models FILE.

    What a file is, its tensors say; whether a motion network is for sky or water, its folder's name, or --sky and
    --water. LPIPS comes as two files, in any order: torchvision's AlexNet or VGG-16, and the heads for it. Of networks
    saved whole, as DeepLandscape's encoder, the tensors are taken alone. No code in a file is ever run.
    """
    from cinegan_cli.models import import_files

    moves = {**dict.fromkeys(sky, "sky"), **dict.fromkeys(water, "water")}
    every = tuple(dict.fromkeys((*files, *sky, *water)))
    made = import_files(every, name, licence=licence, moves=moves)
    values = {"name": made.name, "path": str(made.path), "parts": list(made.parts)}
    Printer(quiet, as_json).result(f"{made.path}\n{made.name}: {', '.join(made.parts)}", values)


@models.command()
@click.argument("name", required=False)
@output_options
def verify(name: str | None, quiet: bool, as_json: bool) -> None:
    """Check a set (all of them by default): checksum, every tensor finite, every network whole."""
    from cinegan_cli.models import SHIPPED_SETS, installed, open_models
    from cinegan_cli.models import verify as check

    names = [name] if name else installed() or [path.stem for path in SHIPPED_SETS]
    parts = {one: list(check(open_models(one))) for one in names}
    lines = [f"{one}: {', '.join(found)}: all good" for one, found in parts.items()]
    Printer(quiet, as_json).result("\n".join(lines), {"verified": parts})


@models.command()
@click.argument("name", required=False)
def path(name: str | None) -> None:
    """Print where a set (lhq-1024 by default) lies, or would lie."""
    from cinegan_cli.models import DEFAULT_NAME, model_path

    click.echo(str(model_path(name or DEFAULT_NAME)))


@models.command()
@click.argument("name")
@output_options
def rm(name: str, quiet: bool, as_json: bool) -> None:
    """Remove an installed set."""
    from cinegan_cli.models import model_path, remove

    removed = model_path(name)
    remove(name)
    Printer(quiet, as_json).result(f"removed {removed}", {"removed": str(removed)})


@models.command()
@click.argument("source")
@click.option("--name", help="Name of the set.  [default: the file's]")
@click.option("--sha256", help="Checksum that the file must have.")
@click.option("--offline", is_flag=True, help="Open no connection; say which file to put where.")
@output_options
def pull(source: str, name: str | None, sha256: str | None, offline: bool, quiet: bool, as_json: bool) -> None:
    """Download a bundle: SOURCE is a known name or an address (https://...).

    Goes on where a cut download stopped. Nothing else in cinegan opens a connection.
    """
    from cinegan_cli.models import pull_set

    printer = Printer(quiet, as_json)
    with printer.progress() as progress:
        made = pull_set(source, name, sha256=sha256, offline=offline, progress=progress)
    values = {"path": str(made.path), "parts": list(made.parts)}
    printer.result(f"{made.path}\n{made.name}: {', '.join(made.parts)}", values)
