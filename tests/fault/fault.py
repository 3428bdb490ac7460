# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in the system calls of a running supervisor, by the preloaded inject.c: a file shared with it says which call fails, how."""

import contextlib
import errno
import mmap
import struct

from daemon import BUILD

LIBRARY = BUILD / "libinject.so"
CALLS = [
    "openat", "write", "fsync", "linkat", "renameat2", "mkdirat", "unlinkat", "fork", "recvmsg", "sendmsg",
    "fsetxattr", "futimens", "fstatat", "fallocate", "copy_file_range", "sync_file_range",
    "lease",
]  # fmt: skip
ROOM = 20
FORM = struct.Struct("=4i2I")
KILL_BEFORE, KILL_AFTER, STOP, DELAY, NOTHING = -1, -2, -3, -4, 0
FOR_EVER = -1


class Faults:
    def __init__(self, folders):
        path = folders.root / "faults"
        path.write_bytes(bytes(FORM.size * ROOM))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), FORM.size * ROOM)
        self.prefix = ["env", f"LD_PRELOAD={LIBRARY}", f"THUMBNAILD_FAULT={path}"]

    def _place(self, call):
        return CALLS.index(call) * FORM.size

    def arm(self, call, error, skip=0, times=FOR_EVER):
        at = self._place(call)
        struct.pack_into("=i", self._map, at, 0)
        struct.pack_into("=3i", self._map, at + 4, error, skip, times)
        struct.pack_into("=I", self._map, at + 20, 0)
        struct.pack_into("=i", self._map, at, 1)

    def disarm(self, call):
        struct.pack_into("=i", self._map, self._place(call), 0)

    @contextlib.contextmanager
    def armed(self, call, error, **how):
        self.arm(call, error, **how)
        try:
            yield
        finally:
            self.disarm(call)

    def calls(self, call):
        return FORM.unpack_from(self._map, self._place(call))[4]

    def hits(self, call):
        return FORM.unpack_from(self._map, self._place(call))[5]

    def clear(self):
        self._map[:] = bytes(len(self._map))


ERRORS = {name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EINTR", "ENOMEM", "EMFILE", "EDQUOT", "EROFS", "EACCES")}
