"""Native operators and their pure-torch references."""

from cinegan_cli.ops._native import BackendInfo, backend_info
from cinegan_cli.ops.advect import advect
from cinegan_cli.ops.composite import composite
from cinegan_cli.ops.dilate import dilate
from cinegan_cli.ops.joint_sample import joint_sample
from cinegan_cli.ops.omoms import omoms_coefficients
from cinegan_cli.ops.render import anchor_of, interleaved, interleaved_coefficients, render
from cinegan_cli.ops.sample import sample
from cinegan_cli.ops.splat import splat
from cinegan_cli.ops.threads import one_thread, side_by_side
from cinegan_cli.ops.total import total
from cinegan_cli.ops.yuv import yuv420

__all__ = [
    "BackendInfo",
    "advect",
    "anchor_of",
    "backend_info",
    "composite",
    "dilate",
    "interleaved",
    "interleaved_coefficients",
    "joint_sample",
    "omoms_coefficients",
    "one_thread",
    "render",
    "sample",
    "side_by_side",
    "splat",
    "total",
    "yuv420",
]
