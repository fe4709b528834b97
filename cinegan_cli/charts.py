"""Charts as PNG files, in one look: for `check --plot`, `evaluate --plot` and the curves of a training.

They need matplotlib (`pip install "cinegan[plot]"`), imported where a chart is made. Nothing here goes through pyplot
or changes matplotlib's settings, so a program that draws charts of its own is left alone.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from cinegan_cli.errors import UsageError
from cinegan_cli.files import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIX = ".png"
DOTS = 100  # a figure's inch, in pixels
# Colours that differ for colour-blind eyes too, also as greys (Okabe and Ito, "Color Universal Design", 2008).
BLUE, ORANGE, GREEN, PINK, SKY_BLUE, BLACK = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#222222"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY_BLUE, BLACK)
STYLES = ("-", "--", ":")  # after the last colour, the next style
BAND, FAINT = "#009e7326", "#888888"


def can_plot() -> bool:
    """Whether matplotlib is installed. It is not imported."""
    return importlib.util.find_spec("matplotlib") is not None


def require_plot(path: Path, option: str = "--plot") -> None:
    """Raise `UsageError` for another ending than .png, or without matplotlib."""
    if path.suffix.lower() != SUFFIX:
        raise UsageError(f"{option} {path}: must end in {SUFFIX}")
    if not can_plot():
        raise UsageError(f'{option} {path}: charts need matplotlib; run pip install "cinegan[plot]"')


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many pixels, whose panels are laid out so that no label is cut or covered."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DOTS, height / DOTS), dpi=DOTS, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes, x: str = "", y: str = "", title: str = "") -> None:
    """Labels, a faint grid behind the data, no frame on the right and above."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(visible=True, color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def save_figure(figure: Figure, path: Path) -> None:
    """Write the chart, whole or not at all. Raises OutputError."""
    with written(path) as part:
        figure.savefig(part, format="png", metadata={"Software": None})
