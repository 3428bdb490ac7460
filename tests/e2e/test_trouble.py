# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong around the daemon: lost notifications, folders that come and go, a journal that does not listen."""

import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import termios

import pictures
import pytest
from daemon import open_files, state

SYS_PIDFD_GETFD = 438  # the same on every architecture

SMALL = dict(width=120, height=90)


def queued_bytes(daemon):
    """What the daemon has not read of its notifications, through copies of its own descriptors (sd-event has one of them)."""
    libc = ctypes.CDLL(None, use_errno=True)
    process, found = os.pidfd_open(daemon.pid), 0
    for fd in [fd for fd, what in open_files(daemon.pid).items() if what == "anon_inode:inotify"]:
        copy = libc.syscall(SYS_PIDFD_GETFD, process, fd, 0)
        assert copy >= 0, os.strerror(ctypes.get_errno())
        found += struct.unpack("i", fcntl.ioctl(copy, termios.FIONREAD, bytes(4)))[0]
        os.close(copy)
    os.close(process)
    return found


def test_more_changes_than_the_kernel_could_queue(folders):
    """What is dropped behind the overflow is found by a scan."""
    (folders.inbox / "sub").mkdir()
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    daemon.signal(signal.SIGSTOP)
    daemon.wait(lambda: state(daemon.pid) == "T", "a stopped daemon")
    names = [folders.path(name) for name in ("one.part", "two.part")]
    open(names[0], "wb").close()
    before, now = -1, 0
    while now > before:
        before = now
        for i in range(2000):
            os.rename(names[i % 2], names[(i + 1) % 2])
        now = queued_bytes(daemon)
    assert now > 0, "nothing was queued: it watches nothing, or was not stopped"
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    folders.drop("sub/b.jpg", pictures.encoded(**SMALL))
    (folders.inbox / "new").mkdir()
    folders.drop("new/c.jpg", pictures.encoded(**SMALL))
    daemon.signal(signal.SIGCONT)
    daemon.wait_event("overflow")
    daemon.wait_made("a.jpg", "sub/b.jpg", "new/c.jpg")
    folders.drop("new/d.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("new/d.jpg")


def test_a_folder_of_the_outbox_that_is_moved_away_gets_nothing_more(folders):
    (folders.inbox / "sub").mkdir()
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    folders.drop("sub/a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("sub/a.jpg")
    os.rename(folders.outbox / "sub", folders.root / "elsewhere")
    folders.drop("sub/b.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("sub/b.jpg")
    assert os.listdir(folders.root / "elsewhere") == ["a.jpg.256.jpg"]
    assert os.listdir(folders.outbox / "sub") == ["b.jpg.256.jpg"]


def test_an_outbox_that_is_replaced_while_a_picture_is_rendered_gets_its_thumbnail(folders):
    daemon = folders.start("-c", folders.config("workers = 1;"))
    (worker,) = daemon.workers()
    daemon.pause(worker)
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_busy()
    os.rename(folders.outbox, folders.root / "elsewhere")
    daemon.wait_event("paused")
    folders.outbox.mkdir()
    daemon.wait_event("resumed")
    daemon.resume(worker)
    daemon.wait(lambda: os.path.exists(folders.thumbnail("a.jpg")), "its thumbnail in the new one")


def two_folders(folders):
    """A configuration with a second folder, and the two paths of that."""
    inbox, outbox = folders.root / "inbox2", folders.root / "outbox2"
    path = folders.config("workers = 1;")
    path.write_text(path.read_text().replace("folders = (", f'folders = ( {{ inbox = "{inbox}"; outbox = "{outbox}"; }},'))
    return path, inbox, outbox


def test_a_folder_that_is_not_there_is_paused_and_the_others_go_on(folders):
    path, inbox, outbox = two_folders(folders)
    daemon = folders.start("-c", path)
    paused = daemon.wait_event("paused")
    assert paused["INBOX"] == os.fsencode(inbox) and paused.text("REASON") == "vanished"
    daemon.wait_status("paused")
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")
    inbox.mkdir()
    (inbox / "b.jpg").write_bytes(pictures.encoded(**SMALL))
    daemon.wait_event("resumed")
    daemon.wait_made("b.jpg")
    assert (outbox / "b.jpg.256.jpg").exists()
    daemon.wait(lambda: "paused" not in daemon.status, "a status without a paused folder")


def test_an_inbox_that_goes_and_comes_back(folders):
    """rm -rf inbox; mkdir inbox: after DELETE_SELF inotify is silent for ever.  No thumbnail goes with it."""
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")
    os.unlink(folders.path("a.jpg"))
    folders.inbox.rmdir()
    daemon.wait_event("paused")
    folders.inbox.mkdir()
    folders.drop("b.jpg", pictures.encoded(**SMALL))
    daemon.wait_event("resumed")
    daemon.wait_made("b.jpg")
    assert folders.thumbnails() == [b"a.jpg.256.jpg", b"b.jpg.256.jpg"]


def test_an_inbox_that_is_renamed_away_is_not_followed(folders):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    elsewhere = folders.root / "elsewhere"
    os.rename(folders.inbox, elsewhere)
    daemon.wait_event("paused")
    (elsewhere / "a.jpg").write_bytes(pictures.encoded(**SMALL))
    folders.inbox.mkdir()
    folders.drop("b.jpg", pictures.encoded(**SMALL))
    daemon.wait_event("resumed")
    daemon.wait_made("b.jpg")
    assert not daemon.events("made", "a.jpg")


def test_a_file_system_mounted_over_the_inbox(folders):
    """As a share does at boot, after the daemon: no event tells."""
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    subprocess.run(["mount", "-t", "tmpfs", "none", folders.inbox], check=True)
    try:
        with open(folders.path("a.jpg"), "wb") as file:
            file.write(pictures.encoded(**SMALL))
        daemon.wait_made("a.jpg")
    finally:
        daemon.stop()
        subprocess.run(["umount", folders.inbox], check=True)


@pytest.mark.parametrize("free_mib", [0, 1])
def test_a_full_outbox_is_waited_for(folders, free_mib):
    """No thumbnail half-written, no picture given up: it is made once there is room."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folders.outbox], check=True)
    ballast = folders.outbox / "ballast"
    try:
        daemon = folders.start("-c", folders.config("workers = 1; limits = { free_mib = %d; };" % free_mib))
        with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        if free_mib:
            os.truncate(ballast, ballast.stat().st_size - 900_000)  # room for the thumbnail, but it is to be left free
        folders.drop("a.jpg", pictures.encoded())
        said = daemon.wait(lambda: [r for r in daemon.events() if r.text("REASON") == "no-space"], "a word about space")[0]
        assert said.event in ("retry", "paused", "waiting"), said
        assert not daemon.events("made")
        ballast.unlink()
        daemon.wait_made("a.jpg")
        pictures.assert_corners(pictures.open_checked(folders.thumbnail("a.jpg"), "JPEG"))
        daemon.stop()
    finally:
        subprocess.run(["umount", "--lazy", folders.outbox], check=True)


def test_a_journal_that_does_not_listen_holds_nothing_up(folders):
    """Lines are kept while there is room for them, and arrive when it listens again."""
    names = [f"{i:03}.jpg" for i in range(300)]
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "2")
    with folders.journal.deaf():
        for name in names:
            folders.drop(name, pictures.encoded(**SMALL))
        daemon.wait(lambda: len(folders.thumbnails()) == len(names), "all thumbnails, unheard")
        assert not daemon.events("made")
    daemon.wait_made(*names)
    assert not daemon.events("dropped")


@pytest.mark.parametrize("listens_again", [True, False])
def test_a_journal_that_does_not_listen_does_not_hold_the_end_up(folders, listens_again):
    names = [f"{i:03}.jpg" for i in range(300)]
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "2")
    with folders.journal.deaf():
        for name in names:
            folders.drop(name, pictures.encoded(**SMALL))
        daemon.wait(lambda: len(folders.thumbnails()) == len(names), "all thumbnails, unheard")
        daemon.signal(signal.SIGTERM)
        if not listens_again:
            assert daemon.wait_end(timeout=15) == 0
    assert daemon.wait_end(timeout=15) == 0
    if listens_again:
        daemon.wait_made(*names)
        daemon.wait_event("stopped")
