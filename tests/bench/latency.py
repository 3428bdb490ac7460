# SPDX-License-Identifier: GPL-2.0-or-later
"""From close(2) of a small picture to its thumbnail under its name, with nothing else to do, beside the usual home-made watcher."""

import contextlib
import ctypes
import os
import select
import struct
import subprocess
import time

import account
from daemon import ENVIRONMENT
from peers import PEERS
from result import Line
from workloads import originals

SIZE = 128
PAUSE = 0.02  # seconds between one thumbnail and the next picture: idle is what is measured
PATIENCE = 30
OURS_FOR_ONE = 5  # of ours while the watcher, which takes as much longer, makes one
TIMES_FASTER = 5  # than the watcher, at the median

IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE = 0x8, 0x80, 0x100
EVENT = struct.Struct("iIII")


class Outbox:
    """Tells when a file is there: by its name when names are given to finished files, else when its writer closes it."""

    def __init__(self, path, finished_names):
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_CLOEXEC)
        mask = IN_CREATE | IN_MOVED_TO if finished_names else IN_CLOSE_WRITE
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(path), mask) < 0:
            raise OSError(ctypes.get_errno(), f"inotify: {path}")

    def wait(self, stem):
        """Returns the time at which the event was read."""
        while select.select([self._fd], [], [], PATIENCE)[0]:
            data, now = os.read(self._fd, 65536), time.monotonic()
            at = 0
            while at < len(data):
                length = EVENT.unpack_from(data, at)[3]
                name = data[at + EVENT.size : at + EVENT.size + length].rstrip(b"\0")
                if name.startswith(os.fsencode(stem)) and name.endswith(b".jpg"):
                    return now
                at += EVENT.size + length
        raise RuntimeError(f"no thumbnail of {stem} within {PATIENCE} s")

    def close(self):
        os.close(self._fd)


def drop(inbox, outbox, name, data):
    """Milliseconds."""
    time.sleep(PAUSE)
    file = open(inbox / name, "wb", buffering=0)
    file.write(data)
    closed = time.monotonic()
    file.close()
    return (outbox.wait(name.rsplit(".", 1)[0]) - closed) * 1000


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(bench, rounds):
    pictures = [path.read_bytes() for path in originals("seed1000")]
    ours, theirs = [], []
    each = 2 if bench.form == "quick" else 16
    with bench.ground() as ground, account.group("watcher") as counted:
        folders, other = bench.ours.folders(ground), ground.fresh("inotifywait")
        for name in ("inbox", "outbox"):
            (other / name).mkdir()
        script = [PEERS / "inotifywait.sh", other / "inbox", other / "outbox", str(SIZE)]
        subprocess.Popen([*counted.prefix, *script], env=ENVIRONMENT, stdin=subprocess.DEVNULL, start_new_session=True)
        watched = {"ours": Outbox(folders.outbox, True), "theirs": Outbox(other / "outbox", False)}
        while not any(_watches(pid) for pid in counted.pids()):
            time.sleep(0.01)
        with bench.ours.serving(folders, [SIZE]) as (daemon, _):
            made = bench.journal.made
            for n in range(rounds * each):
                for _ in range(OURS_FOR_ONE):
                    ours.append(drop(folders.inbox, watched["ours"], f"{len(ours):05}.jpg", pictures[len(ours) % len(pictures)]))
                    bench.journal.wait(made + len(ours), daemon)
                theirs.append(drop(other / "inbox", watched["theirs"], f"{n:05}.jpg", pictures[n % len(pictures)]))
        for outbox in watched.values():
            outbox.close()
    bench.say(f"latency: {len(ours)} of ours, {len(theirs)} of theirs")
    return lines(ours, theirs)


def _watches(pid):
    """Whether it has set its watch: fdinfo of an inotify descriptor has a line for each."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile
        for fd in os.listdir(f"/proc/{pid}/fdinfo"):
            with open(f"/proc/{pid}/fdinfo/{fd}") as file:
                if "inotify wd:" in file.read():
                    return True
    return False


def lines(ours, theirs):
    row, made = "latency", []
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        mine, others = quantile(ours, share), quantile(theirs, share)
        made.append(Line(row, "ours", name, "ms", [mine], at_most=quantile(theirs, 0.5) if name == "p99" else None))
        made.append(Line(row, "inotifywait", name, "ms", [others], [others / mine], at_least=TIMES_FASTER if name == "p50" else None))
    made.append(Line(row, "ours", "all", "ms", ours))
    made.append(Line(row, "inotifywait", "all", "ms", theirs))
    return made
