"""A table of figures as text, CSV and JSON values."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from cinegan_cli.files import written

Value = float | str | None


@dataclass(frozen=True)
class Column:
    """`title` is shown, with an arrow to the better side; `digits` after the point; `unit` stands in charts."""

    key: str
    title: str
    digits: int = 3
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """`rows` hold a value for each column's key, or None; columns without any value are left out, as notes say."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Value], ...]
    notes: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns in which some row has a value."""
        return tuple(c for c in self.columns if any(row.get(c.key) is not None for row in self.rows))

    def as_text(self) -> str:
        """For a terminal and for a document: the lines are a Markdown table."""
        table = RichTable(box=box.MARKDOWN, title_justify="left")
        for k, column in enumerate(self.shown):
            table.add_column(column.title, no_wrap=True, justify="left" if k == 0 else "right")
        for row in self.rows:
            table.add_row(*(_written(row.get(column.key), column.digits) for column in self.shown))
        written = io.StringIO()
        Console(file=written, width=400, color_system=None, highlight=False, markup=False).print(table)
        lines = [line.rstrip() for line in written.getvalue().splitlines() if line.strip()]
        return "\n".join([self.title, "", *lines, *([""] if self.notes else []), *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, unrounded, for JSON."""
        rows = [{column.key: row.get(column.key) for column in self.shown} for row in self.rows]
        return {"title": self.title, "rows": rows, "notes": list(self.notes)}


@dataclass(frozen=True)
class Results:
    """`means` has a row for each method or kind, `each` one for each on every clip, photo or sample.

    `more` are further tables of all of them together.
    """

    means: Table
    each: Table
    more: tuple[Table, ...] = ()

    def as_text(self) -> str:
        """The tables of all together, below one another."""
        return "\n\n".join(table.as_text() for table in (self.means, *self.more))

    def as_dict(self) -> dict[str, Any]:
        """All tables as plain values, for JSON."""
        more = {"more": [table.as_dict() for table in self.more]} if self.more else {}
        return {"means": self.means.as_dict(), "each": self.each.as_dict(), **more}


def write_csv(path: Path, table: Table) -> None:
    """Every value unrounded, empty where there is none; whole or not at all. Raises OutputError."""
    with written(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [column.key for column in table.shown], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(table.rows)


def _written(value: Value, digits: int) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.{digits}f}"
