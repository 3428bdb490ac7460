# SPDX-License-Identifier: GPL-2.0-or-later
"""From close() to the published thumbnail, with the unit as it is shipped and pictures of an ordinary user, in turns with the watcher
that people write themselves."""

import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

from helpers import *

TURNS, OURS, THEIRS = 4, 50, 25  # pictures in a turn; theirs take long
TIMES_FASTER = 5  # than the home-made one, at the median
HOME = Path("/srv/watched")


def watches(process):
    """Whether one of its group has set its watch: fdinfo of an inotify descriptor has a line for each."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(entry.name)) == process.pid and any("inotify wd:" in fd.read_text() for fd in (entry / "fdinfo").iterdir()):
                return True
        except OSError:
            continue
    return False


def drop_many(count, inbox, outbox, event):
    said = run(sys.executable, "-B", "/test/dropper.py", "/share/small.jpg", str(count), inbox, outbox, event, user="alice")
    return [int(line) / 1000 for line in said.split()]


def quantiles(milliseconds):
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return cuts[49], cuts[98]


@check
def close_to_thumbnail_beside_a_home_made_watcher():
    run("useradd", "-M", "-U", "-G", "thumbnaild", "alice")
    for folder in (HOME / "in", HOME / "out"):
        run("install", "-d", "-o", "alice", folder)
    run("systemctl", "start", SERVICE)
    watcher = subprocess.Popen(["/peers/inotifywait.sh", HOME / "in", HOME / "out", "256"], start_new_session=True)
    ours, theirs = [], []
    try:
        wait_for(lambda: watches(watcher), "its watch")
        for _ in range(TURNS):
            ours += drop_many(OURS, INBOX, OUTBOX, "name")
            theirs += drop_many(THEIRS, HOME / "in", HOME / "out", "close")
    finally:
        os.killpg(watcher.pid, signal.SIGTERM)
    (p50, p99), (other_p50, other_p99) = quantiles(ours), quantiles(theirs)
    said = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(ours)}; the home-made one {other_p50:.1f} and {other_p99:.1f} ms"
    assert p50 * TIMES_FASTER <= other_p50, said
    assert len(records("made")) == len(ours)
    return said


if __name__ == "__main__":
    main(Path(sys.argv[1]))
