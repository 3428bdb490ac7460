# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost as work grows: measured at sizes a few times apart, and the exponent of the curve."""

import statistics
import subprocess
import time
from dataclasses import dataclass

import numpy

import account
from daemon import process_status
from ground import jpeg
from idle import settle
from PIL import Image
from peers import FLOOR_FILES
from pictures import encoded
from result import Line
from workloads import originals

SUPERVISOR_USEC = 100
FILES_IN_ALL = 300_000  # of all rounds at one size
STARTS = 3
# By the form of the run.
FILES = {"quick": (200, 1000), "usual": (1000, 10_000, 100_000), "long": (1000, 10_000, 100_000, 1_000_000)}
FOLDERS = {"quick": (1, 10, 100), "usual": (1, 10, 100, 1000, 10_000), "long": (1, 10, 100, 1000, 10_000, 100_000)}
TINY = encoded(width=16, height=12)
KIB_EACH = 40  # of disk at most: the picture, its thumbnail, a folder for each of them
PRESETS = (1, 2, 3, 5, 7, 10)
MEGAPIXELS = (0.1, 0.3, 1, 3, 10, 30, 100)
DETAIL = "Oppo"  # of its name: a photo as a camera makes them, to be cut or repeated


@dataclass
class Curve:
    name: str
    of: str
    metric: str
    unit: str
    points: list  # of (x, y)

    def exponent(self, points=None):
        """Of y = a x^b, by least squares of the logarithms."""
        x, y = zip(*(points or self.points))
        return float(numpy.polyfit(numpy.log(x), numpy.log(y), 1)[0]) if len(x) > 1 else float("nan")

    def last_exponent(self):
        """Between the last two points, where fixed costs matter least."""
        return self.exponent(self.points[-2:])


def backlog(bench, folders, count, sizes=(256,)):
    """Pictures that lie in the inbox when the daemon starts: from its start to the last `made`.  Returns figures by name."""
    before, began = bench.journal.made, time.monotonic()
    with bench.ours.serving(folders, sizes) as (daemon, counted):
        bench.journal.wait(before + count, daemon)
        wall, cpu, supervisor = bench.journal.last - began, counted.cpu(), account.process_cpu(daemon.pid)
        resident = int(process_status(daemon.pid)["VmHWM"].split()[0]) / 1024
    return {"wall": wall, "cpu": cpu, "supervisor": supervisor, "resident": resident}


def up_to_date(bench, folders, sizes=(256,)):
    """The next start, with nothing to do: seconds of the supervisor's CPU until it sleeps."""
    with bench.ours.serving(folders, sizes) as (daemon, _):
        settle(daemon)
        return account.process_cpu(daemon.pid)


def _in_one(folder, count):
    for n in range(count):
        (folder / f"{n:07}.jpg").write_bytes(TINY)


def _in_a_folder_each(folder, count):
    for n in range(count):
        (folder / f"{n:06}").mkdir()
        (folder / f"{n:06}" / "a.jpg").write_bytes(TINY)


