"""The chart of `cinegan evaluate --plot`: a panel for each column of figures, a bar for each row of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cinegan_cli.charts import BLUE, FAINT, ORANGE, new_figure, tidy
from cinegan_cli.errors import one_line
from cinegan_cli.evaluate.tables import Column, Results, Table, Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

ACROSS = 4  # panels side by side
PANEL, NAMES = 240, 200  # pixels: the width of a panel, and of the names of the rows
ROW, AROUND_ROWS, TITLE = 26, 80, 40  # pixels: the height of a bar, of a panel's axis, of a table's title
BEST = {"↑": "higher is better", "↓": "lower is better", "→1": "1 is best"}


def tables_chart(results: Results) -> Figure:
    """The tables one below the other. Dots are the single clips, photos or samples that a bar is the mean of."""
    tables = [table for table in (results.means, *results.more) if _figures(table)]
    heights = [_height(table) for table in tables]
    figure = new_figure(NAMES + ACROSS * PANEL, max(sum(heights), 2 * TITLE))
    if not tables:
        figure.suptitle(f"{results.means.title}: no figures")
        return figure
    for table, part in zip(
        tables, figure.subfigures(len(tables), 1, squeeze=False, height_ratios=heights)[:, 0], strict=True
    ):
        _draw_table(part, table, results.each)
    return figure


def _draw_table(part: SubFigure, table: Table, each: Table) -> None:
    figures, names = _figures(table), [_name(row, table) for row in table.rows]
    part.suptitle(table.title, x=0.01, ha="left", fontsize=13)
    panels = part.subplots(-(-len(figures) // ACROSS), min(ACROSS, len(figures)), squeeze=False).flat
    for number, axes in enumerate(panels):
        if number >= len(figures):
            axes.set_visible(False)
            continue
        _draw_column(axes, figures[number], table, each)
        axes.set_yticks(range(len(names)), names if number % ACROSS == 0 else [""] * len(names))


def _draw_column(axes: Axes, column: Column, table: Table, each: Table) -> None:
    title, better = _split(column)
    tidy(axes, f"{title} [{column.unit}]" if column.unit else title, title="")
    if better:
        axes.set_title(better, loc="left", fontsize=9, color="#555555")
    bars = [(place, value) for place, row in enumerate(table.rows) if (value := _number(row, column)) is not None]
    axes.barh([place for place, _ in bars], [value for _, value in bars], height=0.6, color=BLUE)
    dots = [(value, place) for place, row in enumerate(table.rows) for value in _single(row, column, table, each)]
    if dots:
        values, places = zip(*dots, strict=True)
        axes.scatter(values, places, s=14, color=ORANGE, alpha=0.7, zorder=3, clip_on=False)
    if better == BEST["→1"]:
        axes.axvline(1, color=FAINT, linestyle="--")
    furthest = max((abs(value) for value in [*(v for _, v in bars), *(v for v, _ in dots)]), default=1.0)
    for place, value in bars:
        axes.annotate(
            f"{value:.{column.digits}f}", (1, place), xycoords=("axes fraction", "data"), ha="right", va="center",
            fontsize=9, backgroundcolor="#ffffffcc",
        )  # fmt: skip
    axes.set_xlim(min(0.0, *(v for _, v in bars), *(v for v, _ in dots)), 1.45 * furthest or 1)
    axes.set_ylim(len(table.rows) - 0.4, -0.6)  # the first row above, as in the table


def _single(row: Mapping[str, Value], column: Column, table: Table, each: Table) -> Iterator[float]:
    """The values of a column in the rows of `each` that are of the same method or kind."""
    shared = {c.key for c in table.columns} & {c.key for c in each.columns}
    names = {key: row[key] for key in shared if isinstance(row.get(key), str)}
    for other in each.rows if names else ():
        if all(other.get(key) == name for key, name in names.items()):
            value = _number(other, column)
            if value is not None:
                yield value


def _figures(table: Table) -> list[Column]:
    """The columns that hold numbers."""
    return [c for c in table.shown if any(_number(row, c) is not None for row in table.rows)]


def _number(row: Mapping[str, Value], column: Column) -> float | None:
    value = row.get(column.key)
    return None if value is None or isinstance(value, str) else float(value)


def _name(row: Mapping[str, Value], table: Table) -> str:
    text = one_line(", ".join(value for c in table.shown if isinstance(value := row.get(c.key), str)))
    return text if len(text) <= 28 else f"{text[:27]}…"


def _split(column: Column) -> tuple[str, str]:
    """A column's title without its arrow, and what the arrow says."""
    for arrow, meaning in BEST.items():
        if column.title.endswith(arrow):
            return column.title.removesuffix(arrow), meaning
    return column.title, ""


def _height(table: Table) -> int:
    return TITLE + -(-len(_figures(table)) // ACROSS) * (AROUND_ROWS + ROW * len(table.rows))
