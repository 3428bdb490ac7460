# SPDX-License-Identifier: GPL-2.0-or-later
"""One file on its way into an inbox, in pieces where its tool allows that, and everything that is published of it meanwhile."""

import contextlib
import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pictures

GATE = Path(__file__).with_name("gate.py")
IN_MOVED_TO, IN_CREATE, IN_ISDIR = 0x80, 0x100, 0x40000000
PROMPT_USEC = 2_000_000  # from completion to `made`
SETTLE_MS, QUIET_MS = 5000, 300  # settle_ms of the folder for ways that close a file before it is whole, and of the other

WIDTH, HEIGHT = 512, 400  # uncompressed, 600 KB: more than any pipe or buffer on the way


def picture(number=0, format="PNG"):
    options = {"PNG": {"compress_level": 0}, "WEBP": {"lossless": True, "quality": 0, "method": 0}}.get(format, {})
    return pictures.encoded(format, WIDTH, HEIGHT, seed=number, **options)


def has_end(data):
    """Whether it can be seen that nothing is missing; of a TIFF nobody can tell."""
    return not data.startswith((b"II", b"MM"))


class Published:
    """What is put into folders of an outbox, each version of each name, read at the moment it appears."""

    def __init__(self, watcher):
        self.versions = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._folders = {}
        watcher.watch(self._fd, self._read)

    def follow(self, folder):
        watch = self._libc.inotify_add_watch(self._fd, os.fsencode(folder), IN_CREATE | IN_MOVED_TO)
        assert watch >= 0, os.strerror(ctypes.get_errno())
        self._folders[watch] = folder

    def _read(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                data, at = os.read(self._fd, 65536), 0
                while at < len(data):
                    watch, mask, _, length = struct.unpack_from("iIII", data, at)
                    name = data[at + 16 : at + 16 + length].rstrip(b"\0").decode()
                    at += 16 + length
                    if not mask & IN_ISDIR:
                        path = self._folders[watch] / name
                        self.versions.setdefault(path, []).append(path.read_bytes())


class Post:
    """A daemon with two folders, of which the second waits for SETTLE_MS of quiet, and what the rows of a table share."""

    def __init__(self, folders):
        self.folders, self.watcher = folders, folders.watcher
        self.second = folders.root / "inbox2", folders.root / "outbox2"
        for folder in self.second:
            folder.mkdir()
        path = folders.config("workers = 1;")  # one: what was queued before a sentinel is done before it
        group = '{ inbox = "%s"; outbox = "%s"; settle_ms = %d; },' % (*self.second, SETTLE_MS)
        path.write_text(path.read_text().replace("folders = (", "folders = (" + group))
        self.daemon = folders.start("-c", path)
        self.published = Published(self.watcher)
        self.deliveries = []
        self._thumbnails = {}
        self._sentinels = 0

    def roots(self, settled):
        return self.second if settled else (self.folders.inbox, self.folders.outbox)

    def sentinel(self, settled=False):
        """Everything that happened in that inbox before is done when this returns, but for what waits for time."""
        self._sentinels += 1
        self.put(f"sentinel{self._sentinels}.jpg", pictures.encoded(width=40, height=30), settled)

    def put(self, name, data, settled=False):
        inbox, _ = self.roots(settled)
        staged = self.folders.staging / "put"
        staged.write_bytes(data)
        os.rename(staged, inbox / name)
        self.daemon.wait_event("made", name)

    def thumbnail_of(self, data):
        """What the daemon makes of a file that comes whole and in one step."""
        if data not in self._thumbnails:
            name = f"reference{len(self._thumbnails)}"
            self.put(name, data)
            self._thumbnails[data] = (self.folders.outbox / f"{name}.256.jpg").read_bytes()
        return self._thumbnails[data]


class Delivery:
    """Of the files named in `expected`, each with its versions in order, to `folder` in the inbox."""

    def __init__(self, post, name, settled):
        self.post, self.settled = post, settled
        self.watcher = post.watcher
        self.inbox, self.outbox = post.roots(settled)
        self.name = name
        self.folder = self.inbox / name
        self.staging = post.folders.staging / name  # beside the inbox
        self.elsewhere = Path("/run") / f"elsewhere-{name}"  # on another file system
        for folder in (self.folder, self.staging, self.elsewhere, self.outbox / name):
            folder.mkdir()
        self.folder.chmod(0o777)  # servers have users of their own
        post.published.follow(self.outbox / name)
        self.target = self.folder / "a.png"
        self.remote = f"{self.inbox.name}/{name}"  # for who serves both inboxes
        self.ftp, self.smb = post.ftp, post.smb
        self.expected = {}
        self.done_usec = None
        post.deliveries.append(self)

    # What is delivered

    def expect(self, name, *versions):
        folder = (self.outbox / self.name / name).parent
        if not folder.exists():
            folder.mkdir(parents=True)
            for part in [folder, *folder.parents]:
                if part == self.outbox / self.name:
                    break
                self.post.published.follow(part)
        self.expected[name] = list(versions)

    def source(self, data, elsewhere=False):
        """A file to deliver, which is expected as a.png."""
        self.expect(self.target.name, data)
        path = (self.elsewhere if elsewhere else self.staging) / "source"
        path.write_bytes(data)
        return path

    def first_version(self, data):
        """Something is there already, and made."""
        self.expect(self.target.name, data)
        staged = self.staging / "first"
        staged.write_bytes(data)
        os.rename(staged, self.target)
        self.post.daemon.wait_event("made", f"{self.name}/{self.target.name}")
        return data

    def second_version(self, data):
        self.expected[self.target.name].append(data)
        return data

    # How

    def halfway(self):
        """The daemon has seen all that happened so far, and nothing came of it."""
        self.post.sentinel(self.settled)
        for name, versions in self.expected.items():
            self.assert_events(name, made=len(versions) - 1)

    def run(self, *command, **how):
        subprocess.run([os.fspath(part) for part in command], check=True, cwd=self.folder, timeout=60, **how)

    def start(self, *command, **how):
        return subprocess.Popen([os.fspath(part) for part in command], cwd=self.folder, **how)

    def finish(self, process):
        assert process.wait(60) == 0, process.args

    def wait_bytes(self, at_least=1):
        """Something has come, whatever it is called so far."""

        def sizes():
            for folder, _, files in os.walk(self.folder):
                for file in files:
                    with contextlib.suppress(FileNotFoundError):
                        yield os.lstat(os.path.join(folder, file)).st_size

        self.watcher.wait(lambda: any(size >= at_least for size in sizes()), f"{at_least} bytes in {self.folder}")

    def wait_closed(self):
        """Nobody has it open for writing: then the kernel gives a lease."""

        def closed():
            fd = os.open(self.target, os.O_RDONLY)
            try:
                fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
                fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
                return True
            except BlockingIOError:
                return False
            finally:
                os.close(fd)

        self.watcher.wait(closed, f"{self.target} closed")

    def fed(self, *command, data):
        """By a tool that reads its standard input: half, a look, and the rest."""
        process = self.start(*command, stdin=subprocess.PIPE)
        process.stdin.write(data[: len(data) // 2])
        process.stdin.flush()
        self.wait_bytes()
        self.halfway()
        process.stdin.write(data[len(data) // 2 :])
        process.stdin.close()
        self.finish(process)

    def gate(self, *server, skip=0):
        """A program to give to a client as its way to `server`; it holds half of a picture back until open_gate()."""
        self._fifo, script = self.staging / "fifo", self.staging / "gate"
        if not self._fifo.exists():
            os.mkfifo(self._fifo)
        command = f"exec {sys.executable} {GATE} {len(picture()) // 2} {self._fifo} {' '.join(server)}"
        script.write_text(f'#!/bin/sh\nshift {skip}\n{command} "$@"\n')
        script.chmod(0o755)
        return script

    def open_gate(self):
        def opened():
            try:
                os.close(os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # ENXIO: it is not there yet
                return False
            return True

        self.watcher.wait(opened, "the gate")

    def gated(self, *command, **how):
        process = self.start(*command, **how)
        self.wait_bytes(WIDTH * HEIGHT // 2)
        self.halfway()
        self.open_gate()
        self.finish(process)

    def broken_off(self, *command, **how):
        """The client is killed while half is there; its server ends by itself."""
        process = self.start(*command, **how)
        self.wait_bytes(WIDTH * HEIGHT // 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.open_gate()
        self.watcher.wait(self.target.exists, f"{self.target}, broken off")
        self.wait_closed()
        self.halfway()

    # What came of it

    def assert_events(self, name, made):
        daemon = self.post.daemon
        found = [r for r in daemon.events(file=f"{self.name}/{name}") if r.event in ("made", "failed", "retry")]
        assert [r.event for r in found] == ["made"] * made, f"{name}: {found}\n{daemon.evidence()}"

    def deliver(self, way):
        way(self)
        self.done_usec = time.monotonic_ns() // 1000

    def check(self):
        """Made once per version, from the whole of it, and soon."""
        daemon, published = self.post.daemon, self.post.published.versions
        for name, versions in self.expected.items():
            quiet_ms = SETTLE_MS if self.settled else QUIET_MS
            allowed = PROMPT_USEC + (0 if has_end(versions[-1]) else quiet_ms * 1000)
            last = daemon.wait_event("made", f"{self.name}/{name}", count=len(versions))
            last = last if len(versions) == 1 else last[-1]
            assert last.received_usec - self.done_usec <= allowed, f"{name}: {last.received_usec - self.done_usec} µs"
        self.post.sentinel(self.settled)
        self.check_again()
        for name, versions in self.expected.items():
            thumbnail = self.outbox / self.name / f"{name}.256.jpg"
            wanted = [self.post.thumbnail_of(data) for data in versions]
            self.watcher.wait(lambda: len(published.get(thumbnail, [])) >= len(wanted), f"{thumbnail} published")
            assert published[thumbnail] == wanted, f"{name} was published from something else than its whole versions"

    def check_again(self):
        for name, versions in self.expected.items():
            self.assert_events(name, made=len(versions))
        made = {r.file.decode() for r in self.post.daemon.events("made") if r.file.startswith(f"{self.name}/".encode())}
        assert made == {f"{self.name}/{name}" for name in self.expected}
