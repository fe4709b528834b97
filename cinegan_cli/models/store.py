"""Sets of models on this machine: where they lie, what they hold, their networks one by one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from cinegan_cli.errors import CineganError, InputError, ModelMissingError, UsageError
from cinegan_cli.files import replacing
from cinegan_cli.interrupts import signals_held
from cinegan_cli.models.bundle import header_of, unpack
from cinegan_cli.models.formats.deeplandscape import DEEPLANDSCAPE, require_fitting
from cinegan_cli.models.networks import Kind, filled
from cinegan_cli.nn.classifier import ClassifierEnsemble, PixelClassifier
from cinegan_cli.nn.lpips import Lpips
from cinegan_cli.nn.stylegan2 import Encoder, Generator, PhotoEncoder

WEIGHTS = Path(__file__).parents[1] / "weights"
SHIPPED = WEIGHTS / "compact.safetensors"  # of StyleCineGAN
SHIPPED_DEEPLANDSCAPE = WEIGHTS / "deeplandscape.safetensors"
SHIPPED_SETS = (SHIPPED, SHIPPED_DEEPLANDSCAPE)
BUNDLE_KIND = "stylecinegan"
SYSTEMS = (BUNDLE_KIND, "deeplandscape")  # for which there are sets; the kinds of their bundles
SUFFIX = ".safetensors"
DEFAULT_NAME = "lhq-1024"  # of a set
MOTIONS = ("sky", "water")


def cache_folder() -> Path:
    """`CINEGAN_HOME`, else the system's folder for caches: ~/.cache/cinegan, or below an absolute `XDG_CACHE_HOME`.

    Where this user has none that can be looked into, a place below `os.devnull`: nothing is ever there, and writing to
    it is refused by the system as by any folder that cannot be written.
    """
    if home := os.environ.get("CINEGAN_HOME"):
        return Path(os.path.expanduser(home))  # unlike Path's it leaves an unknown ~ as it is
    with suppress(RuntimeError):  # no home folder, or so says platformdirs
        folder = user_cache_path("cinegan", appauthor=False)
        if not folder.is_absolute():  # older platformdirs heed a relative XDG_CACHE_HOME, which is to be ignored
            folder = Path.home() / ".cache" / "cinegan"
        if _can_be_looked_into(folder):
            return folder
    return Path(os.devnull) / "cinegan"


def _can_be_looked_into(folder: Path) -> bool:
    """Whether one may ask what is there; a folder that is not there yet has nothing in it."""
    try:
        os.stat(folder / "models")
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def model_path(name: str) -> Path:
    """Where the set of that name lies, or would lie. Raises UsageError for a name that is no file name."""
    if not name or name != Path(name).name or name.startswith("."):
        raise UsageError(f"{name!r} cannot name a set of models; use letters, digits and hyphens")
    return cache_folder() / "models" / (name + SUFFIX)


def installed() -> list[str]:
    """Names of the sets that are installed, sorted; none where the folder is not there or cannot be read."""
    try:
        names = os.listdir(cache_folder() / "models")
    except OSError:
        return []
    return sorted(Path(name).stem for name in names if name.endswith(SUFFIX) and not name.startswith("."))


@dataclass(frozen=True)
class Models:
    """One set, read part by part: opening it reads the header alone, and each network is read once, then kept.

    `alone` is the part that the file consists of, where it is the bundle of one network.
    """

    path: Path
    config: Mapping[str, Any]
    names: tuple[str, ...] = field(repr=False)  # of all tensors
    system: str = BUNDLE_KIND  # of `SYSTEMS`, for which it was made
    alone: str | None = None
    _networks: dict[str, nn.Module] = field(default_factory=dict, repr=False, compare=False)
    _lock: RLock = field(default_factory=RLock, repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def identity(self) -> str:
        """Changes whenever the file does, so that what was derived from it can be kept."""
        status = self.path.stat()
        return hashlib.sha256(f"{self.path.resolve()}|{status.st_size}|{status.st_mtime_ns}".encode()).hexdigest()

    @property
    def parts(self) -> tuple[str, ...]:
        """Of generator, encoder, mask, lpips, motion.sky and motion.water, or `DEEPLANDSCAPE`, those that are there."""
        if self.system == "deeplandscape":
            return tuple(part for part in DEEPLANDSCAPE if part in self.config)
        motions = tuple(f"motion.{kind}" for kind in MOTIONS if kind in self.config.get("motion", {}))
        return tuple(part for part in ("generator", "encoder", "mask", "lpips") if part in self.config) + motions

    @property
    def first_index(self) -> int:
        """k of the first D_k that the generator takes: 1 for a whole one, more where only its end is kept."""
        return int(self.config.get("generator", {}).get("first_index", 1))

    def has(self, *parts: str) -> bool:
        return all(part in self.parts for part in parts)

    def generator(self) -> Generator:
        """Raises ModelMissingError when the set has none."""
        module = self.network("generator")
        assert isinstance(module, Generator)
        return module

    def encoder(self) -> Encoder | PhotoEncoder:
        """`(photo in [-1, 1]) -> (w offsets, D_k)`. Raises ModelMissingError when the set has none."""
        module = self.network("encoder")
        assert isinstance(module, Encoder | PhotoEncoder)
        return module

    def mean_w(self) -> Tensor:
        """[style_dim], to which the encoder's offsets are added."""
        return self.tensors("mean_w")[""]

    def classifiers(self) -> ClassifierEnsemble | None:
        """The mask classifiers, None when the set has none."""
        if not self.has("mask"):
            return None
        config = self._config("mask")
        members = [self._network("mask", f"mask.{k}", config["network"]) for k in range(int(config["members"]))]
        return ClassifierEnsemble(member for member in members if isinstance(member, PixelClassifier))

    def motion_networks(self, device: torch.device) -> dict[str, nn.Module]:
        """The motion networks there are, by what they move: "sky", "water"."""
        configs = self.config.get("motion", {})
        return {kind: self._network("motion", f"motion.{kind}", configs[kind]).to(device) for kind in configs}

    def lpips(self) -> Lpips:
        """Raises ModelMissingError when the set has none."""
        module = self.network("lpips")
        assert isinstance(module, Lpips)
        return module

    def network(self, part: Kind) -> nn.Module:
        """Any part that is one network. Raises ModelMissingError when the set has none."""
        return self._network(part, part, self._config(part))

    def _config(self, part: str) -> Mapping[str, Any]:
        if part not in self.config:
            raise ModelMissingError(f"{self.path}: the set holds no {part}; add it with `cinegan models import`")
        config: Mapping[str, Any] = self.config[part]
        return config

    def _network(self, kind: Kind, prefix: str, config: Mapping[str, Any]) -> nn.Module:
        with self._lock:
            if prefix not in self._networks:
                self._networks[prefix] = filled(kind, config, unpack(self.tensors(prefix)), self.path)
            return self._networks[prefix]

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """The tensors under a prefix, without it."""
        inside = "" if prefix == self.alone else f"{prefix}."
        try:
            with safe_open(self.path, framework="pt") as file:
                found = {name: file.get_tensor(name) for name in self.names if f"{name}.".startswith(inside)}
        except (SafetensorError, OSError) as error:
            raise InputError(f"{self.path}: cannot be read ({error}); import it again") from error
        if not found:
            raise InputError(f"{self.path}: holds nothing under {prefix}; import it again")
        return {f"{name}.".removeprefix(inside).removesuffix("."): value for name, value in found.items()}


