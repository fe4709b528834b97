"""StyleGAN2's generator: the released numbers, the equations written out, grids, gradients, precision, bad shapes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.nn.stylegan2.generator import Features, Generator, GeneratorConfig
from cinegan_cli.nn.stylegan2.layers import ModulatedConv2d, Upsample
from tests.seeded_generator import FIGURES, deviation_from, released_shapes, seeded, seeded_generator

TINY = GeneratorConfig(size=32, style_dim=8, mapping_layers=2, max_channels=6)  # D2 … D8


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tiny networks: two threads that wait for each other on a busy machine take 23 s where one takes 4."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(config: GeneratorConfig = TINY, dtype: torch.dtype = torch.float32) -> Generator:
    """A generator whose noise, biases and constants all count."""
    torch.manual_seed(3)
    generator = Generator(config).to(dtype)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith(("noise.weight", "bias")):
                parameter += 0.3 * torch.randn_like(parameter)
    return generator


def randn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def styles(generator: Generator, batch: int = 1, seed: int = 0) -> Tensor:
    config = generator.config
    return randn(batch, config.n_styles, config.style_dim, seed=seed, dtype=generator.input.input.dtype)


# --- the released architecture


@pytest.fixture(scope="module")
def deviations() -> dict[str, float]:
    """How far every output is from its figure in `conformance/`: three passes of the full-size generator."""
    generator = seeded_generator()
    found: dict[str, float] = {}

    def compare(name: str, x: Tensor) -> None:
        found[name] = deviation_from(FIGURES[name], x)

    with torch.inference_mode():
        w = generator.mapping(seeded(5000, 1, 512))
        compare("w", w)
        compare("image_from_z", generator.synthesize(generator.w_plus(w)))
        w_plus, d10 = seeded(5001, 1, 18, 512), seeded(5002, 1, 512, 64, 64)
        for name, picture, make_features in (
            ("features", "image_from_wplus", lambda: generator.features(w_plus)),
            ("features_from_d10", "image_from_d10", lambda: generator.features_from(d10, w_plus)),
        ):
            features: Features = make_features()
            compare(picture, generator.sum_rgb(features.rgb))
            for k, d in features.levels.items():
                compare(f"{name}/D{k}", d)
    return found


@pytest.mark.slow
def test_every_output_has_a_figure(deviations: dict[str, float]) -> None:
    assert deviations.keys() == FIGURES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_the_authors_numbers(name: str, deviations: dict[str, float]) -> None:
    assert deviations[name] < 1e-4  # worst seen 2.1e-5 (D10), float32 on CPU


def test_state_dict_is_the_released_one() -> None:
    with torch.device("meta"):
        state = Generator(GeneratorConfig()).state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == released_shapes()


def test_channels_are_those_of_the_supplement() -> None:
    config = GeneratorConfig()
    assert [config.side(k) for k in (1, 2, 3, 4, 10, 11, 18)] == [4, 4, 8, 8, 64, 128, 1024]
    assert sum(config.channels(k) for k in range(10, 19)) == 1472
    assert config.n_styles == config.last_index == 18
    assert GeneratorConfig(**json.loads(json.dumps(asdict(config)))) == config


# --- the equations, written out


def per_sample(conv: ModulatedConv2d, x: Tensor, w: Tensor, *, up: bool) -> Tensor:
    """Equations 1 and 3 of Karras et al. 2020 as they stand: modulated and demodulated weights for each sample."""
    style = F.linear(w, conv.modulation.weight / math.sqrt(w.shape[1]), conv.modulation.bias)
    weight = conv.weight / math.sqrt(conv.weight[0, 0].numel()) * style[:, None, :, None, None]
    weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    if not up:
        return torch.cat([F.conv2d(x[i : i + 1], weight[i], padding=1) for i in range(len(x))])
    made = [F.conv_transpose2d(x[i : i + 1], weight[i].transpose(0, 1), stride=2) for i in range(len(x))]
    return filtered(F.pad(torch.cat(made), (1, 1, 1, 1)), 4)


def filtered(x: Tensor, gain: float) -> Tensor:
    """Each channel filtered with [1, 3, 3, 1] ⊗ [1, 3, 3, 1] summing to `gain`, only where it fits."""
    taps = [1.0, 3.0, 3.0, 1.0]
    rows, columns = x.shape[2] - 3, x.shape[3] - 3
    terms = [a * b * x[:, :, i : i + rows, j : j + columns] for i, a in enumerate(taps) for j, b in enumerate(taps)]
    return torch.stack(terms).sum(0) * gain / 64


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("side", [3, 20], ids=["scales the input", "may scale the weight"])
def test_modulated_convolution_is_that_of_the_paper(up: bool, batch: int, side: int) -> None:
    torch.manual_seed(0)
    conv = ModulatedConv2d(5, 4, 3, 6, up=up).double()
    x, w = randn(batch, 5, side, side + 2, dtype=torch.float64), 3 * randn(batch, 6, seed=1, dtype=torch.float64)
    y, factor = conv(x, w)
    torch.testing.assert_close(y * factor, per_sample(conv, x, w, up=up), rtol=1e-6, atol=1e-6)  # kernels are float32


def test_upsampling_inserts_zeros_and_filters() -> None:
    x = randn(2, 3, 4, 5)
    zeros = torch.zeros(2, 3, 8, 10)
    zeros[:, :, ::2, ::2] = x
    torch.testing.assert_close(Upsample()(x), filtered(F.pad(zeros, (2, 1, 2, 1)), 4))


def test_to_rgb_commutes_with_a_mix_of_pixels() -> None:
    generator = make(dtype=torch.float64)
    w_plus, d = styles(generator), randn(1, 6, 8, 8, dtype=torch.float64)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    share = torch.rand(1, 1, 64, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def mix(x: Tensor) -> Tensor:
        pixels = x.flatten(2)
        return (share * pixels + (1 - share) * pixels[:, :, order]).view_as(x)

    there, back = generator.to_rgb(4, mix(d), w_plus), mix(generator.to_rgb(4, d, w_plus))
    torch.testing.assert_close(there, back, rtol=1e-12, atol=1e-12)


# --- sizes, grids, parts


@pytest.mark.parametrize("size", [4, 8, 16, 32, 64, 128, 256, 512, 1024])
def test_every_size(size: int) -> None:
    generator = make(GeneratorConfig(size, style_dim=4, mapping_layers=1, channel_multiplier=0.25, max_channels=8))
    w = generator.mapping(randn(2 if size < 256 else 1, 4))
    with torch.inference_mode():
        features = generator.features(generator.w_plus(w))
    last = 2 * int(math.log2(size)) - 2
    assert list(features.levels) == list(range(2, last + 1))
    for k, d in features.levels.items():
        side = generator.config.side(k)
        assert d.shape == (len(w), generator.config.channels(k), side, side)
    assert [band.shape[2] for band in features.rgb] == [4 * 2**i for i in range(last // 2)]
    assert generator.sum_rgb(features.rgb).shape == (len(w), 3, size, size)


def test_layers_and_contributions_compose_to_features() -> None:
    generator = make()
    w_plus = styles(generator, 2)
    features = generator.features(w_plus)
    for before, k in pairwise(features.levels):
        torch.testing.assert_close(generator.layer(k, features.levels[before], w_plus), features.levels[k])
    bands = [generator.to_rgb(k, features.levels[k], w_plus) for k in range(2, 9, 2)]
    for band, wanted in zip(bands, features.rgb, strict=True):
        torch.testing.assert_close(band, wanted)
    torch.testing.assert_close(generator.synthesize(w_plus), generator.sum_rgb(features.rgb))
    first = generator.layer(2, generator.input.input.expand(2, -1, -1, -1), w_plus)
    torch.testing.assert_close(first, features.levels[2])


@pytest.mark.parametrize("index", range(1, 9))
def test_starting_at_a_feature_gives_the_rest(index: int) -> None:
    generator = make()
    w_plus = styles(generator)
    whole = generator.features(w_plus)
    d = whole.levels[index] if index > 1 else generator.input.input
    later: Features = generator.features_from(d, w_plus, index)
    assert list(later.levels) == list(range(index, 9))
    torch.testing.assert_close(later.levels[8], whole.levels[8])
    assert len(later.rgb) == 5 - math.ceil(index / 2)
    for band, wanted in zip(later.rgb, whole.rgb[-len(later.rgb) :], strict=True):
        torch.testing.assert_close(band, wanted)
    torch.testing.assert_close(generator.synthesize_from(d, w_plus, index), generator.sum_rgb(later.rgb))


def test_samples_of_a_batch_do_not_mix() -> None:
    generator = make()
    w_plus = styles(generator, 3)
    together = generator.synthesize(w_plus)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], generator.synthesize(w_plus[i : i + 1]), rtol=1e-4, atol=1e-5)
    d = randn(3, 6, 8, 8)
    shared = generator.synthesize_from(d, w_plus[:1], 4)
    torch.testing.assert_close(
        shared, generator.synthesize_from(d, w_plus[:1].expand(3, -1, -1), 4), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 9), (16, 8), (7, 8)])
def test_grids_need_not_be_square(rows: int, columns: int) -> None:
    generator = make()
    w_plus, d = styles(generator), randn(1, 6, rows, columns)
    features = generator.features_from(d, w_plus, 4)
    assert [tuple(band.shape[2:]) for band in features.rgb] == [(rows * f, columns * f) for f in (1, 2, 4)]
    picture = generator.synthesize_from(d, w_plus, 4)
    assert picture.shape == (1, 3, 4 * rows, 4 * columns)
    stored = [generator.noises.get_buffer(f"noise_{i}") for i in range(7)]
    tiled = [n.repeat(1, 1, 3, 3) for n in stored]
    torch.testing.assert_close(picture, generator.synthesize_from(d, w_plus, 4, noise=tiled))


def test_a_wider_grid_goes_on_to_the_right() -> None:
    """What is further left than the layers reach is the same in a wider picture, noise included."""
    generator = make()
    w_plus, d = styles(generator), randn(1, 6, 8, 24)
    wide, narrow = (generator.synthesize_from(x, w_plus, 4) for x in (d, d[..., :16]))
    torch.testing.assert_close(wide[..., : 4 * 12], narrow[..., : 4 * 12], rtol=1e-4, atol=1e-5)
    assert (wide[..., 60:64] - narrow[..., 60:64]).abs().max() > 1e-3  # the border itself is another


def test_noise_can_be_chosen() -> None:
    generator = make()
    w_plus = styles(generator, 2)

    def drawn(seed: int) -> Tensor:
        return generator.synthesize(w_plus, noise="random", rng=torch.Generator().manual_seed(seed))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.allclose(drawn(1), drawn(2))
    none = generator.synthesize(w_plus, noise="none")
    torch.testing.assert_close(none, generator.synthesize(w_plus, noise=[torch.zeros(1, 1, 1, 1)] * 7))
    assert not torch.allclose(none, generator.synthesize(w_plus))


def test_w_is_averaged_truncated_and_mixed() -> None:
    generator = make()
    mean = generator.mean_w(2000, seed=1)
    assert torch.equal(mean, generator.mean_w(2000, seed=1))
    w = generator.mapping(randn(2, 8))
    assert (mean - generator.mean_w(2000, seed=2)).norm() < 0.2 * (w - mean).norm()
    torch.testing.assert_close(generator.truncate(w, mean, 0), mean.expand(2, -1))
    torch.testing.assert_close(generator.truncate(w, mean, 1), w)
    assert torch.equal(generator.w_plus(w), w[:, None].repeat(1, 8, 1))
    mixed = generator.w_plus(w, w.flip(0), 3)
    assert torch.equal(mixed[:, 2], w)
    assert torch.equal(mixed[:, 3], w.flip(0))


# --- gradients and precision


def test_every_parameter_gets_a_gradient() -> None:
    generator = make()
    picture = generator(generator.w_plus(generator.mapping(randn(2, 8))))
    (picture * randn(*picture.shape)).sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_derivatives_are_exact(check: Callable[..., bool], batch: int) -> None:
    generator = make(GeneratorConfig(8, style_dim=2, mapping_layers=1, max_channels=2), torch.float64)
    w_plus = styles(generator, batch).requires_grad_()
    d = randn(batch, 2, 4, 4, dtype=torch.float64).requires_grad_()

    def made(d: Tensor, w_plus: Tensor, weight: Tensor) -> Tensor:
        values = {"inner.convs.0.conv.weight": weight}
        picture: Tensor = torch.func.functional_call(_From(generator), values, (d, w_plus))
        return picture[:, :, ::5, ::3]

    assert check(made, (d, w_plus, generator.convs[0].conv.weight), fast_mode=True)


class _From(torch.nn.Module):
    """`synthesize_from` as a module's forward, for `functional_call`."""

    def __init__(self, inner: Generator):
        super().__init__()
        self.inner = inner

    def forward(self, d: Tensor, w_plus: Tensor) -> Tensor:
        return self.inner.synthesize_from(d, w_plus, 2)


