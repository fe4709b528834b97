"""What is compared: ways to make a loop of the same photo, mask and motion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Method:
    """A row of a table: options of `Config.from_options` over the default, each read by that method's run.

    A `still` shows the photo alone.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    still: bool = False
    needs_generator: bool = False


BASELINES = (
    Method("still photo", still=True),
    Method("cross-fade", {"loop": "crossfade"}),
    Method("ping-pong", {"loop": "pingpong"}),
    Method("backward warp", {"warp": "backward"}),
    Method("RGB splat", {"warp": "rgb"}),
    Method("linear joint splat", {"warp": "splat", "blend": "linear"}),
    Method("ours"),
)


def ablation_variants(generator: bool) -> tuple[Method, ...]:
    """The variants of the paper's Table 4, and ours. With a `generator` its features are warped, else the bands are."""
    layer = {"mode": "deep", "no_residual": True} if generator else {"blend": "linear"}
    paper = {**layer, "warp": "splat", "fill": "paper"}
    return (
        Method("full", paper),
        Method("without forward warp", {**layer, "warp": "backward"}),
        Method("without deep features", {"warp": "rgb", "fill": "paper"}),
        Method("D10 only", {**paper, "warp_levels": "first"}, needs_generator=True),
        Method("without mask", {**paper, "move": "everything"}),
        Method("ours"),
    )
