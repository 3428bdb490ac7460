# SPDX-License-Identifier: GPL-2.0-or-later
"""An ordinary user with a stopwatch: dropper.py PICTURE COUNT INBOX OUTBOX EVENT.  Writes copies of a picture into the inbox, one after
the other, and prints the microseconds from close() to its thumbnail: to its name (EVENT is "name": finished files get one) or to its
writer's close ("close")."""

import ctypes
import os
import select
import sys
import time

PATIENCE = 30  # seconds
IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE = 0x8, 0x80, 0x100
MASKS = {"name": IN_CREATE | IN_MOVED_TO, "close": IN_CLOSE_WRITE}

picture, count, inbox, outbox, event = sys.argv[1:]
with open(picture, "rb") as file:
    data = file.read()
libc = ctypes.CDLL(None, use_errno=True)
notify = libc.inotify_init1(os.O_CLOEXEC)
assert libc.inotify_add_watch(notify, os.fsencode(outbox), MASKS[event]) >= 0, os.strerror(ctypes.get_errno())
for i in range(int(count)):
    stem = f"{os.getpid()}-{i:03}-"
    fd = os.open(f"{inbox}/{stem}.jpg", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    os.write(fd, data)
    os.close(fd)
    closed, seen = time.monotonic_ns(), b""
    while stem.encode() not in seen:
        assert select.select([notify], [], [], PATIENCE)[0], f"no thumbnail of {stem} in {PATIENCE} s"
        seen = os.read(notify, 65536)
    print((time.monotonic_ns() - closed) // 1000)