def test_path_length_regularisation_trains() -> None:
    """Equation 4 of the paper needs the derivative of a derivative for all that shapes the picture."""
    generator = make()
    w = generator.mapping(randn(2, 8))
    picture = generator.synthesize(generator.w_plus(w))
    (slope,) = torch.autograd.grad((picture * randn(*picture.shape)).sum(), w, create_graph=True)
    slope.norm(dim=1).square().sum().backward()
    without = {name for name, parameter in generator.named_parameters() if parameter.grad is None}
    assert all(name.endswith("bias") for name in without)  # what is only added
    assert generator.convs[0].conv.weight.grad.abs().max() > 0


def test_no_grad_gives_the_same_and_leaves_its_inputs() -> None:
    generator = make()
    w_plus, d = styles(generator), randn(1, 6, 8, 8)
    before = d.clone(), w_plus.clone()
    with torch.no_grad():
        picture = generator.synthesize_from(d, w_plus, 4)
        bands = generator.features_from(d, w_plus, 4).rgb
        kept = [band.clone() for band in bands]
        generator.sum_rgb(bands)
    assert torch.equal(d, before[0])
    assert torch.equal(w_plus, before[1])
    assert all(map(torch.equal, bands, kept))
    torch.testing.assert_close(picture, generator.synthesize_from(d, w_plus, 4))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.03), (torch.float16, 0.004)])
