# SPDX-License-Identifier: GPL-2.0-or-later
"""The same figures to look at: bench.png, bars with a line for the limit and one for the goal; growth.png, curves with exponents."""

import statistics

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

OURS, THEIRS, LIMIT, GOAL = "#c0392b", "#7f8c8d", "#2c3e50", "#27ae60"
STAGES = pyplot.get_cmap("tab20").colors
NARROW = 10  # times from the lowest to the highest point, below which a curve would look steeper than it is


def _colour(program):
    return OURS if program.startswith("ours") else THEIRS


def _select(lines, row, metric):
    return [line for line in lines if line.row == row and line.metric == metric]


def _bars(axes, lines, title, unit):
    lines = [line for line in lines if line.program != "floor"][::-1]
    medians = [line.median for line in lines]
    spread = [[m - min(line.values) for m, line in zip(medians, lines)], [max(line.values) - m for m, line in zip(medians, lines)]]
    colours = [_colour(line.program) for line in lines]
    axes.barh([line.program for line in lines], medians, color=colours, xerr=spread, ecolor="black", capsize=2)
    for at, value in enumerate(medians):
        axes.text(value, at, f" {value:.3g} ", va="bottom", ha="left", fontsize=8)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(unit, fontsize=8)
    axes.set_xlim(0, 1.18 * max(medians + spread[1]))


def _line(axes, value, colour, style, label):
    axes.axvline(value, color=colour, linestyle=style, label=label)
    axes.legend(fontsize=7, loc="lower right")


def _workload(axes, lines, workload, metric, what):
    chosen = _select(lines, workload.name, metric)
    _bars(axes, chosen, f"{workload.title}: {what}", "ms a picture")
    for line in chosen:
        if line.program == "floor":
            _line(axes, line.median, LIMIT, "--", f"libjpeg-turbo alone: {line.median:.3g}")
    goals = [line.median / line.at_least for line in chosen if line.at_least is not None]
    if goals:
        _line(axes, min(goals), GOAL, ":", f"goal for ours: {min(goals):.3g}")


def _latency(axes, lines):
    chosen = [line for line in lines if line.row == "latency" and line.metric != "all"]
    labels, values = [f"{line.program} {line.metric}" for line in chosen][::-1], [line.median for line in chosen][::-1]
    axes.barh(labels, values, color=[_colour(label) for label in labels])
    axes.set_xscale("log")
    axes.set_title("close() to published, idle", fontsize=10)
    axes.set_xlabel("ms", fontsize=8)
    for at, value in enumerate(values):
        axes.text(value, at, f" {value:.3g}", va="center", fontsize=8)
    for line in chosen:
        if line.at_least is not None:
            _line(axes, line.median / line.at_least, GOAL, ":", f"goal for our {line.metric}")


def _scaling(axes, lines):
    chosen = [line for line in lines if line.row.startswith("scaling") and line.ratios]
    axes.barh([line.row.split(", ")[1] for line in chosen], [statistics.median(line.ratios) for line in chosen], color=OURS)
    for at, line in enumerate(chosen):
        axes.plot([line.at_least] * 2, [at - 0.4, at + 0.4], color=GOAL, linestyle=":")
        axes.text(0.05, at, f"{statistics.median(line.ratios):.2f} times, goal {line.at_least}", va="center", fontsize=8)
    axes.set_title("throughput, two workers over one", fontsize=10)


def _stacked(axes, lines, row, colours):
    axes.set_title(f"{row}: CPU", fontsize=10)
    axes.set_xlabel("us a picture", fontsize=8)
    chosen = [line for line in lines if line.row == row and line.median > 0]
    for program in ("supervisor", "workers"):
        left = 0
        for line in [line for line in chosen if line.program == program]:
            colour = colours.setdefault(line.metric, STAGES[len(colours) % len(STAGES)])
            label = f"{line.metric}: {line.median:.0f}" if program == "workers" else None
            axes.barh([program], [line.median], left=left, color=colour, label=label)
            left += line.median
    if chosen:
        axes.legend(fontsize=6, loc="lower right")


def bars(path, lines, workloads, title):
    figure, grid = pyplot.subplots(4, 3, figsize=(19, 17))
    for axes in grid.flat:
        axes.tick_params(labelsize=8)
    for column, workload in enumerate(workloads):
        if _select(lines, workload.name, "cpu"):
            _workload(grid[0][column], lines, workload, "cpu", "CPU")
            _workload(grid[1][column], lines, workload, "wall", "by the clock")
    _latency(grid[2][0], lines)
    _scaling(grid[2][1], lines)
    for axes, row in ((grid[2][2], "small"), (grid[3][2], "photos")):
        if chosen := _select(lines, f"quality, {row}", "PSNR mean"):
            _bars(axes, chosen, f"quality as delivered, {row}", "dB to a Lanczos in double precision, mean")
    colours = {}  # of stages, the same in both
    for axes, row in zip(grid[3], ("profile, small", "profile, photos")):
        _stacked(axes, lines, row, colours)
    figure.suptitle(title, fontsize=12)
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def curves(path, found, title):
    panels = {}
    for curve in found:
        panels.setdefault((curve.name, curve.unit), []).append(curve)
    figure, grid = pyplot.subplots(2, (len(panels) + 1) // 2, figsize=(19, 11))
    for axes, ((name, unit), group) in zip(grid.flat, panels.items()):
        for curve in group:
            label = f"{curve.metric}: exponent {curve.exponent():.2f}, at the end {curve.last_exponent():.2f}"
            axes.loglog(*zip(*curve.points), marker="o", label=label)
        low, high = (f(y for curve in group for _, y in curve.points) for f in (min, max))
        if high < NARROW * low:
            axes.set_ylim(low / NARROW, high * NARROW)
        axes.set_xlabel(name)
        axes.set_ylabel(unit)
        axes.grid(True, which="both", alpha=0.2)
        axes.legend(fontsize=8)
    figure.suptitle(title, fontsize=12)
    figure.tight_layout(rect=(0, 0, 1, 0.97))
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
