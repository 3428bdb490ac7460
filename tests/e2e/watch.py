# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for events, never for time: one thread reads every descriptor that can tell something, one condition wakes the test."""

import os
import selectors
import threading
import time

PATIENCE = 60  # seconds; only ever spent by a test that fails
LOOK_AGAIN = 0.1  # seconds; for what nobody announces, such as the state of a file or a process


class NeverHappened(AssertionError):
    pass


class Watcher:
    """Callbacks run in the thread, one at a time and under `changed`, so that a predicate always sees whole steps."""

    def __init__(self):
        self.changed = threading.Condition()
        self._selector = selectors.DefaultSelector()
        threading.Thread(target=self._run, name="watcher", daemon=True).start()

    def watch(self, fd, callback):
        with self.changed:
            self._selector.register(fd, selectors.EVENT_READ, callback)

    def unwatch(self, fd):
        with self.changed:
            self._selector.unregister(fd)

    def _run(self):
        # An empty epoll set waits for ever, and a descriptor added meanwhile wakes it: no pipe to ourselves is needed.
        while True:
            for key, _ in self._selector.select():
                with self.changed:
                    if self._selector.get_map().get(key.fd) is key:
                        key.data()
                        self.changed.notify_all()

    def wait(self, predicate, what, timeout=PATIENCE, evidence=lambda: ""):
        """What `predicate` returns, once that is true.  `what` says for whom does not know the test what never happened."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while not (result := predicate()):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self.changed.wait(min(left, LOOK_AGAIN))
        if not result:
            raise NeverHappened(f"after {timeout} s: {what}\n{evidence()}")
        return result


def when_ended(watcher, pid, callback):
    """Call `callback` once the process is gone; it need not be a child of ours."""
    fd = os.pidfd_open(pid)

    def ended():
        watcher.unwatch(fd)
        os.close(fd)
        callback()

    watcher.watch(fd, ended)
