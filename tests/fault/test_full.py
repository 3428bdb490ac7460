# SPDX-License-Identifier: GPL-2.0-or-later
"""Outboxes that cannot take more: full, without inodes, read-only by an error of the disk, not ours.  Paused with the reason, once;
nothing fails; resumed by itself."""

import contextlib
import errno
import os
import re
import shutil
import subprocess
from pathlib import Path

import checker
import pictures
import pytest
from daemon import OUR_FOLDER
from test_power_cut import make_ext4

SOMEBODY = 4711
COUNT = 60


class Paused:
    """A campaign in which the outbox takes no more from some moment on."""

    def __init__(self, folders, uid=None, free_mib=0, originals="keep"):
        self.folders = folders
        self.campaign = checker.Campaign(folders, originals)
        path = self.campaign.config(workers=2)
        path.write_text(path.read_text().replace("free_mib = 0", f"free_mib = {free_mib}"))
        how = {"uid": uid, "program": folders.program_for_everybody} if uid else {}
        self.daemon = folders.start("-c", path, **how)
        for n in range(10):
            self.campaign.drop(f"early{n}.jpg")
        self.wait_all()

    def wait_all(self):
        names = [f"{name}.{preset}.jpg" for name in self.campaign.versions for preset in checker.PRESETS]
        self.daemon.wait(lambda: all((self.folders.outbox / name).exists() for name in names), "all thumbnails")

    def wait_paused(self, reason):
        paused = self.daemon.wait_event("paused")
        assert paused.text("REASON") == reason, paused
        self.daemon.wait_status(f"paused: .*{reason}")

    def drop_late(self):
        for n in range(COUNT):
            self.campaign.drop(f"late{n:02}.jpg")

    def assert_calm(self, reason):
        """Said once, nobody blamed, and the waiting costs nothing."""
        events = self.daemon.events()
        assert len([r for r in events if r.event == "paused"]) == 1, self.daemon.evidence()
        assert not [r for r in events if r.event in ("failed", "retry", "waiting", "worker-lost")], self.daemon.evidence()

    def assert_resumed(self):
        self.wait_all()
        self.daemon.wait_event("resumed")
        self.daemon.wait(lambda: "paused" not in self.daemon.status, "a status without a pause")
        self.daemon.wait_event("made", count=COUNT + 10)
        self.daemon.stop()
        checker.check(self.campaign, complete=True)


def fill(path):
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 512):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


@pytest.mark.parametrize("originals", ["keep", "delete"])
def test_a_full_disk(folders, mounts, originals):
    mounts(folders.outbox, "-t", "tmpfs", "-o", "size=2m", "none")
    paused = Paused(folders, originals=originals)
    fill(folders.outbox / ".ballast")
    paused.drop_late()
    paused.wait_paused("no-space")
    paused.assert_calm("no-space")
    os.unlink(folders.outbox / ".ballast")
    paused.assert_resumed()


def test_a_disk_that_fills_up_by_thumbnails(folders, mounts):
    mounts(folders.outbox, "-t", "tmpfs", "-o", "size=1m", "none")
    paused = Paused(folders)
    ballast = folders.outbox / ".ballast"
    with open(ballast, "wb") as file:
        free = os.statvfs(folders.outbox).f_bavail * 4096
        file.write(bytes(max(0, free - 20 * 4096)))
    paused.drop_late()
    paused.wait_paused("no-space")
    for name in folders.thumbnails():
        if not name.startswith(b"."):
            pictures.open_checked(os.path.join(os.fsencode(folders.outbox), name), "JPEG")
    paused.assert_calm("no-space")
    ballast.unlink()
    paused.assert_resumed()


def test_free_space_is_left_to_others(folders, mounts):
    mounts(folders.outbox, "-t", "tmpfs", "-o", "size=20m", "none")
    paused = Paused(folders, free_mib=10)
    with open(folders.outbox / ".ballast", "wb") as file:
        file.write(bytes(11 << 20))
    paused.drop_late()
    paused.wait_paused("no-space")
    paused.assert_calm("no-space")
    assert len(folders.thumbnails()) == 21, "two each of the first ten, and the ballast"
    os.unlink(folders.outbox / ".ballast")
    paused.assert_resumed()


