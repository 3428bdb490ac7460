# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program costs: CPU time of its whole process tree, by a control group of its own, for not everybody waits for his children;
and time by the clock."""

import os
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path


def _hierarchy():
    """Where groups that count CPU time are made, and which file of theirs has it."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for _, path, kind, options, *_ in mounts:
        if kind == "cgroup" and "cpuacct" in options.split(","):
            return Path(path), "cpuacct.usage"
    for _, path, kind, *_ in mounts:
        if kind == "cgroup2":
            return Path(path), "cpu.stat"
    raise RuntimeError("no control group hierarchy is mounted: CPU time of a process tree cannot be counted")


class Group:
    """Start with `prefix`, and it counts from the exec(2)."""

    def __init__(self, name):
        root, self._usage = _hierarchy()
        self._path = root / f"thumbnaild-bench-{os.getpid()}-{name}"
        self._path.mkdir()
        self.prefix = ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', self._path / "cgroup.procs"]

    def cpu(self):
        """Seconds used so far, by the living and the dead."""
        text = (self._path / self._usage).read_text()
        return int(text) / 1e9 if self._usage == "cpuacct.usage" else int(text.split()[1]) / 1e6

    def pids(self):
        return [int(pid) for pid in (self._path / "cgroup.procs").read_text().split()]

    def close(self):
        """Ends what still runs: asked again until nothing does, for a process ends, or starts another, after it was listed."""
        while pids := self.pids():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self._path.rmdir()


@contextmanager
def group(name):
    made = Group(name)
    try:
        yield made
    finally:
        made.close()


def run(name, command, environment):
    """A program from its start to its end.  Returns seconds of CPU and seconds by the clock."""
    with group(name) as counted, tempfile.TemporaryFile() as told:
        began = time.monotonic()
        done = subprocess.run([*counted.prefix, *command], env=environment, stdin=subprocess.DEVNULL, stdout=told, stderr=told)
        wall = time.monotonic() - began
        if done.returncode != 0:
            told.seek(0)
            raise RuntimeError(f"{name} ended with {done.returncode}: {told.read().decode(errors='replace')[-2000:]}")
        return counted.cpu(), wall


def process_cpu(pid):
    """Seconds of CPU of one process with all its threads, the ended ones too: clock_getcpuclockid(3), in nanoseconds."""
    return time.clock_gettime(~pid << 3 | 2)