def open_models(name: str | Path | None = None) -> Models:
    """The set of that name, or in that bundle file; None takes the first one with a generator, or the shipped one.

    Raises ModelMissingError when there is none, InputError when the file is damaged or something else.
    """
    return open_bundle(find_models(name))


def find_models(name: str | Path | None = None) -> Path:
    """Where the set lies that `open_models` opens. Raises ModelMissingError when there is none of that name."""
    if name is None:
        first = first_with("generator")
        return SHIPPED if first is None else first.path
    if str(name).endswith(SUFFIX):
        return Path(name)
    path = model_path(str(name))
    if path.is_file():
        return path
    shipped = {path.stem: path for path in SHIPPED_SETS}
    if name in shipped:
        return shipped[str(name)]
    known = ", ".join((*installed(), *shipped))
    raise ModelMissingError(f"--models {name}: no such set (there are: {known}); see `cinegan models list`")


def first_with(*parts: str) -> Models | None:
    """The first installed set, by name, that has these parts. Raises InputError for a damaged one before it."""
    sets = (open_bundle(model_path(name)) for name in installed())
    return next((models for models in sets if models.has(*parts)), None)


@dataclass(frozen=True)
class Listed:
    """A set on this machine; `damaged` says what is wrong with one that cannot be opened."""

    name: str
    path: Path
    size: int  # bytes
    parts: tuple[str, ...] = ()
    system: str | None = None  # for which it was made
    damaged: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        found: dict[str, Any] = {"path": str(self.path), "bytes": self.size}
        if self.damaged is not None:
            return found | {"damaged": self.damaged}
        return found | {"system": self.system, "parts": list(self.parts)}

    def __str__(self) -> str:
        if self.damaged is not None:
            return f"damaged: {self.damaged}"
        shipped = ", came with cinegan" if self.path in SHIPPED_SETS else ""
        return f"{', '.join(self.parts)}, {self.size / 1e6:.1f} MB{shipped}"


