# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders that no watch tells of: by configuration, on shares, and where the kernel has no watch left."""

import contextlib
import os
import re
import subprocess
from pathlib import Path

import pictures
import pytest
from daemon import open_files
from share import Share

SMALL = dict(width=120, height=90)
OTHER = dict(width=160, height=90)
MAX_WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")
POLLED = 'watch = "poll"; poll_seconds = 1;'


@pytest.fixture
def share(folders):
    """The inbox, on a share."""
    share = Share(folders.watcher, folders.root / "behind", folders.inbox)
    yield share
    share.close()


def watches(pid):
    """How many inotify watches it holds."""
    found = 0
    for fd, what in open_files(pid).items():
        if what == "anon_inode:inotify":
            found += Path(f"/proc/{pid}/fdinfo/{fd}").read_text().count("inotify wd:")
    return found


def poll(folders, folder=POLLED):
    return folders.start("-c", folders.config("workers = 1;", folder=folder))


def test_a_polled_folder_needs_no_events(folders):
    """Everything that can happen to a file is found: arrival, in new folders too, another version, and its end."""
    folders.drop("before.jpg", pictures.encoded(**SMALL))
    daemon = poll(folders)
    said = daemon.wait_event("polling")
    assert said.text("INBOX") == str(folders.inbox) and "every 1 s" in said.message and "'watch'" in said.message
    daemon.wait_made("before.jpg")
    assert watches(daemon.pid) == 1, "of the folder of reasons, in the outbox"
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")
    (folders.inbox / "deep/er").mkdir(parents=True)
    folders.drop("deep/er/b.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("deep/er/b.jpg")
    folders.drop("deep/er/c.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("deep/er/c.jpg")
    folders.drop("a.jpg", pictures.encoded(**OTHER))
    daemon.wait_event("made", "a.jpg", count=2)
    assert pictures.open_checked(folders.thumbnail("a.jpg"), "JPEG").size == (160, 90)
    os.rename(folders.path("deep"), folders.path("moved"))
    daemon.wait_made("moved/er/b.jpg", "moved/er/c.jpg")
    assert len(daemon.events("polling")) == 1


def test_what_has_not_changed_is_not_told_again(folders):
    """A reading that finds nothing new is silent, whatever lies there."""
    folders.drop("text.txt", b"no picture")
    folders.drop("broken.jpg", b"no picture either")
    os.mkfifo(folders.path("pipe"))
    (folders.inbox / "closed").mkdir()
    daemon = poll(folders)
    for event, file in (("skipped", "text.txt"), ("skipped", "pipe"), ("failed", "broken.jpg")):
        daemon.wait_event(event, file)
    for i in range(3):  # each of these is found by a reading of its own
        folders.drop(f"{i}.jpg", pictures.encoded(**SMALL))
        daemon.wait_made(f"{i}.jpg")
    told = [(r.event, r.file) for r in daemon.events() if r.file and r.event != "made"]
    assert sorted(told) == [("failed", b"broken.jpg"), ("skipped", b"pipe"), ("skipped", b"text.txt")]


def test_a_file_that_grows_between_two_readings_is_waited_for(folders):
    """While nobody has it open, and its end is missing."""
    daemon = poll(folders, POLLED + 'failed = "%s";' % (folders.root / "failed"))
    whole = pictures.encoded(**SMALL)
    with open(folders.path("a.jpg"), "wb") as file:
        file.write(whole[: len(whole) // 2])
        file.flush()
        daemon.wait_event("waiting", "a.jpg", reason="being-written")
        file.write(whole[len(whole) // 2 :])
    daemon.wait_made("a.jpg")
    assert not daemon.events("failed")


def test_a_polled_inbox_that_is_replaced(folders):
    daemon = poll(folders)
    os.rename(folders.inbox, folders.root / "elsewhere")
    folders.inbox.mkdir()
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_event("paused")
    daemon.wait_event("resumed")
    daemon.wait_made("a.jpg")


def test_watching_instead_of_polling_by_a_reload(folders):
    """And back."""
    config = folders.config("workers = 1;", folder='watch = "poll"; poll_seconds = 86400;')
    (folders.inbox / "sub").mkdir()
    daemon = folders.start("-c", config)
    folders.config("workers = 1;", folder='watch = "inotify";')
    daemon.reload()
    daemon.wait(lambda: watches(daemon.pid) >= 3, "watches on the inbox and on its folder")
    folders.drop("sub/a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("sub/a.jpg")
    folders.config("workers = 1;", folder=POLLED)
    daemon.reload()
    daemon.wait(lambda: watches(daemon.pid) <= 2, "the end of those watches")
    folders.drop("sub/b.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("sub/b.jpg")


# The kernel's limit


@contextlib.contextmanager
def watch_limit(watches):
    """For everybody on this machine, so for as short as can be."""
    before = MAX_WATCHES.read_text()
    MAX_WATCHES.write_text(str(watches))
    try:
        yield
    finally:
        MAX_WATCHES.write_text(before)


def test_more_folders_than_watches(folders):
    """Those without are polled, the others are watched, and all are when there are watches again."""
    for i in range(40):
        (folders.inbox / f"{i:02}").mkdir()
    config = folders.config("workers = 1;", folder="poll_seconds = 1;")
    # The limit counts for each user.  One of our own has no other watches.
    uid = 54321
    for folder in (folders.inbox, *folders.inbox.iterdir(), folders.outbox):
        os.chown(folder, uid, uid)
    with watch_limit(20):
        daemon = folders.start("-c", config, uid=uid, program=folders.program_for_everybody)
        told = daemon.wait_event("trouble")
        assert "max_user_watches, now 20," in told.message and "'sysctl fs.inotify.max_user_watches=40'" in told.message
        daemon.wait(lambda: watches(daemon.pid) == 20, "all watches in use")
        for i in range(40):
            folders.drop(f"{i:02}/a.jpg", pictures.encoded(**SMALL))
        daemon.wait_made(*(f"{i:02}/a.jpg" for i in range(40)))
        assert len(daemon.events("trouble")) == 1
        for i in range(40):  # the reading that meets these takes the watches, too
            folders.drop(f"{i:02}/c.jpg", pictures.encoded(**SMALL))
        subprocess.run(["sh", "-c", told.text("REMEDY")], check=True, stdout=subprocess.DEVNULL)
        assert MAX_WATCHES.read_text() == "40\n"
    daemon.wait_event("resumed")
    daemon.wait(lambda: watches(daemon.pid) >= 42, "a watch on every folder")
    for i in range(40):
        folders.drop(f"{i:02}/b.jpg", pictures.encoded(**SMALL))
    daemon.wait_made(*(f"{i:02}/{name}.jpg" for i in range(40) for name in "bc"))


# Shares


def test_an_inbox_on_a_share_is_polled(folders, share):
    """By itself, and it says so.  What is dropped on another host makes no event here."""
    daemon = poll(folders, "poll_seconds = 1;")
    said = daemon.wait_event("polling")
    assert re.search(rf"{folders.inbox} is read again every 1 s, for it lies on fuse", said.message)
    (share.behind / "a.jpg").write_bytes(pictures.encoded(**SMALL))
    (share.behind / "sub").mkdir()
    (share.behind / "sub/b.jpg").write_bytes(pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg", "sub/b.jpg")
    (share.behind / "sub/b.jpg").unlink()
    (share.behind / "sub/c.jpg").write_bytes(pictures.encoded(**SMALL))
    daemon.wait_made("sub/c.jpg")
    assert len(daemon.events("polling")) == 1


def test_a_share_can_be_watched_all_the_same(folders, share):
    """Where only this host writes to it, which its user knows."""
    daemon = poll(folders, 'watch = "inotify"; poll_seconds = 86400;')
    Path(folders.inbox / "a.jpg").write_bytes(pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")
    assert not daemon.events("polling")


def test_everything_on_a_share(folders, share):
    """Inbox, outbox, and where originals go."""
    config = folders.root / "share.conf"
    where = {key: folders.inbox / key for key in ("inbox", "outbox", "failed", "processed")}
    for path in where.values():
        path.mkdir()
    keys = " ".join(f'{key} = "{path}";' for key, path in where.items())
    config.write_text(f'workers = 1; folders = ( {{ {keys} originals = "move"; poll_seconds = 1; }} );')
    daemon = folders.start("-c", config)
    (share.behind / "inbox/a.jpg").write_bytes(pictures.encoded(**SMALL))
    (share.behind / "inbox/b.jpg").write_bytes(b"no picture")
    daemon.wait_made("a.jpg")
    daemon.wait_event("failed", "b.jpg")
    daemon.wait(lambda: (share.behind / "processed/a.jpg").exists(), "the original, moved")
    daemon.wait(lambda: (share.behind / "failed/b.jpg").exists(), "the failure, set apart")
    assert pictures.open_checked(share.behind / "outbox/a.jpg.256.jpg", "JPEG").size == (120, 90)


def test_a_share_below_the_inbox(folders):
    """Mounted while we serve: only what is on it is polled, the rest stays watched; and unmounted again."""
    (folders.inbox / "local").mkdir()
    at = folders.inbox / "remote"
    at.mkdir()
    daemon = poll(folders, "poll_seconds = 1;")
    share = Share(folders.watcher, folders.root / "behind", at)
    try:
        (share.behind / "deep").mkdir()
        (share.behind / "deep/a.jpg").write_bytes(pictures.encoded(**SMALL))
        daemon.wait_made("remote/deep/a.jpg")
        said = daemon.wait_event("polling", "remote")
        assert said.message.startswith(f"{at} is read again every 1 s, for it lies on fuse")
        (share.behind / "deep/b.jpg").write_bytes(pictures.encoded(**SMALL))
        daemon.wait_made("remote/deep/b.jpg")
        folders.drop("local/c.jpg", pictures.encoded(**SMALL))
        daemon.wait_made("local/c.jpg")
        serving = daemon.wait_event("isolated").number("PROCESS")
        assert watches(serving) >= 3, "of the inbox, of local/, and of what is above"
        share.unmount()
        folders.drop("remote/d.jpg", pictures.encoded(**SMALL))
        daemon.wait_made("remote/d.jpg")
    finally:
        share.close()


@pytest.mark.parametrize("end", ["unmount", "break_off"])
def test_a_share_that_disappears(folders, share, end):
    """No thumbnail goes with it, and it is taken up again when it is back."""
    daemon = poll(folders, "poll_seconds = 1;")
    (share.behind / "a.jpg").write_bytes(pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")
    getattr(share, end)()
    daemon.wait_event("paused")
    if end == "break_off":
        share.unmount()
    share.close()
    daemon.wait_event("resumed")  # with the empty folder below
    share.mount()
    (share.behind / "b.jpg").write_bytes(pictures.encoded(**SMALL))
    daemon.wait_made("b.jpg")
    assert folders.thumbnails() == [b"a.jpg.256.jpg", b"b.jpg.256.jpg"]


@pytest.mark.parametrize("whole", [True, False])
def test_orphans_of_polled_folders(folders, whole):
    """What goes without an event takes its thumbnail with it, too; not so what only disappears with its share."""
    at = folders.inbox if whole else folders.inbox / "remote"
    at.mkdir(exist_ok=True)
    share = Share(folders.watcher, folders.root / "behind", at)
    prefix = "" if whole else "remote/"
    try:
        if not whole:
            folders.drop("local.jpg", pictures.encoded(**SMALL))
        for name in ("a.jpg", "b.jpg"):
            (share.behind / name).write_bytes(pictures.encoded(**SMALL))
        daemon = poll(folders, 'poll_seconds = 1; orphans = "delete";')
        daemon.wait_made(prefix + "a.jpg", prefix + "b.jpg")
        (share.behind / "a.jpg").unlink()
        daemon.wait(lambda: not os.path.exists(folders.thumbnail(prefix + "a.jpg")), "the end of the orphan")
        share.break_off()
        share.unmount()
        folders.drop(prefix + "c.jpg", pictures.encoded(**SMALL))
        daemon.wait_made(prefix + "c.jpg")
        folders.drop(prefix + "d.jpg", pictures.encoded(**SMALL))
        daemon.wait_made(prefix + "d.jpg")
        assert os.path.exists(folders.thumbnail(prefix + "b.jpg"))
    finally:
        share.close()


# What nothing told of


def test_the_safety_rescan_finds_what_was_lost(folders, share):
    """A share that is watched tells nothing of what others write there; nor does anybody of a thumbnail that is removed."""
    for name in ("text.txt", "made.jpg"):
        (share.behind / name).write_bytes(pictures.encoded(**SMALL) if name.endswith(".jpg") else b"no picture")
    (share.behind / "bad.jpg").write_bytes(b"bad")
    daemon = poll(folders, 'watch = "inotify"; rescan_minutes = 0.02;')
    daemon.wait_made("made.jpg")
    daemon.wait_event("failed", "bad.jpg")
    (share.behind / "lost.jpg").write_bytes(pictures.encoded(**SMALL))
    daemon.wait_made("lost.jpg")
    said = daemon.wait_event("rescan")
    assert said.number("COUNT") == 1 and said.text("INBOX") == str(folders.inbox)
    os.unlink(folders.thumbnail("made.jpg"))
    daemon.wait_event("made", "made.jpg", count=2)
    daemon.wait_event("rescan", count=2)
    assert len(daemon.events("skipped")) == len(daemon.events("failed")) == 1, "each was said once, whatever is found again"
    assert len(daemon.events("rescan")) == 2, "silent when there is nothing to say"