def test_no_inodes(folders, mounts):
    mounts(folders.outbox, "-t", "tmpfs", "-o", "nr_inodes=60", "none")
    paused = Paused(folders)
    ballast = folders.outbox / ".thumbnaild" / "ballast"
    ballast.mkdir()
    with contextlib.suppress(OSError):
        for n in range(100):
            (ballast / str(n)).touch()
    paused.drop_late()
    paused.wait_paused("no-space")
    paused.assert_calm("no-space")
    subprocess.run(["mount", "-o", "remount,nr_inodes=1000", folders.outbox], check=True)
    shutil.rmtree(ballast)
    paused.assert_resumed()


def test_a_start_on_a_full_disk_tells_nothing_about_what_the_disk_can_do(folders, mounts):
    """A thumbnail has its record, though attributes could not be tried."""
    disk = mounts(folders.outbox, "-t", "tmpfs", "-o", "size=4m,nr_inodes=20", "none")
    path = folders.config("workers = 1; limits = { free_mib = 0; };")
    folders.start("-c", path).stop()  # an outbox that was in use before
    fillers = []
    with contextlib.suppress(OSError):
        while True:
            fillers.append(disk / f"filler{len(fillers)}")
            fillers[-1].touch()
    folders.drop("a.jpg", pictures.encoded(width=120, height=90))
    daemon = folders.start("-c", path)
    assert daemon.wait_event("paused").text("REASON") == "no-space"
    for filler in fillers:
        filler.unlink(missing_ok=True)
    daemon.wait_made("a.jpg")
    assert os.getxattr(folders.thumbnail("a.jpg"), "user.thumbnaild").startswith(b"2 ")
    assert folders.listing(disk) == [b"a.jpg.256.jpg"]


def test_a_quota(folders, mounts):
    """A real one, of btrfs: statfs(2) shows plenty of space, writing says EDQUOT."""
    disk, image = folders.root / "disk", folders.root / "image"
    with open(image, "wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mkfs.btrfs", "--quiet", "--mixed", image], check=True, capture_output=True)
    mounts(disk, "-o", "loop", image)
    folders.outbox = disk / "outbox"
    subprocess.run(["btrfs", "quota", "enable", disk], check=True)
    subprocess.run(["btrfs", "subvolume", "create", folders.outbox], check=True, capture_output=True)
    subprocess.run(["btrfs", "qgroup", "limit", "4M", folders.outbox], check=True)
    paused = Paused(folders)
    with pytest.raises(OSError, match="quota"), open(folders.outbox / ".ballast", "wb", buffering=0) as file:
        while True:
            file.write(os.urandom(65536))
            os.fsync(file.fileno())
    assert os.statvfs(folders.outbox).f_bavail * 4096 > 64 << 20
    paused.drop_late()
    paused.wait_paused("no-space")
    paused.assert_calm("no-space")
    subprocess.run(["btrfs", "qgroup", "limit", "none", folders.outbox], check=True)
    os.unlink(folders.outbox / ".ballast")
    paused.assert_resumed()


def test_an_outbox_that_is_not_ours_any_more(folders):
    for folder in (folders.inbox, folders.outbox):
        os.chown(folder, SOMEBODY, SOMEBODY)
    (folders.root / "failed").mkdir()
    os.chown(folders.root / "failed", SOMEBODY, SOMEBODY)
    paused = Paused(folders, uid=SOMEBODY)
    os.chown(folders.outbox, 0, 0)
    paused.drop_late()
    paused.wait_paused("read-only")
    paused.assert_calm("read-only")
    os.chown(folders.outbox, SOMEBODY, SOMEBODY)
    paused.assert_resumed()


