# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon costs when there is much to do, much that needs nothing, and nothing: counted, not timed."""

import os
import re
import subprocess
from pathlib import Path

import pictures
import pytest
import standing
from daemon import ENVIRONMENT, PROGRAM, SANITIZED, children, open_files, process_status

TINY = dict(width=32, height=24)
FEW, MANY = 2000, 20000
MIB = 1024  # in KiB
FAR_SECONDS = 60


def up_to_date(folders, files):
    """So many originals whose thumbnails stand already."""
    (folders.inbox / "probe.jpg").write_bytes(pictures.encoded(**TINY))
    assert folders.once()[0].returncode == 0
    standing.originals(folders.inbox, folders.staging, files)
    standing.thumbnails(folders.inbox, folders.outbox, files, standing.fingerprint(folders.thumbnail("probe.jpg")))


def more(folders, had, files):
    """The rest, up to that number."""
    standing.originals(folders.inbox, folders.staging, files, had)
    standing.thumbnails(folders.inbox, folders.outbox, files, standing.fingerprint(folders.thumbnail("probe.jpg")), had)


def calls(folders):
    """System calls of a supervisor until everything is made."""
    trace = folders.root / "trace"
    # Its first thread alone: those that wait for disks have nothing to do.
    command = ["strace", "-qq", "-c", "-U", "name,calls", "-o", trace, PROGRAM, "--once", "-w", "1", "-i", folders.inbox, "-o", folders.outbox]
    done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    counted = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", trace.read_text(), re.MULTILINE)}
    return counted["total"], counted


def test_three_system_calls_for_a_file_that_is_up_to_date(folders):
    up_to_date(folders, FEW)
    few, counted = calls(folders)
    assert counted["newfstatat"] > FEW, counted
    more(folders, FEW, MANY)
    many, counted = calls(folders)
    each = (many - few) / (MANY - FEW)
    # One of its original, one of its thumbnail, one of the record; one more where getxattrat(2) is tried in vain, before Linux 6.13.
    assert each < (4.1 if "lgetxattr" in counted and counted["lgetxattr"] > FEW else 3.1), f"{each:.2f} for each of {MANY}: {counted}"


def test_system_calls_for_a_file_that_is_made(folders):
    """Each is a microsecond or more, of the one process that all pictures go through."""
    totals = [0]
    for had, files in ((0, 100), (100, 600)):
        standing.originals(folders.inbox, folders.staging, files, had)
        totals.append(calls(folders)[0])
    each = (totals[2] - totals[1]) / 500
    assert each < 24, f"{each:.2f} for each picture that is made"


def peak(daemon):
    return int(process_status(daemon.pid)["VmHWM"].split()[0])


@pytest.mark.parametrize("made", [True, False], ids=["made", "not made"])
def test_memory_does_not_grow_with_the_number_of_files(folders, made):
    """Neither when all are made, nor when none is and all of them wait."""
    peaks = {}
    for had, files in ((0, FEW), (FEW, MANY)):
        if made:
            more(folders, had, files) if had else up_to_date(folders, files)
        else:
            standing.originals(folders.inbox, folders.staging, files, had)
        # A worker that is stopped at once: what is found waits.
        daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
        if made:
            daemon.wait_status(r"\b0 waiting")
        else:
            daemon.pause(daemon.workers()[0])
            daemon.wait_status(r"\b[5-9]\d\d\+ waiting")
        peaks[files] = peak(daemon)
        daemon.kill()
    if not SANITIZED:  # a sanitizer's memory is not ours to count
        assert peaks[MANY] < peaks[FEW] + MIB / 2, peaks


# Nothing to do


def timers(pid):
    """Seconds until each timer of the process goes off that will."""
    found = []
    for fd, what in open_files(pid).items():
        if "timerfd" in what:
            (text,) = re.findall(r"it_value: \((\d+), (\d+)\)", Path(f"/proc/{pid}/fdinfo/{fd}").read_text())
            found += [int(text[0]) + int(text[1]) / 1e9] if text != ("0", "0") else []
    return found


def waits_for_ever(worker):
    """Not for a second, to give back memory then: by the limit of its poll(2), or ppoll(2)."""
    limits = Path(f"/proc/{worker}/syscall").read_text().split()[3:4]
    return [int(limit, 16) & 0xFFFFFFFF for limit in limits] in ([0xFFFFFFFF], [0])  # an int of -1, however wide the register holds it


def wake_ups(daemon):
    """Of every thread of the daemon and its workers: how often it gave up the processor, and so was woken since."""
    found = {}
    for pid in [daemon.pid, *children(daemon.pid)]:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            status = (thread / "status").read_text()
            if not re.search(r"^State:\tS", status, re.MULTILINE):
                return {}  # it is awake
            found[thread] = int(re.search(r"^voluntary_ctxt_switches:\t(\d+)", status, re.MULTILINE).group(1))
    return found


@pytest.mark.parametrize("count,directories", [(1, 1), (1, 1000), (3, 100)])
@pytest.mark.parametrize("orphans", ["keep", "delete"])
def test_nothing_wakes_it_when_there_is_nothing_to_do(folders, count, directories, orphans):
    groups = []
    for number in range(count):
        inbox, outbox = folders.root / f"in{number}", folders.root / f"out{number}"
        for directory in range(directories):
            (inbox / f"{directory}").mkdir(parents=True)
        groups.append(f'{{ inbox = "{inbox}"; outbox = "{outbox}"; orphans = "{orphans}"; }}')
    path = folders.root / "idle.conf"
    path.write_text(f"limits = {{ free_mib = 0; }}; folders = ( {', '.join(groups)} );\n")
    daemon = folders.start("-c", path)
    (folders.root / "in0/0/a.jpg").write_bytes(pictures.encoded(**TINY))
    daemon.wait_made("0/a.jpg")
    if orphans == "delete":
        os.unlink(folders.root / "in0/0/a.jpg")
        daemon.wait_event("removed")
    before = {}

    def at_rest():
        """No timer goes off soon, and nobody has been woken since the last look."""
        last = dict(before)
        before.clear()
        before.update(wake_ups(daemon))
        alarms = [left for left in timers(daemon.pid) if left <= FAR_SECONDS]
        return before and before == last and not alarms and all(map(waits_for_ever, daemon.workers()))

    daemon.wait(at_rest, "rest")
    folders.once()  # takes a while, and is none of its business
    assert wake_ups(daemon) == before