def list_sets() -> tuple[Listed, ...]:
    """The sets that are installed and those that ship, by their headers alone."""
    paths = [model_path(name) for name in installed()]
    paths += [path for path in SHIPPED_SETS if path.stem not in installed()]
    return tuple(map(_listed, paths))


def _listed(path: Path) -> Listed:
    size = path.stat().st_size if path.is_file() else 0
    try:
        models = open_bundle(path)
        return Listed(path.stem, path, size, models.parts, models.system)
    except CineganError as error:
        return Listed(path.stem, path, size, damaged=str(error))


def open_bundle(path: Path) -> Models:
    """The set in a bundle file. Raises ModelMissingError when there is none, InputError when it is something else."""
    if not path.is_file():
        raise ModelMissingError(f"{path}: no such bundle; make it with `cinegan models import FILE...`")
    try:
        with safe_open(path, framework="pt") as file:
            header = header_of(file)
            names = tuple(file.keys())
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a bundle of cinegan ({error}); make it with `cinegan models import`") from error
    kind, config = header.get("kind"), header.get("config")
    if kind in DEEPLANDSCAPE:
        return Models(path, {kind: config}, names, "deeplandscape", kind)
    if kind not in SYSTEMS:
        raise InputError(f"{path}: holds a {kind} file, not a set of models; give another file")
    return Models(path, config, names, kind)


def all_tensors(models: Models) -> dict[str, Tensor]:
    """Everything a set holds, by the names that they have in a set."""
    prefix = f"{models.alone}." if models.alone else ""
    with safe_open(models.path, framework="pt") as file:
        return {prefix + name: file.get_tensor(name) for name in models.names}


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def put_in_place(made: Path, path: Path) -> None:
    """Move a bundle to `path`, with its checksum beside it for `verify`. On a full disk nothing changes.

    A process killed in the midst leaves the old set, or the new one without checksum, but never one beside the
    checksum of another.
    """
    checksum = path.with_suffix(".sha256")
    with replacing(checksum) as part:
        part.write_text(f"{sha256_of(made)}  {path.name}\n")
        with signals_held():
            checksum.unlink(missing_ok=True)
            made.replace(path)


def require_sha256(text: str) -> None:
    """Raises UsageError for what is no SHA-256."""
    if len(text) != 64 or any(c not in "0123456789abcdefABCDEF" for c in text):
        raise UsageError(f"--sha256 {text}: must be 64 hexadecimal digits")


def remove(name: str) -> None:
    """Remove an installed set. Raises ModelMissingError when there is none of that name."""
    path = model_path(name)
    if not path.is_file():
        raise ModelMissingError(f"{name}: no such set (installed: {', '.join(installed()) or 'none'})")
    path.unlink()
    path.with_suffix(".sha256").unlink(missing_ok=True)


def verify_bundle(path: Path) -> tuple[str, ...]:
    """`verify` for a file that is not installed yet; removes it when it is no bundle."""
    try:
        return verify(open_bundle(path))
    except InputError:
        path.unlink()
        raise


def verify(models: Models) -> tuple[str, ...]:
    """Check the checksum, load every part and check its values; returns the parts.

    Raises InputError naming what is wrong.
    """
    recorded = models.path.with_suffix(".sha256")
    if recorded.is_file() and recorded.read_text().split()[:1] != [sha256_of(models.path)]:
        raise InputError(f"{models.path}: has changed since it was imported (its checksum differs); import it again")
    require_fitting(models.config, models.path)
    for part in DEEPLANDSCAPE:
        if models.has(part):
            models.network(part)
    if models.has("generator"):
        models.generator()
    if (models.has("generator") or "mean_w" in models.names) and not bool(models.mean_w().isfinite().all()):
        raise InputError(f"{models.path}: the mean w is not finite; import the generator again")
    if models.has("encoder"):
        models.encoder()
    if models.has("lpips"):
        models.lpips()
    models.classifiers()
    models.motion_networks(torch.device("cpu"))
    return models.parts