def _served(bench, lay, count):
    with bench.ground(mib=2048 + count * KIB_EACH // 1024) as ground:
        folders = bench.ours.folders(ground)
        lay(folders.inbox, count)
        return backlog(bench, folders, count) | {"again": up_to_date(bench, folders)}


def _floor(bench, lay, count):
    """What the kernel takes for what must be done for each file, in seconds."""
    with bench.ground(mib=2048 + count * KIB_EACH // 1024) as ground:
        inbox, outbox = ground.fresh("inbox"), ground.fresh("outbox")
        lay(inbox, count)
        return float(subprocess.run([FLOOR_FILES, inbox, outbox], stdout=subprocess.PIPE, text=True, check=True).stdout)


def one_folder(bench):
    """Tiny pictures: what remains is the cost of a file.  Returns curves, and lines of what is wanted: of a file, so without the start."""
    name, found, lines = "files in one folder", [], []
    starts = [_served(bench, _in_one, 1)["supervisor"] for _ in range(max(STARTS, bench.rounds))]
    start = min(starts)  # rather too little than too much of it is taken off what follows
    lines.append(Line("supervisor", "its start, with one file", "cpu", "ms", [seconds * 1e3 for seconds in starts]))
    for count in FILES[bench.form]:
        rounds = range(max(1, min(bench.rounds, FILES_IN_ALL // count)))
        pairs = [(_served(bench, _in_one, count), _floor(bench, _in_one, count)) for _ in rounds]
        figures = {key: statistics.median(served[key] for served, _ in pairs) for key in pairs[0][0]}
        each = [(served["supervisor"] - start) * 1e6 / (count - 1) for served, _ in pairs]
        floors = [floor * 1e6 / count for _, floor in pairs]
        ratios = [floor / ours for ours, floor in zip(each, floors)]
        found.append((count, figures | {"supervisor": figures["supervisor"] - start, "floor": statistics.median(floor for _, floor in pairs)}))
        lines.append(Line("supervisor", f"{count} files", "cpu", "us/file", each, at_most=SUPERVISOR_USEC))
        lines.append(Line("supervisor", f"{count} files", "floor", "us/file", floors, ratios))
        bench.say(f"growth: {count} {name}: {statistics.median(each):.0f} us of the supervisor each, {statistics.median(floors):.0f} the least")
    return _file_curves(name, found, ("floor", "the least: system calls alone", "s")), lines


def many_folders(bench):
    name, found = "folders with a file", []
    for count in FOLDERS[bench.form]:
        found.append((count, _served(bench, _in_a_folder_each, count)))
        bench.say(f"growth: {count} {name}: {found[-1][1]['supervisor'] * 1e6 / count:.0f} us of the supervisor each")
    return _file_curves(name, found)


def _file_curves(name, found, *more):
    kinds = (("supervisor", "supervisor's CPU", "s"), ("cpu", "CPU, all processes", "s"), ("again", "supervisor's CPU of a start with all done", "s"),
             ("resident", "supervisor's peak memory", "MiB"), *more)  # fmt: skip
    return [Curve(name, key, text, unit, [(count, figures[key]) for count, figures in found]) for key, text, unit in kinds]


def outputs(bench):
    """Small pictures with more and more presets."""
    count, points = bench.count(100), []
    for n in PRESETS[: 2 if bench.form == "quick" else None]:
        sizes = [32 + 24 * i for i in range(n)]
        with bench.ground() as ground:
            source = ground.copies("pictures", originals("seed1000"), count)
            cost, _ = bench.ours.serve(ground, source, sizes)
        points.append((n, cost.cpu * 1000 / count))
        bench.say(f"growth: {n} presets: {points[-1][1]:.2f} ms CPU a picture")
    return [Curve("presets", "cpu", "CPU a picture", "ms", points)]


def picture_of(megapixels):
    """A JPEG of that size with a photo's detail in every part of it: cut from one, or made of several side by side."""
    photo = Image.open(next(path for path in originals("photos") if DETAIL in path.name)).convert("RGB")
    side = round((megapixels * 1e6) ** 0.5)
    whole = Image.new("RGB", (side, side))
    for x in range(0, side, photo.width):
        for y in range(0, side, photo.height):
            whole.paste(photo, (x, y))
    return jpeg(whole)


def pixels(bench):
    """One picture after the other, of one size, to 256 pixels."""
    points = []
    for megapixels in MEGAPIXELS[: 2 if bench.form == "quick" else None]:
        count = bench.count(int(min(100, max(4, 60 / megapixels))))
        with bench.ground() as ground:
            source, data = ground.fresh("pictures"), picture_of(megapixels)
            for n in range(count):
                (source / f"{n:03}.jpg").write_bytes(data)
            cost, _ = bench.ours.serve(ground, source, (256,))
        points.append((megapixels, cost.cpu * 1000 / count))
        bench.say(f"growth: {megapixels} megapixels: {points[-1][1]:.2f} ms CPU a picture")
    return [Curve("megapixels", "cpu", "CPU a picture", "ms", points)]


def measure(bench):
    """Returns curves, and lines of what is wanted of them."""
    curves, lines = one_folder(bench)
    return [*curves, *many_folders(bench), *outputs(bench), *pixels(bench)], lines
