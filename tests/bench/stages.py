# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the time of a serving daemon goes, by perf(1): samples of all its processes with their stacks, each given to the innermost
function of ours, and by that to the source file, which is a stage of the work."""

import os
import re
import signal
import subprocess
from collections import Counter

from daemon import BUILD, PROGRAM, children
from result import Line
from workloads import originals

HERTZ = 1999
WORKER = BUILD / "thumbnail-worker"
FRAME = re.compile(r"\s*[0-9a-f]+ (\S+).* \((\S+)\)$")
STAGES = {
    "jpeg": "decode", "picture": "decode", "input": "read", "resample": "resize", "profile": "colour", "pixels": "colour", "save": "encode",
    "jpeg-save": "encode", "log": "log", "wire": "talk", "main": "talk", "render": "plan", "targets": "plan", "geometry": "plan",
}  # fmt: skip
FEW = 0.01  # of all samples: what has less goes to "other"


def stages_of(program):
    """Source file by function, from its debugging information."""
    found, listed = {}, subprocess.run(["nm", "--line-numbers", "--defined-only", program], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        symbol, _, place = line.partition("\t")
        if place:
            found[symbol.split()[2]] = os.path.basename(place).split(".")[0]
    return found


class Recorder:
    """perf record of some processes, off until `go`, and ended with the block."""

    def __init__(self, folder, pids):
        self._data = folder / "perf.data"
        control, acknowledged = folder / "control", folder / "acknowledged"
        for path in (control, acknowledged):
            os.mkfifo(path)
        self._process = subprocess.Popen(
            ["perf", "record", "--quiet", "-e", "cpu-clock", "-F", str(HERTZ), "--call-graph", "dwarf", "-o", self._data,
             "-p", ",".join(map(str, pids)), "--delay=-1", f"--control=fifo:{control},{acknowledged}"],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._control, self._acknowledged = control.open("w"), acknowledged.open()

    def go(self):
        self._control.write("enable\n")
        self._control.flush()
        self._acknowledged.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        self._control.close()
        self._acknowledged.close()

    def samples(self):
        """For each: the process, and its frames from the innermost out as (function, object)."""
        listed = subprocess.run(["perf", "script", "--no-inline", "-F", "pid,ip,sym,dso", "-i", self._data], capture_output=True, text=True,
                                check=True)  # fmt: skip
        for block in listed.stdout.split("\n\n"):
            first, *rest = block.strip("\n").splitlines() or [""]
            if first:
                yield int(first), [match.groups() for match in map(FRAME.match, rest) if match]


def stage(frames, program, files):
    """Of one sample."""
    own = [function.partition(".")[0] for function, path in frames if path.endswith("/" + program.name)]
    for function in own:
        if function in files:
            return STAGES.get(files[function], files[function]) if program == WORKER else files[function]
    # The assembly in libjpeg-turbo has no way back to its caller that perf could find.
    if any("libjpeg" in path for _, path in frames):
        return "libjpeg's assembly"
    return "outside ours"


def measure(bench, workload):
    count = bench.count(workload.count)
    programs = {"supervisor": (PROGRAM, stages_of(PROGRAM)), "workers": (WORKER, stages_of(WORKER))}
    found = {name: Counter() for name in programs}
    with bench.ground() as ground:
        source = ground.copies(workload.pictures, originals(workload.pictures), count)
        folders, before = bench.ours.folders(ground), bench.journal.made
        with bench.ours.serving(folders, workload.sizes) as (daemon, counted):
            with Recorder(ground.fresh("perf"), [daemon.pid, *children(daemon.pid)]) as recorder:
                recorder.go()
                began = counted.cpu()
                for picture in sorted(source.iterdir()):
                    picture.rename(folders.inbox / picture.name)
                bench.journal.wait(before + count, daemon)
                usec = (counted.cpu() - began) * 1e6
        for pid, frames in recorder.samples():
            name = "supervisor" if pid == daemon.pid else "workers"
            found[name][stage(frames, *programs[name])] += 1
    samples = sum(map(Counter.total, found.values()))
    bench.say(f"profile, {workload.name}: {samples} samples")
    # Of the time that the group counted: what a sample stands for swells when others take the processor.
    return [line for name, stages in found.items() for line in lines(workload, name, stages, usec / samples / count)]


def lines(workload, name, stages, usec_each):
    few = [stage for stage, samples in stages.items() if samples < FEW * stages.total()]
    shown = Counter({stage: samples for stage, samples in stages.items() if stage not in few})
    shown["other"] += sum(stages[stage] for stage in few)
    return [Line(f"profile, {workload.name}", name, stage, "us/picture", [samples * usec_each])
            for stage, samples in shown.most_common()]  # fmt: skip
