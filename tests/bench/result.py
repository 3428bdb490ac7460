# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured: lines with all their samples, as a table to read and as CSV."""

import csv
import statistics
from dataclasses import dataclass, field


@dataclass
class Line:
    """One figure of one program.  `ratios`: how many times ours goes into it, of each round by itself, for what two programs met in
    one round they shared; `with_start`: the same with our start and stop."""

    row: str
    program: str
    metric: str
    unit: str
    values: list
    ratios: list = field(default_factory=list)
    with_start: list = field(default_factory=list)
    at_least: float = None  # what is wanted of the ratio
    at_most: float = None  # what is wanted of the value
    no_less: float = None  # the same, where more is better

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def met(self):
        """True, False, or None where nothing is wanted."""
        if self.at_least is not None:
            return statistics.median(self.ratios) >= self.at_least
        if self.at_most is not None:
            return self.median <= self.at_most
        if self.no_less is not None:
            return self.median >= self.no_less
        return None


COLUMNS = ("row", "program", "metric", "unit", "rounds", "median", "low", "high", "ratio", "ratio_low", "ratio_high", "ratio_with_start",
           "goal", "met")  # fmt: skip


def _number(value):
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _goal(line):
    if line.at_least is not None:
        return f">= {line.at_least:.3g}x"
    if line.no_less is not None:
        return f">= {line.no_less:.4g}"
    return "" if line.at_most is None else f"<= {line.at_most:.4g}"


def cells(line):
    ratios = line.ratios
    return (
        line.row, line.program, line.metric, line.unit, str(len(line.values)),
        _number(line.median), _number(min(line.values)), _number(max(line.values)),
        *(_number(value) for value in ((statistics.median(ratios), min(ratios), max(ratios)) if ratios else (None,) * 3)),
        _number(statistics.median(line.with_start) if line.with_start else None),
        _goal(line), {True: "met", False: "NOT met", None: ""}[line.met],
    )  # fmt: skip


def table(lines):
    rows = [COLUMNS] + [cells(line) for line in lines]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    text, last = [], None
    for row in rows:
        if last is not None and row[0] != last:
            text.append("")
        last = row[0]
        text.append("  ".join(cell.ljust(w) if n < 4 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths))).rstrip())
    return "\n".join(text)


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
