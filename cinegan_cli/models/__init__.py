"""Weights on this machine: bundles, sets of models, the researchers' formats, downloads."""

from cinegan_cli.models.bundle import (
    Bundle,
    kind_of,
    load_strictly,
    pack,
    read_bundle,
    require_finite,
    unpack,
    write_bundle,
)
from cinegan_cli.models.deeplandscape import DeepLandscapeSet, find_deeplandscape
from cinegan_cli.models.formats.stylecinegan import load_released
from cinegan_cli.models.imports import import_files
from cinegan_cli.models.lpips import NONE, find_lpips, lpips_files
from cinegan_cli.models.perceptual import LITE_NAME, VGG_NAME, find_perceptual
from cinegan_cli.models.pull import pull_set
from cinegan_cli.models.registry import PURPOSES, REGISTRY
from cinegan_cli.models.store import (
    BUNDLE_KIND,
    DEFAULT_NAME,
    SHIPPED,
    SHIPPED_DEEPLANDSCAPE,
    SHIPPED_SETS,
    Listed,
    Models,
    all_tensors,
    cache_folder,
    find_models,
    installed,
    list_sets,
    model_path,
    open_bundle,
    open_models,
    remove,
    verify,
)
from cinegan_cli.models.superres import SUPERRES, read_superres, write_superres

__all__ = [
    "BUNDLE_KIND",
    "DEFAULT_NAME",
    "LITE_NAME",
    "NONE",
    "PURPOSES",
    "REGISTRY",
    "SHIPPED",
    "SHIPPED_DEEPLANDSCAPE",
    "SHIPPED_SETS",
    "SUPERRES",
    "VGG_NAME",
    "Bundle",
    "DeepLandscapeSet",
    "Listed",
    "Models",
    "all_tensors",
    "cache_folder",
    "find_deeplandscape",
    "find_lpips",
    "find_models",
    "find_perceptual",
    "import_files",
    "installed",
    "kind_of",
    "list_sets",
    "load_released",
    "load_strictly",
    "lpips_files",
    "model_path",
    "open_bundle",
    "open_models",
    "pack",
    "pull_set",
    "read_bundle",
    "read_superres",
    "remove",
    "require_finite",
    "unpack",
    "verify",
    "write_bundle",
    "write_superres",
]
