"""The smallest joint splat: two pictures of numbers move toward each other and meet half-way.

python examples/splat_hello.py
"""

from __future__ import annotations

import torch

from cinegan_cli.ops import splat

# One row of eight pixels; [B, C, H, W].
picture = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).view(1, 1, 1, 8)
right = torch.zeros(1, 2, 1, 8)
right[:, 0] = 1.5  # displacement[b, 0] is along x: every pixel lands 1.5 px to the right

# The later the frame, the more the backward source counts: phase t / N.
phase = 0.25
forward_sum, forward_votes = splat(picture, right * phase, torch.full((1, 1, 1, 8), 1 - phase))
backward_sum, backward_votes = splat(picture, right * (phase - 1), torch.full((1, 1, 1, 8), phase))

# Joint splatting is two accumulations and one division; where nothing lands there is a hole.
votes = forward_votes + backward_votes
frame = torch.where(votes > 1e-6, (forward_sum + backward_sum) / votes.clamp_min(1e-6), torch.nan)
print("before", picture.flatten().tolist())
print("after ", [round(value, 3) for value in frame.flatten().tolist()])
