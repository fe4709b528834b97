"""The pixel classifiers against the authors' figures, and the ensemble against the concatenation it avoids."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from cinegan_cli.nn import classifier
from cinegan_cli.nn.classifier import ClassifierConfig, ClassifierEnsemble, PixelClassifier
from tests.conformance_tools import compare, layout_digest, load_figures, seed_weights, seeded, seeded_normal

CHANNELS = (16, 12, 12, 8, 6, 4)
GRIDS = ((6, 9), (12, 18), (12, 18), (24, 36), (36, 54), (48, 72))  # 3 : 2; coarser, equal and finer than `SIZE`
SIZE = (24, 36)


def make_ensemble(members: int = 3, channels: int = sum(CHANNELS)) -> ClassifierEnsemble:
    ensemble = ClassifierEnsemble(PixelClassifier(ClassifierConfig(channels, (20, 10))) for _ in range(members))
    seed_weights(ensemble, "classifier")
    return ensemble


def make_features(batch: int = 2) -> list[Tensor]:
    shapes = zip(CHANNELS, GRIDS, strict=True)
    return [seeded_normal(i, (batch, channels, *grid)) for i, (channels, grid) in enumerate(shapes)]


@torch.inference_mode()
def literally(ensemble: ClassifierEnsemble, features: list[Tensor], size: tuple[int, int]) -> Tensor:
    """As the paper puts it: resize all, concatenate, then classify pixel by pixel. → [members, B, 3, h, w]"""
    stack = torch.cat([F.interpolate(x.float(), size, mode="bilinear") for x in features], 1)
    pixels = stack.permute(0, 2, 3, 1).flatten(0, 2)
    logits = torch.stack([member(pixels) for member in ensemble])
    return logits.view(len(ensemble), len(stack), *size, 3).permute(0, 1, 4, 2, 3)


def test_keys_and_shapes_are_the_releases() -> None:
    state = PixelClassifier().state_dict()
    assert layout_digest(state) == load_figures("nets_100")["classifier"]["layout"]
    ensemble = ClassifierEnsemble([PixelClassifier(), PixelClassifier()]).state_dict()
    assert set(ensemble) == {f"{member}.{key}" for member in range(2) for key in state}


@torch.inference_mode()
def test_logits_are_the_authors() -> None:
    logits = seeded(PixelClassifier, "classifier")(seeded_normal(6001, (64, 1472)))
    compare(load_figures("nets_100")["classifier"]["outputs"]["classifier"], logits)


@pytest.mark.parametrize("size", [SIZE, (25, 33), (7, 50), (1, 1)])
@pytest.mark.parametrize("strip_bytes", [2**26, 2**15, 1])
def test_ensemble_is_the_literal_one(size: tuple[int, int], strip_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "STRIP_BYTES", strip_bytes)
    ensemble, features = make_ensemble(), make_features()
    expected = literally(ensemble, features, size)
    assert expected.std() > 0.5
    # float32, CPU; the worst difference seen is 2.2e-6
    torch.testing.assert_close(ensemble(features, size), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layout_and_dtype_of_features_do_not_matter(dtype: torch.dtype) -> None:
    ensemble = make_ensemble()
    features = [x.to(dtype).to(memory_format=torch.channels_last) for x in make_features()]
    with torch.autocast("cpu", torch.bfloat16):
        logits = ensemble(features, SIZE)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, literally(ensemble, features, SIZE), rtol=0, atol=1e-4)


def test_mode_does_not_matter_and_features_are_left_alone() -> None:
    ensemble, features = make_ensemble(), make_features()
    expected = ensemble(features, SIZE)
    torch.testing.assert_close(ensemble.train()(features, SIZE), expected, rtol=0, atol=0)
    assert all(torch.equal(a, b) for a, b in zip(features, make_features(), strict=True))


class LargestTensor(TorchDispatchMode):
    """Remembers the bytes of the largest tensor that any operation returned."""

    bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.bytes = max(self.bytes, result.numel() * result.element_size())
        return result


def test_memory_is_bounded_by_the_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "STRIP_BYTES", 2**20)
    ensemble = ClassifierEnsemble(PixelClassifier(ClassifierConfig(32)) for _ in range(10))
    features = [torch.zeros(1, 24, 16, 16), torch.zeros(1, 8, 32, 32)]
    with LargestTensor() as largest:
        ensemble(features, (64, 64))
    assert 2**19 < largest.bytes < 2**21  # the first layer's outputs together are 20 times 2^20


def test_vote_counts_members() -> None:
    choices = torch.tensor([[0, 1, 2, 2], [0, 1, 2, 1], [0, 1, 1, 1], [0, 0, 0, 2]])  # [members, pixels]
    logits = F.one_hot(choices, 3).float().permute(0, 2, 1)[:, None, :, None]  # [4, 1, 3, 1, 4]
    classes, share = ClassifierEnsemble.vote(logits)
    assert classes.tolist() == [[0, 1, 2, 1]]  # the last is a tie
    assert share.tolist() == [[[1, 0.25, 0.25, 0]], [[0, 0.75, 0.25, 0.5]], [[0, 0, 0.5, 0.5]]]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\b58\b"):
        make_ensemble()(make_features()[1:], SIZE)
    with pytest.raises(ValueError, match="members"):
        ClassifierEnsemble([])
    with pytest.raises(ValueError, match="members"):
        ClassifierEnsemble([PixelClassifier(), PixelClassifier(ClassifierConfig(8))])
    with pytest.raises(ValueError, match="logits"):
        ClassifierEnsemble.vote(torch.zeros(3, 2, 3, 4, 4))
