"""The log of a training as a chart, `curves.png` beside it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cinegan_cli.charts import COLOURS, STYLES, can_plot, new_figure, save_figure, tidy
from cinegan_cli.training.run_folder import FIRST_COLUMNS, LOG

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = "curves.png"
WIDTH, PANEL = 960, 240  # pixels; PANEL high
LOGARITHMIC_FROM = 30.0  # losses whose largest is that many times their smallest get a logarithmic axis


def draw_curves(work: Path) -> None:
    """Draw the log of the run in `work`; nothing without a log or matplotlib. Raises OutputError."""
    if can_plot() and (work / LOG).is_file():
        save_figure(curves_figure(work.name, read_log(work)), work / CURVES)


def read_log(work: Path) -> Mapping[str, Sequence[tuple[int, float]]]:
    """By name of the loss, its values as (step, value), without the steps at which it was not measured."""
    values: dict[str, list[tuple[int, float]]] = {}
    with (work / LOG).open(newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if name not in FIRST_COLUMNS and name and value:
                    values.setdefault(name, []).append((int(row[FIRST_COLUMNS[0]]), float(value)))
    return values


def curves_figure(title: str, values: Mapping[str, Sequence[tuple[int, float]]]) -> Figure:
    """A panel for each phase of the training: its loss, and the parts of that, over the steps."""
    phases = list(dict.fromkeys(name.partition(".")[0] for name in values))
    figure = new_figure(WIDTH, max(2, len(phases)) * PANEL)
    figure.suptitle(f"Training in {title}", x=0.01, ha="left", fontsize=12)
    for phase, axes in zip(phases, figure.subplots(max(1, len(phases)), 1, squeeze=False)[:, 0], strict=False):
        tidy(axes, "step", "loss (mean)", phase)
        shown = [name for name in values if name.partition(".")[0] == phase]
        for number, name in enumerate(shown):
            colour, style = COLOURS[number % len(COLOURS)], STYLES[number // len(COLOURS) % len(STYLES)]
            steps, losses = zip(*values[name], strict=True)
            marker = "o" if len(steps) < 30 else ""
            axes.plot(steps, losses, style, color=colour, marker=marker, markersize=3, label=name)
        every = [value for name in shown for _, value in values[name]]
        if min(every) > 0 and max(every) > LOGARITHMIC_FROM * min(every):
            axes.set_yscale("log")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
    return figure
