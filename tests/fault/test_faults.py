# SPDX-License-Identifier: GPL-2.0-or-later
"""Fault injection: one system call of the supervisor after the other fails for a while, in each of the usual ways, under load.  It
lives on, loses nothing, and does the rest by itself when the fault is over."""

import errno
import os

import checker
import pytest
from daemon import children, open_files, process_status, state
from fault import ERRORS, Faults

CALLS = ["openat", "write", "fsync", "linkat", "renameat2", "mkdirat", "unlinkat", "fork", "recvmsg", "sendmsg", "fsetxattr", "futimens"]
USUAL = ["ENOSPC", "EIO", "EINTR", "ENOMEM", "EMFILE"]
DELETING = ["openat", "unlinkat", "fsync", "recvmsg"]  # the others are tried with "move"
HITS = 3
FEW = 12


def renewed_worker(daemon):
    """A fork happens when a worker goes."""
    workers = daemon.workers()
    if workers:
        os.kill(workers[0], 9)


def provoke(daemon, campaign, call, hits, faults):
    """Work until the call was hit often enough, or cannot be."""
    for n in range(FEW):
        campaign.drop(f"new{campaign._next}/x{n}.jpg")
        campaign.drop(f"same{n}.jpg")
    if call == "fork":
        renewed_worker(daemon)
    # All since it was armed count: what the daemon still did by itself may have met the first.
    daemon.wait(lambda: faults.hits(call) >= hits or daemon.returncode is not None, f"{hits} failures of {call}", timeout=20)


def all_done(campaign, daemon):
    latest = {name: numbers[-1] for name, numbers in campaign.versions.items()}

    def is_done(name):
        if campaign.originals != "keep" and os.path.exists(folders.path(name)):
            return False
        paths = [os.path.join(folders.outbox, f"{name}.{preset}.jpg") for preset in checker.PRESETS]
        return all(os.path.exists(path) and checker.shows(path, latest[name], path.split(".")[-2]) for path in paths)

    folders = campaign.folders

    def look():
        for name in [name for name in latest if is_done(name)]:
            del latest[name]
        return not latest

    daemon.wait(look, "everything made", timeout=45)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_for_a_while(folders, long, call):
    originals = "delete" if call in DELETING else "move"
    campaign, faults = checker.Campaign(folders, originals), Faults(folders)
    daemon = folders.start("-c", campaign.config(), prefix=faults.prefix)
    campaign.drop_many(5)
    all_done(campaign, daemon)
    for error in ERRORS if long else USUAL:
        with faults.armed(call, ERRORS[error], times=HITS):
            provoke(daemon, campaign, call, HITS if call != "fork" else 1, faults)
        assert daemon.returncode is None, f"it died of {error} from {call}\n{daemon.evidence()}"
        assert faults.hits(call), f"{call} was never called"
        daemon.signal(1)  # an operator's reload, for what waits minutes for one
        if campaign.originals == "move":  # so that the next error meets one that works, not one that pauses for long already
            all_done(campaign, daemon)
    all_done(campaign, daemon)
    daemon.wait(lambda: len(daemon.workers()) == 2, "both workers")
    daemon.wait(lambda: not [pid for pid in children(daemon.pid) if state(pid) == "Z"], "no zombies")
    daemon.wait(lambda: len(open_files(daemon.pid)) <= daemon.files_at_ready + 4, "no leaked descriptors")
    daemon.stop()
    checker.check(campaign, complete=campaign.originals != "keep")


def test_a_kernel_that_links_no_descriptors(folders):
    """Before Linux 6.10 AT_EMPTY_PATH is for the privileged, and ENOENT for others: then it is done by the link in /proc."""
    faults = Faults(folders)
    daemon = folders.start(prefix=faults.prefix)
    for n in range(3):
        with faults.armed("linkat", errno.ENOENT, times=1):
            folders.drop(f"{n}.jpg", checker.picture(1))
            daemon.wait_made(f"{n}.jpg")
            assert faults.hits("linkat") == 1 and faults.calls("linkat") == 2 * (n + 1)
    assert not daemon.events("retry") and not daemon.events("failed")


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT"])
@pytest.mark.parametrize("call", ["openat", "fsync", "linkat"])
def test_no_space_by_any_call_is_a_pause_that_ends(folders, call, error):
    """Quota included: said once, not per file; nothing fails."""
    campaign, faults = checker.Campaign(folders, "keep"), Faults(folders)
    daemon = folders.start("-c", campaign.config(), prefix=faults.prefix)
    with faults.armed(call, ERRORS[error]):
        for n in range(30):
            campaign.drop(f"{n}.jpg")
        told = daemon.wait(lambda: [r for r in daemon.events() if r.event in ("paused", "retry", "failed")], "a word about it")[0]
        if call != "openat":  # which also fails for the inbox there
            assert told.event == "paused" and told.text("REASON") == "no-space", told
            daemon.wait_status("paused.*no-space")
    all_done(campaign, daemon)
    assert not daemon.events("failed")
    if call != "openat":
        assert len(daemon.events("paused")) == 1, daemon.events("paused")
        daemon.wait_event("resumed")
        daemon.wait(lambda: "paused" not in daemon.status, "a status without a pause")


@pytest.mark.parametrize("limit", list(range(8, 32, 2)))
def test_too_few_descriptors_to_start_is_an_end_that_says_so_or_a_start(folders, limit):
    (folders.inbox / "a.jpg").write_bytes(checker.picture(1))
    done = folders.run("--once", "-i", folders.inbox, "-o", folders.outbox, "-w", "2", prefix=["prlimit", f"--nofile={limit}:{limit}"])
    assert 0 <= done.returncode < 128, f"it died by {done.returncode}\n{done.stderr}"
    assert done.returncode == 0 or done.returncode in (1, 71, 73, 78, 70, 75), done


def test_it_lives_with_few_descriptors(folders):
    """EMFILE for real, again and again: more files in work than descriptors."""
    campaign = checker.Campaign(folders, "delete")
    daemon = folders.start("-c", campaign.config(workers=4), prefix=["prlimit", "--nofile=48:48"])
    for n in range(200):
        campaign.drop(f"{n}.jpg")
    all_done(campaign, daemon)
    assert int(process_status(daemon.pid)["Threads"]) < 10
    checker.check(campaign, complete=True)
