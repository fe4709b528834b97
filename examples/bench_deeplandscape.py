"""CPU seconds of DeepLandscape's networks at the released sizes, seeded weights, beside a plain form of each.

python examples/bench_deeplandscape.py [--only generator superres ...] [--rounds 3] [--bfloat16]

The plain form has the release's structure: every weight scaled anew in each pass, enlarging, convolution and blur one
after the other, noise, leaky ReLU, instance norm and style each by itself, both pictures through VGG-19, masks made for
each frame. Results are compared first. Threads are torch's; seconds are of the process, the best of the rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cinegan_cli.systems.deeplandscape as dl
from cinegan_cli.nn.deeplandscape import Encoder, Generator
from cinegan_cli.nn.rrdb import SuperResolver
from cinegan_cli.nn.vgg import Vgg

LEVELS = {128: 6, 256: 7, 512: 8}
Run = Callable[[], Tensor]


class PlainGenerator(nn.Module):
    """The generator written down step by step, on the tensors of another."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.state = dict(generator.state_dict())

    def synthesize(self, w: Tensor, static: list[Tensor], dynamic: list[Tensor]) -> Tensor:
        x = torch.empty(0)
        for i, maps in enumerate(zip(static, dynamic, strict=True)):
            p = f"generator.progression.{i}."
            x = self._style(p + "adain1.", self._noise(p, "1", self._first(p, i, x), maps), w[:, i, 0])
            x = self._conv(p + "conv2.conv.", x, 1)
            x = self._style(p + "adain2.", self._noise(p, "2", x, maps), w[:, i, 1])
        return self._conv(f"generator.to_rgb.{len(static) - 1}.conv.", x, 0)

    def _first(self, p: str, i: int, x: Tensor) -> Tensor:
        if i == 0:
            return self.state[p + "conv1.input"]
        if i < 5:
            x = self._conv(p + "conv1.1.conv.", F.interpolate(x, scale_factor=2.0), 1)
            return F.conv2d(x, self.state[p + "conv1.2.weight"], padding=1, groups=x.shape[1])
        weight = self.state[p + "conv1.0.weight"]
        wide = F.pad(weight * (2 / (9 * weight.shape[0])) ** 0.5, (1, 1, 1, 1))
        taps = (wide[..., 1:, 1:] + wide[..., :-1, 1:] + wide[..., 1:, :-1] + wide[..., :-1, :-1]) / 4
        x = F.conv_transpose2d(x, taps, self.state[p + "conv1.0.bias"], stride=2, padding=1)
        return F.conv2d(x, self.state[p + "conv1.1.weight"], padding=1, groups=x.shape[1])

    def _conv(self, p: str, x: Tensor, padding: int) -> Tensor:
        weight = self.state[p + "weight_orig"]
        return F.conv2d(x, weight * (2 / weight[0].numel()) ** 0.5, self.state[p + "bias"], padding=padding)

    def _noise(self, p: str, k: str, x: Tensor, maps: tuple[Tensor, Tensor]) -> Tensor:
        for name, noise in zip((f"noise{k}", f"noise{k}2"), maps, strict=True):
            gain = self.state[f"{p}{name}.weight_orig"]
            x = x + gain * (2 / gain.shape[1]) ** 0.5 * noise
        return F.leaky_relu(x, 0.2)

    def _style(self, p: str, x: Tensor, w: Tensor) -> Tensor:
        weight = self.state[p + "style.linear.weight_orig"]
        style = F.linear(w, weight * (2 / weight.shape[1]) ** 0.5, self.state[p + "style.linear.bias"])
        scale, shift = style[:, :, None, None].chunk(2, 1)
        return scale * F.instance_norm(x) + shift


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bfloat16", action="store_true", help="a third column, under autocast")
    options = parser.parse_args()
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    print("| network | plain, s | here, s | times faster |" + (" bfloat16, s | off by, of std |" * options.bfloat16))
    print("|---|---|---|---|" + "---|---|" * options.bfloat16)
    for part in options.only:
        PARTS[part](options.rounds, options.bfloat16)


def generators(rounds: int, half: bool) -> None:
    generator, plain = seeded_generator()
    for side, levels in LEVELS.items():
        w, maps = inputs(levels)
        row(
            f"generator {side} px",
            lambda: plain.synthesize(w, maps, maps),  # noqa: B023
            lambda: generator.synthesize(w, maps, maps),  # noqa: B023
            rounds,
            half,
        )