def test_half_precision_loses_little(dtype: torch.dtype, tolerance: float) -> None:
    """RMS error over the deviation: up to 1.0 % in bf16, 0.12 % in fp16, also with styles beyond fp16's range."""
    generator = make()
    for scale in (1, 1e6):
        w_plus = scale * styles(generator, 2)
        with torch.inference_mode():
            exact = generator.features(w_plus, noise="none")
            with torch.autocast("cpu", dtype):
                found = generator.features(w_plus, noise="none")
        assert found.levels[8].dtype == dtype
        assert found.rgb[-1].dtype == torch.float32
        error = (found.levels[8].float() - exact.levels[8]).square().mean().sqrt() / exact.levels[8].std()
        assert error < tolerance


# --- wrong input


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("w_plus", lambda g: g.synthesize(randn(1, 7, 8))),
        ("w_plus", lambda g: g.synthesize(randn(0, 8, 8))),
        ("w_plus", lambda g: g.synthesize_from(randn(3, 6, 8, 8), styles(g, 2), 4)),
        ("D4", lambda g: g.synthesize_from(randn(1, 5, 8, 8), styles(g), 4)),
        ("D4", lambda g: g.features_from(randn(6, 8, 8), styles(g), 4)),
        ("index", lambda g: g.synthesize_from(randn(1, 6, 8, 8), styles(g))),
        ("k", lambda g: g.layer(1, randn(1, 6, 4, 4), styles(g))),
        ("k", lambda g: g.to_rgb(3, randn(1, 6, 8, 8), styles(g))),
        ("z", lambda g: g.mapping(randn(1, 9))),
        ("crossover", lambda g: g.w_plus(randn(1, 8), randn(1, 8), 9)),
        ("rng", lambda g: g.synthesize(styles(g), noise="random")),
        ("noise", lambda g: g.synthesize(styles(g), noise=[randn(1, 1, 4, 4)])),
        ("rgb", lambda g: g.sum_rgb([randn(1, 3, 4, 4), randn(1, 3, 8, 9)])),
        ("rgb", lambda g: g.sum_rgb([])),
        ("size", lambda _: GeneratorConfig(size=48)),
        ("channel_multiplier", lambda _: GeneratorConfig(channel_multiplier=0)),
    ],
)
def test_wrong_input_is_refused(name: str, call: Callable[[Generator], object]) -> None:
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        call(make())
