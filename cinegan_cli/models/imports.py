"""`cinegan models import`: released files, and what `cinegan train` wrote, become one installed set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from cinegan_cli.errors import InputError, OutputError, UsageError
from cinegan_cli.interrupts import surely
from cinegan_cli.models.bundle import Bundle, config_in, kind_of, write_bundle
from cinegan_cli.models.deeplandscape import DeepLandscapeSet, mean_w_of
from cinegan_cli.models.formats.deeplandscape import DEEPLANDSCAPE, require_fitting
from cinegan_cli.models.formats.lpips import backbone_of, joined
from cinegan_cli.models.formats.stylecinegan import read_released
from cinegan_cli.models.networks import Kind, filled
from cinegan_cli.models.registry import REGISTRY
from cinegan_cli.models.store import (
    BUNDLE_KIND,
    DEFAULT_NAME,
    SYSTEMS,
    Models,
    all_tensors,
    model_path,
    open_bundle,
    put_in_place,
    sha256_of,
    verify,
)
from cinegan_cli.nn import deeplandscape
from cinegan_cli.nn.stylegan2 import Generator

LPIPS_NAME = "lpips"  # of a set that holds nothing else
MEAN_DRAWS = 4096  # of z, from which the mean w is computed when a set is made
USES = {  # of our own files that are no part of a set
    "seer": "is used as it is: --mask-network {}",
    "compact motion": "is used as it is: --motion-network {}",
    "latents": "is used as it is: --latents {}",
}

State = dict[str, Tensor]


def import_files(files: Iterable[Path], name: str | None, *, licence: str, moves: Mapping[Path, str]) -> Models:
    """Convert files to one bundle, installed as `name`; parts that the set has already stay, or are replaced.

    A file is a released network, or a set or network that `cinegan train` wrote. `name` is by default that of such a
    file, "lpips" when nothing else is in the files, else "lhq-1024" or "deeplandscape". `moves` says of motion files
    whether they move "sky" or "water" where neither they nor their folder's name do. Nothing is written before all
    files are read. Raises InputError, UsageError.
    """
    files = tuple(files)
    sets = [_open_set(file) for file in files if kind_of(file) in (*SYSTEMS, *DEEPLANDSCAPE)]
    paths = {models.path for models in sets}
    read = [(file, *_read(file)) for file in files if file not in paths]
    system = _system_of(sets, [kind for _, kind, _, _ in read])
    only_lpips = bool(read) and all(kind == "lpips" for _, kind, _, _ in read)
    default = LPIPS_NAME if only_lpips else DEFAULT_NAME if system == BUNDLE_KIND else system
    name = name or next((models.name for models in sets if models.alone is None), default)
    path = model_path(name)
    before = open_bundle(path) if path.is_file() else None
    if before and before.system != system:
        raise UsageError(f"--name {name}: a set for {before.system}, these files are for {system}; choose another name")
    config: dict[str, Any] = dict(before.config) if before else {"source": []}
    tensors: State = {} if before is None else all_tensors(before)
    said = next((models.config["licence"] for models in sets if models.config.get("licence")), "")
    known = REGISTRY[name].licence if name in REGISTRY else ""
    config["licence"] = licence or config.get("licence") or said or known
    sources = [{"file": file.name, "sha256": sha256_of(file)} for file in files]
    config["source"] = [*config.get("source", []), *sources]
    for models in sets:
        tensors = _with_set(config, tensors, models)
    members: list[tuple[Path, State, dict[str, Any]]] = []
    halves: dict[Path, State] = {}
    for file, kind, state, network in read:
        if kind == "lpips":
            halves[file] = state
            continue
        module = filled(kind, network, state, file)  # checks every tensor
        if kind == "mask":
            members.append((file, state, network))
            continue
        prefix = f"motion.{_moved(file, moves)}" if kind == "motion" else str(kind)
        if kind == "motion":
            config["motion"] = {**config.get("motion", {}), _moved(file, moves): network}
        else:
            config[kind] = network
        tensors = _replaced(tensors, prefix, state)
        if isinstance(module, Generator):
            tensors["mean_w"] = module.mean_w(MEAN_DRAWS, seed=0)
        if isinstance(module, deeplandscape.Generator):
            tensors["mean_w"] = mean_w_of(module)
    if members:
        tensors = _replaced(tensors, "mask", _mask_tensors(members))
        config["mask"] = {"members": len(members), "network": members[0][2]}
    if halves:
        whole = joined(halves)
        config["lpips"] = {"backbone": backbone_of(whole)}
        tensors = _replaced(tensors, "lpips", whole)
    require_fitting(config, files[-1])
    return _install(path, Bundle(system, config, tensors))


def _system_of(sets: Iterable[Models], kinds: Iterable[Kind]) -> str:
    """The one of `SYSTEMS` that files are for. Raises UsageError where they are for two."""
    systems = {models.system for models in sets}
    systems |= {"deeplandscape" if kind in DEEPLANDSCAPE else BUNDLE_KIND for kind in kinds}
    if len(systems) > 1:
        raise UsageError(f"files for {' and for '.join(sorted(systems))}: import them one after the other, as two sets")
    return systems.pop()


def _open_set(file: Path) -> Models:
    """A set in a file of its own, every network checked. Raises InputError."""
    models = open_bundle(file)
    if not verify(models):
        raise InputError(f"{file}: a set without any network; give another file")
    return models


def _read(file: Path) -> tuple[Kind, State, dict[str, Any]]:
    """`read_released`, but of our own files that are no part of a set an error that says how to use them."""
    kind = kind_of(file)
    if kind in USES:
        raise InputError(f"{file}: holds a {kind} file, which is no part of a set: it {USES[kind].format(file)}")
    return read_released(file, "deeplandscape_generator")


def _with_set(config: dict[str, Any], tensors: State, models: Models) -> State:
    """`tensors` with the parts of another set, which are entered into `config`."""
    found = all_tensors(models)
    for part in models.parts:
        section, _, kind = part.partition(".")
        own = models.config[section]
        config[section] = {**config.get("motion", {}), kind: own[kind]} if kind else own
        prefix = part + "."
        tensors = _replaced(
            tensors, part, {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}
        )
    if "mean_w" in found:
        tensors["mean_w"] = found["mean_w"]
    elif models.has("deeplandscape_generator"):
        tensors["mean_w"] = DeepLandscapeSet(models).mean_w()
    return tensors


def _replaced(tensors: Mapping[str, Tensor], prefix: str, state: Mapping[str, Tensor]) -> State:
    """`tensors` with `state`, and nothing else, under the prefix."""
    kept = {name: value for name, value in tensors.items() if not name.startswith(prefix + ".")}
    return kept | {f"{prefix}.{name}": value for name, value in state.items()}


def _install(path: Path, bundle: Bundle) -> Models:
    made = path.with_name(f".{path.name}.new")
    try:
        with surely(partial(made.unlink, missing_ok=True)):
            write_bundle(made, bundle)
            put_in_place(made, path)
    except (OSError, OutputError) as error:
        what = (
            str(error).rpartition(";")[0] if isinstance(error, OutputError) else f"{path}: cannot be written: {error}"
        )
        raise OutputError(f"{what}; set CINEGAN_HOME to a folder with space that you may write") from error
    return open_bundle(path)


def _mask_tensors(members: list[tuple[Path, State, dict[str, Any]]]) -> State:
    tensors: State = {}
    for k, (file, state, network) in enumerate(sorted(members, key=lambda member: member[0].name)):
        if network != members[0][2]:
            raise InputError(f"{file}: a classifier of another shape than {members[0][0].name}; import one ensemble")
        tensors |= {f"{k}.{key}": value for key, value in state.items()}
    return tensors


def _moved(file: Path, moves: Mapping[Path, str]) -> str:
    """What a motion network moves: as told, as its file says, or from the names of its folders."""
    if file in moves:
        return moves[file]
    part = config_in(file).get("part")
    if part in ("sky", "water"):
        return str(part)
    for name in reversed(file.resolve().parts):
        lower = name.lower()
        if "sky" in lower:
            return "sky"
        if "fluid" in lower or "water" in lower:
            return "water"
    raise UsageError(f"{file}: a motion network of what? say --sky {file} or --water {file}")