def encoder(rounds: int, half: bool) -> None:
    network = Encoder().eval().requires_grad_(False)
    photo = torch.rand(1, 3, 256, 256) * 2 - 1
    row("encoder", None, lambda: network(photo), rounds, half)


def superres(rounds: int, half: bool) -> None:
    network = SuperResolver().eval().requires_grad_(False)
    frame, reference = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 256, 256)
    masks = network.masks(reference)
    row(
        "super-resolution 64 to 256 px, a frame of many",
        lambda: network(frame, reference),
        lambda: network(frame, reference, masks),
        rounds,
        half,
    )


def perceptual(rounds: int, half: bool) -> None:
    network = Vgg().eval().requires_grad_(False)
    images, target = torch.rand(2, 1, 3, 256, 256) * 2 - 1
    seen = network.activations(target)
    row(
        "VGG-19 at 256 px, a step of many",
        lambda: network(images, target),
        lambda: network(images, seen),
        rounds,
        half,
    )


def inversion(rounds: int, half: bool) -> None:
    generator, plain = seeded_generator()
    network = Vgg().eval().requires_grad_(False)
    photo = torch.rand(1, 3, 256, 256) * 2 - 1
    w, maps = inputs(7)

    def plain_step() -> Tensor:
        leaves = [x.clone().requires_grad_() for x in (w, *maps, *maps)]
        adam = torch.optim.Adam(leaves, lr=0.1)
        made = plain.synthesize(leaves[0], leaves[1:8], leaves[8:])
        loss = (made - photo).abs().mean() + 0.01 * network(made, photo).sum() + dl.latent_penalty(leaves[0], w)
        loss.backward()
        for leaf in leaves[1:]:
            leaf.grad = None if leaf.grad is None else leaf.grad * 1e-3
        adam.step()
        return leaves[0].detach()

    def steps(count: int) -> Tensor:
        return dl.invert(generator, network, photo, w, maps, maps, variant="eoi", steps=count)[0]

    least = [float("inf")] * 3
    for _ in range(rounds):
        for k, run in enumerate((plain_step, lambda: steps(1), lambda: steps(3))):
            least[k] = min(least[k], seconds(run))
    before, after = least[0], (least[2] - least[1]) / 2
    tell("EOI step at 256 px", before, after)


def seeded_generator() -> tuple[Generator, PlainGenerator]:
    generator = Generator().eval().requires_grad_(False)
    for name, gain in generator.named_parameters():
        if ".noise" in name:
            nn.init.normal_(gain)
    return generator, PlainGenerator(generator)


def inputs(levels: int) -> tuple[Tensor, list[Tensor]]:
    return torch.randn(1, levels, 2, 512), [torch.randn(1, 1, 4 << i, 4 << i) for i in range(levels)]


@torch.no_grad()
def row(name: str, plain: Run | None, ours: Run, rounds: int, half: bool) -> None:
    """Compare, time in turn, and print."""
    result = ours()
    if plain is not None:
        error = float((plain() - result).abs().max() / result.std())
        assert error < 2e-3, f"{name}: off by {error:.1e} of the std"
    before = after = narrow = float("inf")
    for _ in range(rounds):
        before = before if plain is None else min(before, seconds(plain))
        after = min(after, seconds(ours))
        if half:
            with torch.autocast("cpu", torch.bfloat16):
                narrow = min(narrow, seconds(ours))
    extra = ""
    if half:
        with torch.autocast("cpu", torch.bfloat16):
            off = float((ours().float() - result).square().mean().sqrt() / result.std())
        extra = f" {narrow:.2f} | {off:.0e} |"
    tell(name, before, after, extra)


def tell(name: str, before: float, after: float, extra: str = "") -> None:
    known = before < float("inf")
    print(
        f"| {name} | {before:.2f} | {after:.2f} | {before / after:.2f} |" if known else f"| {name} | | {after:.2f} | |",
        end="",
    )
    print(extra, flush=True)


def seconds(run: Run) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


PARTS = {
    "generator": generators,
    "encoder": encoder,
    "superres": superres,
    "perceptual": perceptual,
    "inversion": inversion,
}

if __name__ == "__main__":
    main()
