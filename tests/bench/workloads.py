# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders of pictures, by us and by everybody else: the same files, in turn, in the same minutes."""

from dataclasses import dataclass

from peers import LIMIT, REAL
from pictures import CORPUS
from result import Line

BEST = "best peer"


@dataclass(frozen=True)
class Goal:
    """How many times ours has to go into theirs."""

    against: str
    cpu: float = None
    wall: float = None


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    pictures: str  # a folder of the corpus
    count: int
    sizes: tuple
    goals: tuple


WORKLOADS = (
    Workload("small", "small JPEGs to 128 px", "seed1000", 1000, (128,),
             (Goal("pillow", 2, 1.8), Goal("vipsthumbnail", 3, 3), Goal("sharp", 3, 3))),
    Workload("photos", "12 MP photos to 256 px", "photos", 36, (256,), (Goal(BEST, 1, 1), Goal("floor", 1 / 1.15))),
    Workload("sizes", "12 MP photos to 256, 1024 and 2048 px", "photos", 24, (256, 1024, 2048), (Goal(BEST, 2.5),)),
)  # fmt: skip
SCALED = 288
TWO_WORKERS = {"small": 1.7, "photos": 1.9}  # times the throughput of one


def originals(name):
    return sorted((CORPUS / name).iterdir())


def check(outbox, workload, count, program):
    """That all were made: whoever leaves some out is fast."""
    made = [path for path in outbox.rglob("*.*") if path.is_file() and path.stat().st_size > 0]
    if len(made) != count * len(workload.sizes):
        raise RuntimeError(f"{program} made {len(made)} thumbnails of {count} pictures, not {count * len(workload.sizes)}")


def measure(bench, workload, rounds):
    """Returns lines and, for each program, an outbox to look at."""
    count = bench.count(workload.count)
    costs, outboxes = {}, {}
    with bench.ground() as ground:
        source = ground.copies(workload.pictures, originals(workload.pictures), count)
        programs = {"ours": lambda: bench.ours.serve(ground, source, workload.sizes),
                    "ours --once": lambda: bench.ours.once(ground, source, workload.sizes)}  # fmt: skip
        for peer in (*REAL, LIMIT):
            programs[peer.name] = lambda peer=peer: peer.run(ground, source, workload.sizes)
        for turn in range(rounds):
            for name, run in programs.items():
                cost, outbox = run()
                check(outbox, workload, count, name)
                costs.setdefault(name, []).append(cost)
                bench.say(f"{workload.name}: round {turn + 1} of {rounds}, {name}: {cost.cpu:.2f} s CPU, {cost.wall:.2f} s")
    return lines(workload, costs, count)


def _ratios(costs, program, kind, ours):
    return [getattr(theirs, kind) / getattr(mine, kind) for theirs, mine in zip(costs[program], costs[ours])]


def _per_picture(costs, program, kind, count):
    return [getattr(cost, kind) * 1000 / count for cost in costs[program]]


def lines(workload, costs, count):
    made = []
    for kind in ("cpu", "wall"):
        best = min((peer.name for peer in REAL), key=lambda name: sorted(getattr(c, kind) for c in costs[name])[len(costs[name]) // 2])
        wanted = {goal.against.replace(BEST, best): getattr(goal, kind) for goal in workload.goals}
        for program in costs:
            line = Line(workload.name, program, kind, "ms/picture", _per_picture(costs, program, kind, count))
            if not program.startswith("ours"):
                line.ratios = _ratios(costs, program, kind, "ours")
                line.with_start = _ratios(costs, program, kind, "ours --once")
                line.at_least = wanted.get(program)
            made.append(line)
    mine = costs["ours"]
    made.append(Line(workload.name, "ours", "supervisor cpu", "us/picture", [c.supervisor * 1e6 / count for c in mine]))
    made.append(Line(workload.name, "ours", "start cpu", "ms", [c.start_cpu * 1000 for c in mine]))
    made.append(Line(workload.name, "ours", "start wall", "ms", [c.start_wall * 1000 for c in mine]))
    return made


def measure_scaling(bench, workload, rounds):
    """Throughput of two workers over that of one.  Of many pictures, for at the end one worker has nothing to do but wait for the other."""
    count = bench.count(max(workload.count, SCALED))
    walls = {1: [], 2: []}
    with bench.ground() as ground:
        source = ground.copies(workload.pictures, originals(workload.pictures), count)
        for turn in range(rounds):
            for workers, found in walls.items():
                cost, outbox = bench.ours.serve(ground, source, workload.sizes, workers)
                check(outbox, workload, count, f"{workers} workers")
                found.append(cost.wall)
                bench.say(f"scaling, {workload.name}: round {turn + 1} of {rounds}, {workers} workers: {count / cost.wall:.1f}/s")
    row = f"scaling, {workload.name}"
    rates = {workers: [count / wall for wall in found] for workers, found in walls.items()}
    return [
        Line(row, "1 worker", "throughput", "pictures/s", rates[1]),
        Line(row, "2 workers", "throughput", "pictures/s", rates[2], [two / one for one, two in zip(rates[1], rates[2])],
             at_least=TWO_WORKERS[workload.name]),
    ]  # fmt: skip
