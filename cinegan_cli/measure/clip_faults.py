"""Whether a clip shows what a motion model may learn: a still camera, no cut, and something that moves one way."""

from __future__ import annotations

import numpy as np

from cinegan_cli.measure.flow import Array, ClipMotion

# Measured on 33 clips that were looked at (seas, skies, streams; 2 s each):
SHAKE = 1e-3  # of the longer side, deviation of the common path: hand-held 0.0012-0.006, tripods at most 0.0007,
SHARED = 0.4  # but for swell up to 0.0065: of its blocks 0.00-0.20 go along with the common path, hand-held 0.41-0.94
MOTIONLESS = 8e-3  # of the longer side per second: textured blocks slower than this hold still
PAN = 0.08  # residual of one affine motion for all: clouds and reflections that fill the picture 0.10-0.76, a pan 0.02
CUT = 8.0  # times the usual difference between frames; uncut clips at most 5
LEAST_MOVING = 0.02  # of the picture
DIRECTED = 0.4  # length of the mean motion over the mean speed: rain on water 0.26-0.38, waves and streams 0.5-1


def clip_fault(motion: ClipMotion) -> str | None:
    """Why a clip whose camera holds still cannot be used, in a few words, or None."""
    if motion.jump > CUT:
        return f"a cut or flash: one frame differs {motion.jump:.0f} times more than the others"
    share = float(motion.moving.mean())
    if share < LEAST_MOVING:
        return f"hardly anything moves ({share:.1%} of the picture)"
    directed = float(np.hypot(*motion.velocity)[motion.moving].mean() / motion.gross[motion.moving].mean())
    if directed < DIRECTED:
        return f"moves to and fro, not one way (mean motion {directed:.0%} of the mean speed)"
    return None


def camera_fault(motion: ClipMotion, fps: float) -> str | None:
    """How the camera moves, or None when it holds still.

    A shaken camera takes all blocks along the same path, apart from their mean motion; waves do not. A slow pan or zoom
    leaves no textured block still and is one affine motion; a picture that is all cloud or water is that too, but less
    exactly. A pan over moving water or clouds is not seen.
    """
    side = max(motion.moving.shape)
    rich = motion.texture > max(1.0, 0.25 * float(np.median(motion.texture)))
    if rich.sum() < 8:
        return None
    steps = motion.steps[:, :, rich] / side  # [T, 2, K]
    path = np.cumsum(steps - steps.mean(0), 0)
    common = np.median(path, 2)  # [T, 2]
    shake = float(np.sqrt(np.square(common).sum(1).mean()))
    off = np.sqrt(np.square(path - common[:, :, None]).sum(1).mean(0))  # [K]
    if shake > SHAKE and float((off < 0.5 * shake).mean()) > SHARED:
        return f"the camera shakes (by {shake:.2%} of the longer side)"
    speeds = np.hypot(steps[:, 0], steps[:, 1]).mean(0) * fps
    if speeds.min() > MOTIONLESS and (residual := _affine_residual(motion.steps.mean(0), rich)) < PAN:
        return f"the camera pans or zooms (all moves as one, up to {residual:.0%})"
    return None


def _affine_residual(flow: Array, rich: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    """What the best affine motion leaves of the flow [2, h, w] of the `rich` [h, w] blocks, over its mean speed."""
    y, x = np.nonzero(rich)
    places = np.stack([np.ones(len(x)), x, y], 1)
    values = flow[:, rich].T  # [K, 2]
    rest = values - places @ np.linalg.lstsq(places, values, rcond=None)[0]
    return float(np.hypot(*rest.T).mean() / max(float(np.hypot(*values.T).mean()), 1e-9))