@pytest.fixture
def disk(folders, mounts):
    """An outbox on ext4, which goes read-only at an error, as the root file system of most machines does."""
    image = folders.root / "image"
    make_ext4(image)
    subprocess.run(["tune2fs", "-e", "remount-ro", image], check=True, capture_output=True)
    mounts(folders.outbox, "-o", "loop", image)
    source = subprocess.run(["findmnt", "-nro", "SOURCE", folders.outbox], check=True, capture_output=True, text=True).stdout.strip()
    return Path("/sys/fs/ext4") / os.path.basename(source) / "trigger_fs_error"


def is_read_only(path):
    """By trying: newer kernels do not show it in the mount's flags."""
    try:
        (path / ".try").touch()
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def test_a_disk_that_went_read_only_by_an_error_while_jobs_are_in_work(folders, disk):
    """Whatever of the outbox is mapped or open then: the supervisor stands, and says what it is."""
    paused = Paused(folders)
    daemon = paused.daemon
    workers = daemon.workers()
    for worker in workers:
        daemon.pause(worker)
    paused.drop_late()
    daemon.wait_busy()
    os.sync()
    disk.write_text("a test")
    assert is_read_only(folders.outbox)
    for worker in workers:
        daemon.resume(worker)
    daemon.wait(lambda: daemon.events("paused") or daemon.returncode is not None, "a pause")
    assert daemon.returncode is None, f"it died\n{daemon.evidence()}"
    assert not daemon.events("failed")
    daemon.wait_status("paused: .*(read-only|io-error)")
    daemon.kill()
    for name in folders.thumbnails():
        pictures.open_checked(os.path.join(os.fsencode(folders.outbox), name), "JPEG")


def test_a_remount_read_only_and_back(folders, mounts):
    """What an administrator does by hand.  Refused by the kernel while we hold anything there open for writing: at rest we do not."""
    mounts(folders.outbox, "-t", "tmpfs", "none")
    paused = Paused(folders)
    paused.daemon.wait_status(r"^0/2")
    subprocess.run(["mount", "-o", "remount,ro", folders.outbox], check=True)
    paused.drop_late()
    paused.wait_paused("read-only")
    paused.assert_calm("read-only")
    subprocess.run(["mount", "-o", "remount,rw", folders.outbox], check=True)
    paused.assert_resumed()


def test_a_folder_in_the_outbox_that_is_not_ours_holds_up_nobody_else(folders):
    for folder in (folders.inbox, folders.outbox):
        os.chown(folder, SOMEBODY, SOMEBODY)
    (folders.outbox / "sub").mkdir()
    (folders.inbox / "sub").mkdir()
    daemon = folders.start(uid=SOMEBODY, program=folders.program_for_everybody)
    folders.drop("sub/a.jpg", checker.picture(1))
    retry = daemon.wait_event("retry", "sub/a.jpg")
    assert retry.text("REASON") == "read-only"
    for n in range(10):
        folders.drop(f"{n}.jpg", checker.picture(2 + n))
    daemon.wait_made(*[f"{n}.jpg" for n in range(10)])
    assert not daemon.events("paused")
    os.chown(folders.outbox / "sub", SOMEBODY, SOMEBODY)
    daemon.wait_made("sub/a.jpg")


def test_notes_of_ours_that_somebody_truncates_harm_nobody(folders):
    paused = Paused(folders)
    for name, path in checker.walk(folders.outbox):
        if os.fsencode(name).startswith(OUR_FOLDER):
            os.truncate(path, 0)
    paused.drop_late()
    paused.wait_all()
    assert paused.daemon.returncode is None, paused.daemon.evidence()


def test_a_pause_ends_with_its_cause_even_when_nothing_is_left_to_make(folders, mounts):
    mounts(folders.outbox, "-t", "tmpfs", "-o", "size=2m", "none")
    paused = Paused(folders)
    fill(folders.outbox / ".ballast")
    folders.drop("late.jpg", checker.picture(1))
    paused.wait_paused("no-space")
    os.unlink(folders.path("late.jpg"))
    os.unlink(folders.outbox / ".ballast")
    paused.daemon.wait(lambda: paused.daemon.events("resumed"), "resumed", timeout=20)
    paused.daemon.wait(lambda: not re.search("paused", paused.daemon.status), "a status without a pause")
