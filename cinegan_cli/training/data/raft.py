"""RAFT (Teed and Deng 2020) through torchvision, which is not a dependency: install it and bring its weights."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.measure import Array, Flow
from cinegan_cli.stages.video import Frame

MULTIPLE = 8  # of sides


def raft_flow(weights: Path | None) -> Flow:
    """The flow between two frames, [2, h, w] px, by torchvision's RAFT with the weights of a file.

    Raises UsageError without torchvision or weights, InputError for a file that holds something else.
    """
    if weights is None:
        raise UsageError(
            "--flow raft: needs --raft-weights FILE (torchvision's raft_large or raft_small .pth); or use --flow dis"
        )
    try:
        optical_flow = import_module("torchvision.models.optical_flow")
    except (ImportError, RuntimeError) as error:  # the second when it was built for another torch
        raise UsageError(
            f'--flow raft: torchvision cannot be used ({error}); pip install "cinegan[raft]", the one for this torch, '
            "or --flow dis"
        ) from error
    if not weights.is_file():
        raise InputError(f"{weights}: no such file; --raft-weights names torchvision's raft_large or raft_small .pth")
    model: Any = optical_flow.raft_small if "small" in weights.name else optical_flow.raft_large
    network = model(weights=None).eval()
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises whatever the damage leads to
        raise InputError(
            f"{weights}: does not hold torchvision's RAFT; name the file raft_small_* or raft_large_*"
        ) from error

    def flow(before: Frame, after: Frame) -> Array:
        height, width = before.shape[:2]
        sides = tuple(max(16, round(side / MULTIPLE)) * MULTIPLE for side in (width, height))  # correlation needs 128
        both = [cv2.resize(frame, sides, interpolation=cv2.INTER_LINEAR) for frame in (before, after)]
        one, other = (torch.from_numpy(np.asarray(p)).permute(2, 0, 1)[None].float() / 127.5 - 1 for p in both)
        with torch.inference_mode():
            found = network(one, other)[-1][0].numpy()  # [2, h', w']
        parts = [
            cv2.resize(p, (width, height)) * now / then
            for p, now, then in zip(found, (width, height), sides, strict=True)
        ]
        return np.stack(parts).astype(np.float32)

    return flow
