# SPDX-License-Identifier: GPL-2.0-or-later
"""A share for tests: a FUSE file system (bindfs) that shows one folder at another place, and hangs on request."""

import os
import signal
import subprocess
from pathlib import Path

from daemon import state
from watch import when_ended


class Share:
    """What `behind` holds, seen at `at`."""

    def __init__(self, watcher, behind, at):
        self.watcher = watcher
        self.behind = behind
        self.at = at
        behind.mkdir(exist_ok=True)
        at.mkdir(exist_ok=True)
        self.mount()

    def mount(self):
        self.ended = False
        self._process = subprocess.Popen(["bindfs", "-f", self.behind, self.at], stdin=subprocess.DEVNULL)
        when_ended(self.watcher, self._process.pid, self._on_end)
        self.watcher.wait(lambda: self.ended or self.is_mounted(), f"{self.at} to be mounted")
        assert not self.ended, "bindfs ended at once"

    def _on_end(self):
        self._process.wait()
        self.ended = True

    def is_mounted(self):
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        return any(line.split()[4] == os.fspath(self.at) and " - fuse " in line for line in lines)

    def move(self, at):
        """Show it at another place; that works while it hangs."""
        subprocess.run(["mount", "--move", self.at, at], check=True)
        self.at = at

    def hang(self):
        """From here on nobody gets an answer; nor an error."""
        os.kill(self._process.pid, signal.SIGSTOP)
        self.watcher.wait(lambda: state(self._process.pid) == "T", "the share to hang")

    def answer(self):
        os.kill(self._process.pid, signal.SIGCONT)

    def break_off(self):
        """The server is gone, and what it has mounted is still there: every call fails."""
        self._process.kill()
        self.watcher.wait(lambda: self.ended, "the end of the share")

    def unmount(self):
        """As one does with a share that is in use."""
        subprocess.run(["umount", "--lazy", self.at], check=True)

    def close(self):
        while self.is_mounted():
            self.unmount()
        self.break_off()  # unless it has ended by itself, as it does when nothing of it is mounted any more
