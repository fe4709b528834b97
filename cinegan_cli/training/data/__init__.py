"""Data sets for training: made from clips, photos or nothing, and read back."""

from cinegan_cli.training.data.arrows import Arrow, read_arrows
from cinegan_cli.training.data.augment import augment
from cinegan_cli.training.data.collect import gather
from cinegan_cli.training.data.folder import MANIFEST, Tell, read_manifest, unheard
from cinegan_cli.training.data.frames import (
    FrameStore,
    Source,
    clip_sources,
    crop_pair_view,
    make_stores,
    pair_view,
    photo_sources,
    photo_view,
)
from cinegan_cli.training.data.from_photos import from_photos
from cinegan_cli.training.data.from_videos import Collected, from_videos
from cinegan_cli.training.data.labels import merged
from cinegan_cli.training.data.lmdb_sets import is_lmdb, lmdb_sources
from cinegan_cli.training.data.masks import (
    Example,
    read_examples,
    read_labels,
    resize,
    sky_of,
    water_of,
)
from cinegan_cli.training.data.motions import MotionCrop, MotionSet, read_sets
from cinegan_cli.training.data.pairs import PairSet, make_pairs
from cinegan_cli.training.data.photos import PhotoSet, list_photos
from cinegan_cli.training.data.sights import augment_sight, motion_targets, read_sights
from cinegan_cli.training.data.synthetic import make_synthetic

__all__ = [
    "MANIFEST",
    "Arrow",
    "Collected",
    "Example",
    "FrameStore",
    "MotionCrop",
    "MotionSet",
    "PairSet",
    "PhotoSet",
    "Source",
    "Tell",
    "augment",
    "augment_sight",
    "clip_sources",
    "crop_pair_view",
    "from_photos",
    "from_videos",
    "gather",
    "is_lmdb",
    "list_photos",
    "lmdb_sources",
    "make_pairs",
    "make_stores",
    "make_synthetic",
    "merged",
    "motion_targets",
    "pair_view",
    "photo_sources",
    "photo_view",
    "read_arrows",
    "read_examples",
    "read_labels",
    "read_manifest",
    "read_sets",
    "read_sights",
    "resize",
    "sky_of",
    "unheard",
    "water_of",
]
