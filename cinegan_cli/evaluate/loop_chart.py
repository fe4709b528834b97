"""The chart of `cinegan check --plot`: the steps of a cycle, those around its seam, and its texture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cinegan_cli.charts import BAND, BLACK, BLUE, FAINT, GREEN, ORANGE, new_figure, tidy
from cinegan_cli.evaluate.check import CheckReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AROUND = 8  # steps drawn on either side of the seam
WIDTH, HEIGHT, LINE = 960, 880, 22  # pixels; LINE for each finding that failed
STEP = "step [levels of 255]"


def loop_chart(report: CheckReport) -> Figure:
    """Three panels; what `check` allows is shaded, and what it found stands above."""
    failed = [finding for finding in report.findings if not finding.passed]
    figure = new_figure(WIDTH, HEIGHT + LINE * len(failed))
    verdict = "a clean loop" if not failed else "no clean loop"
    lines = [f"{report.path.name}: {verdict}", *(f"{f.name}: {_short(f.sentence)}" for f in failed)]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=12)
    steps, seam, texture = figure.subplots(3, 1, height_ratios=(3, 3, 2))
    _draw_steps(steps, report)
    _draw_seam(seam, report)
    _draw_texture(texture, report)
    return figure


def _draw_steps(axes: Axes, report: CheckReport) -> None:
    tidy(axes, "frame", STEP, "How much each frame differs from the next, where it moves")
    inner = report.loop.steps[:-1]
    if report.limits is not None:
        axes.axhspan(report.limits.slowest, report.limits.fastest, color=BAND, label="allowed: no stall, no jump")
    axes.axhline(report.loop.typical, color=FAINT, linestyle="--", label="a usual step (the median)")
    axes.plot(range(len(inner)), inner, color=BLUE, marker="o", markersize=3, label="steps inside the cycle")
    axes.plot([len(inner)], [report.loop.steps[-1]], color=ORANGE, marker="D", linestyle="none", label="the seam")
    _from_zero(axes)


def _draw_seam(axes: Axes, report: CheckReport) -> None:
    steps = report.loop.steps
    reach = min(AROUND, (len(steps) - 1) // 2)
    places = range(-reach, reach + 1)
    shown = [steps[place - 1] for place in places]  # the seam is the last step: number -1
    progress = "" if report.loop.progress is None else f", and {report.loop.progress:.2f} of the usual progress"
    tidy(axes, "steps from the seam", STEP, f"The seam, last to first frame: {report.loop.seam:.2f} steps{progress}")
    if report.limits is not None:
        low, high = report.limits.seam
        axes.bar([0], [high - low], bottom=[low], width=1, color=BAND, label="allowed at the seam")
    colours = [ORANGE if place == 0 else BLUE for place in places]
    axes.bar(list(places), shown, width=0.6, color=colours, hatch=["//" if place == 0 else "" for place in places])
    axes.set_xticks(list(places), ["seam" if place == 0 else f"{place:+d}" for place in places])
    axes.axhline(report.loop.typical, color=FAINT, linestyle="--", label="a usual step (the median)")
    _from_zero(axes)


def _draw_texture(axes: Axes, report: CheckReport) -> None:
    tidy(
        axes,
        "frame",
        "texture [1 = all of it]",
        "Fine detail left where it moves: a blend of both directions loses some",
    )
    axes.axhline(1, color=FAINT, linestyle="--")
    axes.plot(range(len(report.textures)), report.textures, color=GREEN, marker="s", markersize=3, label="texture")
    axes.set_ylim(0, max(1.1, 1.1 * max(report.textures)))
    axes.margins(x=0.02)


def _from_zero(axes: Axes) -> None:
    axes.set_ylim(bottom=0)
    axes.margins(x=0.02)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9, labelcolor=BLACK)


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= 120 else f"{sentence[:117]}..."
