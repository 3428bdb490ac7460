# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon takes while it has nothing to do: wake-ups, processor time, memory."""

import time
from pathlib import Path

import account
from daemon import children
from result import Line
from workloads import originals

SECONDS = 10
RESIDENT_MIB = 8


def wake_ups(pids):
    """Of all their threads: every time one gave up the processor and got it back."""
    count = 0
    for pid in pids:
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            count += int(status.read_text().rsplit("\nvoluntary_ctxt_switches:\t", 1)[1].split()[0])
    return count


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
    seconds = 1 if bench.quick else SECONDS
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
            pids = [daemon.pid, *children(daemon.pid)]
            woken, used = wake_ups(pids), counted.cpu()
            time.sleep(seconds)
            woken, used = wake_ups(pids) - woken, counted.cpu() - used
            made += [
                Line("idle", "all", f"wake-ups in {seconds} s", "", [woken], at_most=0),
                Line("idle", "all", f"cpu in {seconds} s", "ms", [used * 1000]),
                Line("idle", "supervisor", "resident memory", "MiB", [resident_mib(daemon.pid)], at_most=RESIDENT_MIB),
                Line("idle", "supervisor", "private memory", "MiB", [private_mib(daemon.pid)]),
            ]
    bench.say(f"idle: {woken} wake-ups in {seconds} s")
    return made


def settle(daemon):
    """Until it has told the service manager that nothing waits; what it does then is what it does when idle."""
    daemon.wait_status(r"^0/")
    last = None
    while last != (last := account.process_cpu(daemon.pid)):
        time.sleep(1)
