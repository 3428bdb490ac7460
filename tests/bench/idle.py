# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon takes while it has nothing to do: wake-ups, processor time, memory."""

import time
from pathlib import Path

import account
from daemon import children, state
from result import Line
from workloads import originals

SECONDS = 10
UNUSED = 16  # seconds; GLib ends threads of libvips that were not used for fifteen, once
LOOK_AGAIN = 0.5  # seconds
RESIDENT_MIB = 8


def switches(daemon):
    """Of every thread of all its processes: how often it gave the processor up to wait."""
    found = {}
    for pid in (daemon.pid, *children(daemon.pid)):
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            found[status.parent.name] = int(status.read_text().rsplit("\nvoluntary_ctxt_switches:\t", 1)[1].split()[0])
    return found


def wake_ups(before, after):
    """A thread that ended was woken for it."""
    return sum(count - before.get(thread, 0) for thread, count in after.items()) + len(before.keys() - after.keys())


def memory(pid):
    """KiB by name, of all mappings together: Rss, Pss, Private_Clean, Private_Dirty and so on."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(amount.split()[0]) for name, amount in (line.split(":", 1) for line in lines)}


def resident_mib(pid):
    return memory(pid)["Rss"] / 1024


def private_mib(pid):
    found = memory(pid)
    return (found["Private_Clean"] + found["Private_Dirty"]) / 1024


def _workers(daemon, after, kinds):
    workers = children(daemon.pid)
    return [Line("idle", f"each worker, {after}", name, "MiB", [of(pid) for pid in workers]) for name, of in kinds]


def measure(bench):
    seconds = 1 if bench.form == "quick" else SECONDS
    kinds = (("private memory", private_mib), ("resident memory", resident_mib))
    made = []
    with bench.ground() as ground:
        folders = bench.ours.folders(ground)
        with bench.ours.serving(folders, [256]) as (daemon, counted):
            made += _workers(daemon, "started", kinds)
            for name, count in (("seed1000", 200), ("photos", 12)):
                source, before = ground.copies(name, originals(name), bench.count(count)), bench.journal.made
                pictures = sorted(source.iterdir())
                for path in pictures:
                    path.rename(folders.inbox / path.name)
                bench.journal.wait(before + len(pictures), daemon)
                made += _workers(daemon, f"after {len(pictures)} of {name}", kinds)
            settle(daemon)
            time.sleep(0 if bench.form == "quick" else UNUSED)
            made += _workers(daemon, "at rest", kinds)
            before, used = switches(daemon), counted.cpu()
            time.sleep(seconds)
            woken, used = wake_ups(before, switches(daemon)), counted.cpu() - used
            made += [
                Line("idle", "all", f"wake-ups in {seconds} s", "", [woken], at_most=0),
                Line("idle", "all", f"cpu in {seconds} s", "ms", [used * 1000]),
                Line("idle", "supervisor", "resident memory", "MiB", [resident_mib(daemon.pid)], at_most=RESIDENT_MIB),
                Line("idle", "supervisor", "private memory", "MiB", [private_mib(daemon.pid)]),
            ]
    bench.say(f"idle: {woken} wake-ups in {seconds} s")
    return made


def settle(daemon):
    """Until the supervisor has nothing left to do: it sleeps, and used no time since it was last looked at."""
    daemon.wait_status(r"^0/")
    before, now = None, account.process_cpu(daemon.pid)
    while now != before or state(daemon.pid) != "S":
        time.sleep(LOOK_AGAIN)
        before, now = now, account.process_cpu(daemon.pid)
