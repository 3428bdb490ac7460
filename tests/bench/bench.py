# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures the daemon against the programs that people use today, as a table, as CSV and as pictures."""

import argparse
import ctypes
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import ours  # first: it finds the modules of tests/e2e
import draw
import growth
import idle
import latency
import peers
import quality
import result
import stages
from ground import ground
from journal import own_run
from watch import Watcher
from workloads import TWO_WORKERS, WORKLOADS, measure, measure_scaling

CLONE_NEWNET = 0x40000000
DATAGRAMS = 512  # that wait in a journal's socket; systemd raises the kernel's 10 to this at boot


@dataclass
class Bench:
    """What every measurement needs."""

    ours: ours.Ours
    journal: ours.Tally
    form: str  # quick, usual or long
    rounds: int
    disk: str

    def ground(self, **how):
        return ground(self.disk, **how)

    def count(self, wanted):
        """Of pictures; the short form takes a few."""
        return max(4, wanted // 50) if self.form == "quick" else wanted

    def say(self, text):
        print(f"{time.strftime('%H:%M:%S')} {text}; load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)


def own_network():
    """Only to have a journal's socket as long as systemd makes it, without changing this machine."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(f"unshare(CLONE_NEWNET): {os.strerror(ctypes.get_errno())}")
    Path("/proc/sys/net/unix/max_dgram_qlen").write_text(f"{DATAGRAMS}\n")


def rows(bench):
    """By the name that --only takes, what measures it, but for growth, which returns curves as well as lines."""
    both = [workload for workload in WORKLOADS if workload.name in TWO_WORKERS]
    found = {workload.name: lambda workload=workload: measure(bench, workload, bench.rounds) for workload in WORKLOADS}
    found["scaling"] = lambda: [line for workload in both for line in measure_scaling(bench, workload, bench.rounds)]
    found["latency"] = lambda: latency.measure(bench, bench.rounds)
    found["idle"] = lambda: idle.measure(bench)
    found["quality"] = lambda: [line for workload in both for line in quality.measure(bench, workload)]
    found["profile"] = lambda: [line for workload in both for line in stages.measure(bench, workload)]
    return found


def about(bench, began):
    model = next((line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?")
    seconds = time.monotonic() - began
    return (
        f"{len(os.sched_getaffinity(0))} CPUs ({model}), Linux {platform.release()}, {time.strftime('%Y-%m-%d %H:%M')}, "
        f"{bench.rounds} rounds, {seconds:.0f} s, load {' '.join(f'{load:.1f}' for load in os.getloadavg())}"
    )


def write(output, lines, curves, title):
    result.write_csv(output / "bench.csv", result.COLUMNS, map(result.cells, lines))
    samples = [(x.row, x.program, x.metric, x.unit, n, value) for x in lines for n, value in enumerate(x.values)]
    result.write_csv(output / "samples.csv", ("row", "program", "metric", "unit", "round", "value"), samples)
    points = [(c.name, c.metric, c.unit, *point, c.exponent(), c.last_exponent()) for c in curves for point in c.points]
    result.write_csv(output / "growth.csv", ("of", "metric", "unit", "x", "y", "exponent", "exponent_at_the_end"), points)
    draw.bars(output / "bench.png", lines, WORKLOADS, title)
    if curves:
        draw.curves(output / "growth.png", curves, title)
    judged = [line for line in lines if line.met is not None]
    text = [title, "", result.table(lines), ""]
    text += [f"{c.name}, {c.metric}: exponent {c.exponent():.2f}, at the end {c.last_exponent():.2f}" for c in curves]
    text += ["", f"{sum(line.met for line in judged)} of {len(judged)} goals met"]
    (output / "bench.txt").write_text("\n".join(text) + "\n")
    print("\n".join(text + [f"table, CSV and pictures are in {output}"]))


def options():
    names = [*rows(None), "growth"]
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--quick", dest="form", action="store_const", const="quick", help="a few pictures, once: whether it works, not how fast")
    form.add_argument("--long", dest="form", action="store_const", const="long", help="up to a million files and a hundred thousand folders")
    parser.set_defaults(form="usual")
    parser.add_argument("--rounds", type=int, help="of everything that is compared (5)")
    parser.add_argument("--only", action="append", choices=names, help="may be given more than once")
    parser.add_argument("--output", type=Path, default=Path("/tmp/thumbnaild-bench"), help="a folder (%(default)s)")
    parser.add_argument("--disk", help="a folder for the file systems' images (memory, if there is enough, or /var/tmp)")
    return parser.parse_args()


def main():
    chosen, began = options(), time.monotonic()
    peers.install()
    own_run()
    own_network()
    watcher = Watcher()
    journal = ours.Tally(watcher)
    rounds = chosen.rounds or (1 if chosen.form == "quick" else 5)
    bench = Bench(ours.Ours(watcher, journal), journal, chosen.form, rounds, chosen.disk)
    lines, curves = [], []
    for name, run in rows(bench).items():
        if not chosen.only or name in chosen.only:
            lines += run()
    if not chosen.only or "growth" in chosen.only:
        curves, judged = growth.measure(bench)
        lines += judged
    chosen.output.mkdir(parents=True, exist_ok=True)
    write(chosen.output, lines, curves, about(bench, began))


if __name__ == "__main__":
    main()
