"""Sets of models that are known by name: what to bring, from whom, under which licence, and where `pull` finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class KnownSet:
    """`files` are the names under which the researchers publish the parts; `url` is None where they must be brought."""

    about: str
    publisher: str
    licence: str
    files: Mapping[str, str]  # name → what it is
    url: str | None = None  # of a ready bundle
    sha256: str | None = None


PURPOSES: Mapping[str, str] = MappingProxyType(  # of the parts of sets
    {
        "generator": "StyleGAN2, paints what moves and other looks: animate --backbone stylecinegan, style",
        "encoder": "reads a photo for its generator: invert",
        "mask": "says what moves, from the generator's features",
        "motion.sky": "says where the sky moves",
        "motion.water": "says where water moves",
        "lpips": "a distance of pictures as people see it: evaluate, train encoder",
        "deeplandscape_generator": "paints frames from moving noise: animate --backbone deeplandscape, sample",
        "deeplandscape_discriminator": "for training on",
        "deeplandscape_encoder": "reads a photo for its generator: invert --system deeplandscape",
        "deeplandscape_lighting": "other times of day: animate --backbone deeplandscape --light",
        "deeplandscape_superres": "frames four times as large: animate --backbone deeplandscape",
        "deeplandscape_perceptual": "the perceptual distance that inverts a photo: invert --system deeplandscape",
    }
)
REGISTRY: Mapping[str, KnownSet] = MappingProxyType(
    {
        "lhq-1024": KnownSet(
            about="StyleCineGAN's own: StyleGAN2 for landscapes at 1024 px with encoder, mask and motion networks",
            publisher="the StyleCineGAN authors (CVPR 2024); the links are in their repository's README",
            licence="research use, as the authors state; check with them before any other",
            files=MappingProxyType(
                {
                    "sg2-lhq-1024.pt": "generator",
                    "enc.pth.tar": "encoder",
                    "best_model_number_{0..9}.pth": "ten mask classifiers",
                    "sky/latest_net_G.pth": "motion of skies",
                    "fluid/latest_net_G.pth": "motion of water",
                }
            ),
        ),
        "deeplandscape": KnownSet(
            about="DeepLandscape's own: a generator with moving noise at 256 or 512 px, its encoder, times of day",
            publisher="the DeepLandscape authors (ECCV 2020); the links are in the README of saic-mdal/deep-landscape",
            licence="the repository is MIT (Samsung, 2020); it makes no separate statement for the weights",
            files=MappingProxyType(
                {
                    "checkpoints/256/475000.model": "generator for 256 px (512/445000.model: for 512 px)",
                    "encoders/256_resnet/models/best_model.pth": "encoder for the same size",
                    "encoders/256_mlp/models/best_model.pth": "lighting network for the same generator",
                    "superres/weights/G.pth": "super-resolution, with its segmentation network",
                    "vgg19-dcbb9e9d.pth": "torchvision's VGG-19, for the perceptual distance",
                }
            ),
        ),
        "lpips": KnownSet(
            about="LPIPS, the perceptual distance that `evaluate` and `train encoder` use; the files of VGG-16 do too",
            publisher="torchvision (download.pytorch.org/models) and github.com/richzhang/PerceptualSimilarity",
            licence="BSD-3-Clause (torchvision), BSD-2-Clause (lpips)",
            files=MappingProxyType(
                {
                    "alexnet-owt-7be5be79.pth": "torchvision's AlexNet",
                    "alex.pth": "its five heads, from lpips/weights/v0.1",
                }
            ),
        ),
    }
)
