"""What is compared: ways to make a loop of the same photo, mask and motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PAPER: Mapping[str, Any] = {"warp": "splat", "blend": "linear", "fill": "paper"}


@dataclass(frozen=True)
class Method:
    """A row of a table: options of `Config.from_options` over the default. A `still` shows the photo alone."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    still: bool = False
    needs_generator: bool = False


BASELINES = (
    Method("still photo", still=True),
    Method("cross-fade", {"loop": "crossfade"}),
    Method("ping-pong", {"loop": "pingpong"}),
    Method("backward warp", {"warp": "backward"}),
    Method("RGB splat", {"warp": "rgb", "blend": "linear"}),
    Method("linear joint splat", {"warp": "splat", "blend": "linear"}),
    Method("ours"),
)


def ablation_variants(generator: bool) -> tuple[Method, ...]:
    """The variants of the paper's Table 4, and ours. With a `generator` its features are warped, else the bands are."""
    deep = {"mode": "deep", "no_residual": True} if generator else {}
    return (
        Method("full", {**PAPER, **deep}),
        Method("without forward warp", {**PAPER, **deep, "warp": "backward"}),
        Method("without deep features", {**PAPER, "warp": "rgb"}),
        Method("D10 only", {**PAPER, **deep, "warp_levels": "first"}, needs_generator=True),
        Method("without mask", {**PAPER, **deep, "move": "everything"}),
        Method("ours"),
    )
