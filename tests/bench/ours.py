# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon as its user runs it: default settings, a real inbox and outbox, journal and sandbox on."""

import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import account  # noqa: E402
from daemon import ENVIRONMENT, PROGRAM, Folders  # noqa: E402
from journal import Journal  # noqa: E402

PATIENCE = 60  # seconds without a single `made`; only ever spent by a measurement that fails


class Tally(Journal):
    """Counts `made` instead of keeping it: reading it must not cost the processors that are being measured."""

    def __init__(self, watcher):
        self.made, self.last = 0, 0.0
        self._wanted, self._reached = 0, threading.Event()
        super().__init__(watcher)

    def _accept(self, datagram, pid):
        if b"THUMBNAILD_EVENT=made\n" not in datagram:
            super()._accept(datagram, pid)
            return
        self.made += 1
        self.last = time.monotonic()
        if self.made >= self._wanted:
            self._reached.set()

    def wait(self, wanted, daemon):
        """Until `made` has come `wanted` times since the start of all."""
        self._wanted = wanted
        self._reached.clear()
        progress, since = self.made, time.monotonic()
        while self.made < wanted and not self._reached.wait(0.5):
            wrong = [r for event in ("failed", "retry", "waiting", "dropped", "paused", "trouble") for r in daemon.events(event)]
            if self.made > progress:
                progress, since = self.made, time.monotonic()
            if wrong or daemon.returncode is not None or time.monotonic() - since > PATIENCE:
                seen = len(daemon.folders.thumbnails())
                raise RuntimeError(
                    f"{wanted - self.made} pictures were not made, {seen} thumbnails are there: {wrong[:3]}\n{daemon.evidence()}"
                )


class Cost:
    """Seconds: of CPU, all processes together, and by the clock.  `start_*`: until READY=1.  `supervisor`: CPU of that process."""

    def __init__(self, cpu, wall, start_cpu=0.0, start_wall=0.0, supervisor=0.0):
        self.cpu, self.wall, self.start_cpu, self.start_wall, self.supervisor = cpu, wall, start_cpu, start_wall, supervisor


def presets(sizes, extra=""):
    return [f'name = "{size}"; width = {size}; height = {size}; {extra}' for size in sizes]


def arguments(folders, sizes, workers=0, extra=""):
    """One size needs no configuration file."""
    if len(sizes) == 1 and not extra:
        return ["-i", folders.inbox, "-o", folders.outbox, "-s", str(sizes[0]), "-w", str(workers)]
    return ["-c", folders.config(f"workers = {workers};", presets=presets(sizes, extra))]


class Ours:
    def __init__(self, watcher, journal):
        self._watcher, self._journal = watcher, journal

    def folders(self, ground, name="ours"):
        return Folders(ground.fresh(name), self._watcher, self._journal)

    @contextmanager
    def serving(self, folders, sizes, workers=0, extra=""):
        """A serving daemon and the group that counts it.  It must end cleanly, too."""
        with account.group("ours") as counted:
            daemon = folders.start(*arguments(folders, sizes, workers, extra), prefix=counted.prefix)
            try:
                yield daemon, counted
            except BaseException:
                daemon.kill()
                raise
            daemon.stop()

    def serve(self, ground, source, sizes, workers=0, extra=""):
        """Pictures that are moved into the inbox of an idle daemon, one by one: from the first move to the last `made`."""
        folders = self.folders(ground)
        for picture in source.iterdir():
            os.link(picture, folders.staging / picture.name)
        names = sorted(os.listdir(folders.staging))
        before, began = self._journal.made, time.monotonic()
        with self.serving(folders, sizes, workers, extra) as (daemon, counted):
            start_wall, start_cpu, supervisor = time.monotonic() - began, counted.cpu(), account.process_cpu(daemon.pid)
            began = time.monotonic()
            for name in names:
                os.rename(folders.staging / name, folders.inbox / name)
            self._journal.wait(before + len(names), daemon)
            cost = Cost(counted.cpu() - start_cpu, self._journal.last - began, start_cpu, start_wall)
            cost.supervisor = account.process_cpu(daemon.pid) - supervisor
        return cost, folders.outbox

    def once(self, ground, source, sizes, extra=""):
        """thumbnaild --once over pictures that lie there: from its start to its end."""
        folders = self.folders(ground)
        for picture in source.iterdir():
            os.link(picture, folders.inbox / picture.name)
        return Cost(*account.run("once", [PROGRAM, "--once", *arguments(folders, sizes, extra=extra)], ENVIRONMENT)), folders.outbox

