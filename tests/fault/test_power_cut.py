# SPDX-License-Identifier: GPL-2.0-or-later
"""The power-cut campaign: everything lies on a file system of its own, on a loop device; at random moments all writers are stopped and
the image is copied until two copies agree: that is what a disk would hold if the power went now.  The copy is mounted, checked, and
served to the end by another daemon."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import checker
import pytest
from daemon import children, state
from fault import NOTHING, Faults


@dataclass
class FileSystem:
    mib: int
    make: list  # the command that is given the image
    options: str  # of mount(8)
    copy_options: str  # for a copy beside what it is a copy of

    def create(self, image):
        with open(image, "wb") as file:
            file.truncate(self.mib << 20)
        subprocess.run([*self.make, image], check=True, capture_output=True)


FILE_SYSTEMS = {
    "ext4": FileSystem(96, ["mkfs.ext4", "-q", "-F", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0"], "loop,commit=1", "loop"),
    "xfs": FileSystem(320, ["mkfs.xfs", "-q"], "loop", "loop,nouuid"),
}


def make_ext4(image):
    FILE_SYSTEMS["ext4"].create(image)


@contextlib.contextmanager
def mounted(image, at, options):
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", options, image, at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


class On(checker.Campaign):
    """A campaign whose folders all lie below one root, which may be looked at elsewhere."""

    def at(self, root):
        folders = self.folders
        return {
            "inbox": root / folders.inbox.name,
            "outbox": root / folders.outbox.name,
            "failed": root / "failed",
            "processed": root / "processed",
        }


@contextlib.contextmanager
def stopped(daemon):
    """The supervisor and its workers, or what is left of them."""
    pids = [daemon.pid, *children(daemon.pid)]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    daemon.wait(lambda: all(state(pid) in ("T", "Z", None) for pid in pids), "all writers stopped")
    yield
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def commit(disk):
    """Have the file system's journal written, and no data but that of one file of ours: what is linked then without having been synced
    is empty after a power cut."""
    with open(disk / "unrelated", "wb") as file:
        file.write(os.urandom(100))
        file.flush()
        os.fsync(file.fileno())


def copy_until_two_agree(image, copy):
    """The kernel's own writers, the journal's thread and writeback, may be at it."""
    shutil.copyfile(image, copy)
    for _ in range(50):
        again = copy.with_suffix(".again")
        shutil.copyfile(image, again)
        same = subprocess.run(["cmp", "-s", copy, again]).returncode == 0
        os.rename(again, copy)
        if same:
            return
    raise AssertionError("the image never rests")


def look_at(campaign, kind, copy, place, synced):
    """What is there after the power is back, then what a daemon makes of it.  Originals that were dropped since the last sync of the
    test itself may be gone with the power: their uploader had no promise."""
    with mounted(copy, place, kind.copy_options):
        where = campaign.at(place)
        versions = {name: numbers for name, numbers in campaign.versions.items() if name in synced}
        then = checker.Campaign(campaign.folders, campaign.originals)
        then.versions = versions
        checker.check(then, **where)
        before = checker.right_ones(then, where["outbox"])
        config = Path(campaign.config(name="after.conf"))
        text = config.read_text()
        for name, path in where.items():
            text = text.replace(f'"{campaign.at(campaign.folders.inbox.parent)[name]}"', f'"{path}"')
        config.write_text(text)
        done = campaign.folders.run("--once", "-c", config)
        assert done.returncode == 0, done.stderr
        checker.check(then, complete=True, **where)
        checker.check_nothing_made_again(before)


def lay_out(folders, mounts, kind, originals):
    memory = mounts(folders.root / "memory", "-t", "tmpfs", "none")
    disk = folders.root / "disk"
    image, copy, place = memory / "image", memory / "copy", folders.root / "copy"
    kind.create(image)
    mounts(disk, "-o", kind.options, image)
    for name in ("inbox", "outbox", "staging"):
        (disk / name).mkdir()
        setattr(folders, name, disk / name)
    campaign = On(folders, originals)
    campaign.processed, campaign.failed = disk / "processed", disk / "failed"
    return campaign, disk, image, copy, place


@pytest.mark.parametrize("originals", ["keep", "move", "delete"])
@pytest.mark.parametrize("kind", FILE_SYSTEMS.values(), ids=FILE_SYSTEMS)
def test_nothing_is_lost_by_power_cuts(folders, mounts, seed, long, kind, originals):
    rng = random.Random(f"{seed} {originals}")
    campaign, disk, image, copy, place = lay_out(folders, mounts, kind, originals)
    cuts = 0
    for _ in range(20 if long else 1):
        campaign.drop_many(120, rng)
        os.sync()
        synced = set(campaign.versions)
        daemon = folders.start("-c", campaign.config())
        start = len(daemon.events("made"))
        moments = sorted(rng.sample(range(2, 110), 7 if long else 4))
        for moment in moments:
            daemon.wait(lambda: len(daemon.events("made")) >= start + moment, f"{moment} made")
            if rng.random() < 0.5:
                commit(disk)
            with stopped(daemon):
                copy_until_two_agree(image, copy)
            look_at(campaign, kind, copy, place, synced)
            cuts += 1
            print(f"{originals}: cut {cuts}", flush=True)
        daemon.wait(lambda: len(daemon.events("made")) >= 120, "the rest")
        daemon.stop()
        if len(campaign.versions) > 600:
            for root in (folders.inbox, folders.outbox, campaign.processed):
                for name, path in list(checker.walk(root)):
                    os.unlink(path)
            campaign.versions.clear()
    checker.check(campaign)
    print(f"{cuts} power cuts with originals = {originals}, seed {seed}")


@pytest.mark.parametrize("kind", FILE_SYSTEMS.values(), ids=FILE_SYSTEMS)
def test_the_campaign_sees_what_was_not_synced(folders, mounts, kind):
    """The same with a supervisor whose fsync(2) does nothing: a test that does not fail then proves nothing."""
    campaign, disk, image, copy, place = lay_out(folders, mounts, kind, "delete")
    faults = Faults(folders)
    faults.arm("fsync", NOTHING)
    faults.arm("sync_file_range", NOTHING)
    campaign.drop_many(40, random.Random(1))
    os.sync()
    synced = set(campaign.versions)
    daemon = folders.start("-c", campaign.config(), prefix=faults.prefix)
    daemon.wait(lambda: not checker.walk_list(folders.inbox), "all deleted")
    commit(disk)
    with stopped(daemon):
        copy_until_two_agree(image, copy)
    with pytest.raises((AssertionError, OSError)):
        look_at(campaign, kind, copy, place, synced)
