# SPDX-License-Identifier: GPL-2.0-or-later
"""A journal of the tests' own, on the real journal's address in a mount namespace of theirs: the daemons log where they always log,
and every record is here the moment it was sent, with the pid that the kernel vouches for."""

import array
import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import time

SOCKET = "/run/systemd/journal/socket"
DATAGRAM_BYTES = 1 << 20
CLONE_NEWNS = 0x00020000


def own_run():
    """Before any thread exists: what is mounted from here on, first of all an empty /run, is seen by us and our children, and ends
    with us."""
    if os.geteuid() != 0:
        raise PermissionError("this needs root (a journal and file systems of its own): run tests/run")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        is_mounted = any(line.split()[4] == "/" for line in mounts)
    if not is_mounted:
        raise OSError("/ is no mount point, so nothing can be mounted for us alone: a plain chroot?  'mount --bind' it on itself, then pivot_root(8)")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(f"unshare(CLONE_NEWNS): {os.strerror(ctypes.get_errno())}; a container without CAP_SYS_ADMIN?")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "thumbnaild-tests", "/run"], check=True)


def parse(datagram):
    """The native protocol: `KEY=value` lines, or `KEY`, a 64-bit little-endian length, the bytes, and a newline."""
    fields, at = {}, 0
    while at < len(datagram):
        end = datagram.index(b"\n", at)
        key, equals, value = datagram[at:end].partition(b"=")
        at = end + 1
        if not equals:
            (length,) = struct.unpack_from("<Q", datagram, at)
            value = datagram[at + 8 : at + 8 + length]
            assert len(value) == length and datagram[at + 8 + length : at + 9 + length] == b"\n", datagram
            at += 9 + length
        assert key.decode("ascii") not in fields, f"{key} twice in {datagram}"
        fields[key.decode("ascii")] = value
    return fields


class Record:
    def __init__(self, fields, pid):
        self.fields = fields
        self.pid = pid
        self.received_usec = time.monotonic_ns() // 1000

    def __contains__(self, key):
        return f"THUMBNAILD_{key}" in self.fields

    def __getitem__(self, key):
        """A field of the contract, without its prefix, as bytes: file names can hold any."""
        return self.fields[f"THUMBNAILD_{key}"]

    def text(self, key):
        return self[key].decode("ascii") if key in self else None

    def number(self, key):
        return int(self[key])

    @property
    def stands_for(self):
        """How many like this one: what repeats is counted."""
        return self.number("COUNT") if "COUNT" in self else 1

    @property
    def event(self):
        return self.text("EVENT")

    @property
    def file(self):
        return self["FILE"] if "FILE" in self else None

    @property
    def message(self):
        return self.fields["MESSAGE"].decode()

    def matches(self, event=None, file=None, **fields):
        if isinstance(file, str):
            file = os.fsencode(file)
        return (
            (event is None or self.event == event)
            and (file is None or self.file == file)
            and all(self.text(key.upper()) == str(value) for key, value in fields.items())
        )

    def __repr__(self):
        known = " ".join(f"{key[11:]}={value!r}" for key, value in self.fields.items() if key.startswith("THUMBNAILD_"))
        return f"[{self.pid}] {self.message!r} {known}"


class Journal:
    def __init__(self, watcher):
        os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
        self.records = []
        self._watcher = watcher
        self._listen()

    def _listen(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(SOCKET)
        os.chmod(SOCKET, 0o666)  # as the real one: daemons of other users log too
        self._watcher.watch(self._socket.fileno(), self._receive)

    @contextlib.contextmanager
    def away(self):
        """Its socket is gone for a while, and another one afterwards."""
        self._watcher.unwatch(self._socket.fileno())
        self._socket.close()
        os.unlink(SOCKET)
        try:
            yield
        finally:
            self._listen()

    @contextlib.contextmanager
    def deaf(self):
        """Receive nothing for a while: what is sent fills the socket's queue, as with a journald that was stopped."""
        self._watcher.unwatch(self._socket.fileno())
        try:
            yield
        finally:
            self._watcher.watch(self._socket.fileno(), self._receive)

    def _receive(self):
        while True:
            try:
                datagram, ancillary, flags, _ = self._socket.recvmsg(DATAGRAM_BYTES, socket.CMSG_SPACE(64))
            except BlockingIOError:
                return
            assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
            pid = 0
            for level, kind, data in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    pid = array.array("i", data)[0]
            self._accept(datagram, pid)

    def _accept(self, datagram, pid):
        fields = parse(datagram)
        if fields.get("SYSLOG_IDENTIFIER") == b"thumbnaild":
            self.records.append(Record(fields, pid))
