# SPDX-License-Identifier: GPL-2.0-or-later
"""Storms: eight writers at once, more than the kernel can queue, several folders.  Then it is quiet, and the outbox is what the inbox
demands: a thumbnail for each picture, of the version that lies there, and nothing else."""

import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import checker
import pytest
from daemon import OUR_FOLDER, RECORD_XATTR
from PIL import Image
from watch import NeverHappened

WRITERS = 8
AT_ONCE = 5  # seeds, each in a folder of its own
SEEDS = 20
OPERATIONS = 60  # of one writer
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
SMALL_QUEUE = 48
LOOK_SECONDS = 0.3
STORM = Path(__file__).with_name("storm.py")


@contextlib.contextmanager
def small_queue():
    """For inotify instances that are opened meanwhile: the kernel looks at it then only."""
    with open("/var/tmp/thumbnaild-tests-inotify.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = QUEUE.read_text()
        QUEUE.write_text(str(SMALL_QUEUE))
        try:
            yield
        finally:
            QUEUE.write_text(before)


class Sea:
    """One seed's folders."""

    def __init__(self, root, number):
        self.inbox, self.outbox, self.aside = (root / f"{what}{number}" for what in ("in", "out", "aside"))
        for folder in (self.inbox, self.outbox, self.aside):
            folder.mkdir()

    def group(self):
        return f'{{ inbox = "{self.inbox}"; outbox = "{self.outbox}"; orphans = "delete"; settle_ms = 50; }}'

    def storm(self, pictures, seed, operations):
        return [
            subprocess.Popen([sys.executable, STORM, self.inbox, self.aside, pictures, str(seed * WRITERS + i), str(operations)])
            for i in range(WRITERS)
        ]

    def files(self, root):
        root, found = os.fsencode(root), {}
        for folder, folders, files in os.walk(root):
            if folder == root and OUR_FOLDER in folders:
                folders.remove(OUR_FOLDER)
            for file in files:
                if not file.startswith(b"."):
                    path = os.path.join(folder, file)
                    found[os.path.relpath(path, root)] = path
        return found

    def wanted(self):
        """Name of thumbnail: the record it has to have, but for the preset."""
        found = {}
        for name, path in self.files(self.inbox).items():
            info = os.stat(path)
            found[name + b".t.jpg"] = (info.st_size, info.st_ino, info.st_mtime_ns, hashlib.sha256(name).hexdigest()[:16])
        return found

    def there(self):
        found = {}
        for name, path in self.files(self.outbox).items():
            try:
                version, *numbers, _, file = os.getxattr(path, RECORD_XATTR).decode().split()
            except OSError:  # it was removed just now
                found[name] = None
                continue
            assert version == "2"
            found[name] = (*(int(number, 36) for number in numbers), f"{int(file, 36):016x}")
        return found

    def differences(self):
        wanted, there = self.wanted(), self.there()
        return self.empty_folders() + [
            f"{self.inbox.name}/{name.decode()}: wanted {wanted.get(name)}, is {there.get(name)}"
            for name in sorted(wanted.keys() | there.keys())
            if wanted.get(name) != there.get(name)
        ]

    def check_content(self):
        thumbnails = self.files(self.outbox)
        for name, path in self.files(self.inbox).items():
            seen = [Image.open(where).convert("RGB").resize((1, 1)).getpixel((0, 0)) for where in (path, thumbnails[name + b".t.jpg"])]
            assert all(abs(a - b) <= checker.TOLERANCE for a, b in zip(*seen)), f"{name} shows another picture"

    def empty_folders(self):
        """That are left for nothing."""
        empty = [folder for folder, folders, files in os.walk(self.outbox) if not folders and not files and folder != str(self.outbox)]
        return [f"{folder} is empty" for folder in empty if OUR_FOLDER not in os.fsencode(folder)]


def told(daemon, differences):
    """What the journal has of those files, and of their folders."""
    files = {line.split(": ")[0].split("/", 1)[1][: -len(".t.jpg")].encode() for line in differences}
    return [f"{r.received_usec} {r!r}" for r in daemon.events() if r.file in files or r.event in ("failed", "overflow", "trouble", "paused")]


def settle(daemon, seas, which):
    """Looking costs more than a record of the journal is worth, so not at each of them."""
    looked = [0.0]

    def settled():
        if time.monotonic() < looked[0] + LOOK_SECONDS:
            return False
        looked[0] = time.monotonic()
        return not any(sea.differences() for sea in seas)

    try:
        daemon.wait(settled, f"outboxes as demanded after {which}", timeout=120)
    except NeverHappened as error:
        found = [difference for sea in seas for difference in sea.differences()]
        raise AssertionError("\n".join([f"{which}: {len(found)} differences", *found[:50], *told(daemon, found), str(error)])) from None


@pytest.fixture
def pictures(folders):
    place = folders.root / "pictures"
    place.mkdir()
    for number in range(1, 40):
        (place / f"{number}.jpg").write_bytes(checker.picture(number * 97))
    return place


def test_the_outbox_is_what_the_inbox_demands(folders, pictures, seed, long):
    seeds, operations = (400, 300) if long else (SEEDS, OPERATIONS)
    seas = [Sea(folders.root, number) for number in range(AT_ONCE)]
    path = folders.root / "storm.conf"
    presets = 'thumbnails = ( { name = "t"; width = 24; } );'
    path.write_text(f"{presets} folders = ( {', '.join(sea.group() for sea in seas)} ); limits = {{ free_mib = 0; }};\n")
    with small_queue():
        daemon = folders.start("-c", path)
    for first in range(seed, seed + seeds, AT_ONCE):
        writers = [writer for i, sea in enumerate(seas) for writer in sea.storm(pictures, first + i, operations)]
        assert [writer.wait() for writer in writers] == [0] * len(writers)
        settle(daemon, seas, f"seeds {first} to {first + AT_ONCE - 1}")
        for sea in seas:
            sea.check_content()
    assert daemon.events("overflow"), "that was no storm"
    daemon.stop()
    for sea in seas:
        assert sea.differences() == []
