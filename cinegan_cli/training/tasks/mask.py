"""Training of what finds sky and water: the seer's masks on top of an earlier seer, or the paper's perceptrons."""

from __future__ import annotations

from pathlib import Path

from cinegan_cli.models import BUNDLE_KIND, open_models
from cinegan_cli.stages.mask import WEIGHTS
from cinegan_cli.training.data import Tell, unheard
from cinegan_cli.training.loop import run, set_up
from cinegan_cli.training.results import require_places
from cinegan_cli.training.settings import LoopSettings, MaskSettings, SeerSettings
from cinegan_cli.training.tasks import mask_pixels
from cinegan_cli.training.tasks.seer import KIND, SeerTask
from cinegan_cli.types import Progress


def train(settings: MaskSettings, loop: LoopSettings, *, progress: Progress, tell: Tell = unheard) -> Path:
    """Train and write a seer, or with the form "pixels" a set of models; returns `settings.out`.

    `tell` gets what became of the photos. Raises InputError when the data cannot be read, OutputError when the folders
    of the results cannot be made.
    """
    models = open_models(settings.models) if settings.form == "pixels" else None
    kind, inputs = (KIND, (settings.start,)) if models is None else (BUNDLE_KIND, (models.path,))
    require_places(settings.out, loop.work, kind, inputs=inputs)
    if settings.form == "pixels":
        return mask_pixels.train(settings, loop, progress=progress, tell=tell)
    device = set_up(loop)
    task = SeerTask(_as_seer(settings), loop, device, learns=("kinds",), tell=tell)
    return run(task, loop, config=settings, progress=progress)


def _as_seer(settings: MaskSettings) -> SeerSettings:
    return SeerSettings(
        data=settings.data,
        annotations=settings.annotations,
        out=settings.out,
        start=settings.start or WEIGHTS,
        side=settings.side,
        held_out=settings.held_out,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
