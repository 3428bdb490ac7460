# SPDX-License-Identifier: GPL-2.0-or-later
"""The crash campaign: kill -9 of the supervisor, of a worker, of all of them, at any moment and at chosen system calls, with each policy
for originals; then the checker looks, and looks again when the work is done.  `pytest tests/fault/test_crash.py --long --seed N`."""

import os
import random
import re
import signal

import checker
import pytest
from daemon import children, ended
from fault import KILL_AFTER, KILL_BEFORE, Faults

POLICIES = ["keep", "move", "delete"]
POINTS = ["openat", "write", "fsync", "linkat", "renameat2", "mkdirat", "unlinkat", "fork", "recvmsg", "sendmsg", "fsetxattr", "futimens"]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def wait_made(daemon, count):
    """Or until there is nothing left to make: of what a killed worker made, nobody may have said so."""

    def happened():
        idle = re.match(r"0/2 workers busy, 0 waiting", daemon.status)
        return len(daemon.events("made")) >= count or daemon.returncode is not None or idle

    daemon.wait(happened, f"{count} made")


def complete(campaign):
    """All that is left is done, nothing of it twice, and nothing is lost."""
    before = checker.right_ones(campaign)
    done = campaign.folders.run("--once", "-c", campaign.config())
    assert done.returncode == 0, done.stderr
    checker.check(campaign, complete=True)
    checker.check_nothing_made_again(before)


def kill_at_a_moment(daemon, rng):
    """Returns whom it killed."""
    wait_made(daemon, rng.randrange(16))
    workers = children(daemon.pid)
    victim = rng.choice(["supervisor", "worker", "group"])
    if victim == "worker":
        for _ in range(rng.randrange(1, 4)):
            kill(rng.choice(workers))
            wait_made(daemon, len(daemon.events("made")) + 1)
            workers = children(daemon.pid) or workers
    for pid in workers if victim == "group" else []:
        kill(pid)
    daemon.kill()
    return victim


def kill_at_a_call(daemon, faults, rng):
    call, how = rng.choice(POINTS), rng.choice([KILL_BEFORE, KILL_AFTER])
    faults.arm(call, how, skip=rng.randrange(20), times=1)
    wait_made(daemon, 20)
    faults.disarm(call)
    if daemon.returncode is None:
        daemon.kill()
    return f"{call} {how}"


def run_once(campaign, faults, rng):
    for name in rng.sample(sorted(campaign.versions), min(3, len(campaign.versions))):
        campaign.drop(name)  # a new version
    campaign.drop_many(24, rng)
    faults.clear()
    at_call = rng.random() < 0.5
    early = at_call and rng.random() < 0.3
    daemon = campaign.folders.start("-c", campaign.config(), prefix=faults.prefix, ready=not early)
    campaign.drop_many(6, rng)
    what = kill_at_a_call(daemon, faults, rng) if at_call else kill_at_a_moment(daemon, rng)
    daemon.wait(lambda: all(map(ended, daemon.workers())), "the end of its workers")
    return what


@pytest.mark.parametrize("originals", POLICIES)
def test_nothing_is_lost_by_kills(folders, seed, long, originals):
    rng = random.Random(f"{seed} {originals}")
    campaign, faults = checker.Campaign(folders, originals), Faults(folders)
    done = []
    for run in range(150 if long else 7):
        done.append(run_once(campaign, faults, rng))
        print(f"{originals} {run}: {done[-1]}", flush=True)
        checker.check(campaign)
        if run % 3 == 2:
            complete(campaign)
        if len(campaign.versions) > 1000:  # the checker reads them all
            complete(campaign)
            start_afresh(campaign)
    complete(campaign)
    print(f"{len(done)} kills with originals = {originals}, seed {seed}")


def start_afresh(campaign):
    for root in (campaign.folders.inbox, campaign.folders.outbox, campaign.processed):
        for name, path in list(checker.walk(root)):
            if not name.startswith(".thumbnaild"):
                os.unlink(path)
    campaign.versions.clear()


@pytest.mark.parametrize("how", [KILL_BEFORE, KILL_AFTER], ids=["before", "after"])
@pytest.mark.parametrize("originals", ["move", "delete"])
@pytest.mark.parametrize("call", ["fsync", "linkat", "renameat2", "unlinkat"])
def test_every_step_can_be_the_last(folders, long, originals, call, how):
    """One file at a time, from its arrival to its removal: killed at each of these calls in turn, until there is none left, or
    many were."""
    campaign, faults = checker.Campaign(folders, originals), Faults(folders)
    for skip in range(12 if long else 6):
        faults.clear()
        faults.arm(call, how, skip=skip, times=1)
        daemon = folders.start("-c", campaign.config(workers=1), prefix=faults.prefix, ready=False)
        daemon.wait(lambda: "READY=1" in daemon.notified or daemon.returncode is not None, "READY=1 or the kill")
        campaign.drop("x.jpg")  # a new version each time: one replaces, too
        gone = lambda: not os.path.exists(folders.path("x.jpg")) and not os.path.exists(folders.path(".thumbnaild~x.jpg"))  # noqa: E731
        if daemon.returncode is None:
            daemon.wait(lambda: daemon.returncode is not None or (gone() and daemon.events("made")), "the kill, or the end of the work")
        killed = faults.hits(call) > 0
        daemon.kill()
        checker.check(campaign)
        if not killed:
            break
    complete(campaign)
