# SPDX-License-Identifier: GPL-2.0-or-later
"""A real thumbnaild under a test's eyes, and the folders it serves."""

import contextlib
import errno
import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path

from watch import PATIENCE, when_ended

BUILD = Path(os.environ["THUMBNAILD_BUILD"]).resolve()
PROGRAM = BUILD / "thumbnaild"
SHOWN = Path("/run/thumbnaild-build")
SANITIZED = bool(os.environ.get("THUMBNAILD_SANITIZED"))

RECORD_XATTR = "user.thumbnaild"
OUR_FOLDER = b".thumbnaild"
EVIDENCE = 30  # records that a failure shows
FD_SLACK = 16  # what a serving daemon may hold more than at READY: folders it came to know, jobs in flight

# As systemd would give it: nothing of the tester's own.  The sanitizers are configured by their environment alone.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"} | {
    key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")
}


def process_status(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def state(pid):
    """One letter of ps(1), None for a process that is gone."""
    try:
        return process_status(pid)["State"][0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def ended(pid):
    """Also where nobody asks for its end, such as in a container whose first process does not."""
    return state(pid) in (None, "Z", "X")


def open_files(pid):
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            found[int(fd)] = "(deeper than a path can say)"
    return found


class Daemon:
    """A serving thumbnaild.  Starting returns when it says READY=1; stopping asserts that it leaves nothing behind."""

    def __init__(self, folders, arguments, uid=None, prefix=(), program=PROGRAM, ready=True, environment=None):
        self.folders = folders
        self.watcher = folders.watcher
        self.notified = []
        self.returncode = None
        self._since = len(folders.journal.records)
        self._count = folders.count_daemon()
        self._stderr = folders.root / f"stderr.{self._count}"
        self._listen()
        if uid is not None:
            prefix = [*prefix, "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*prefix, program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                env=ENVIRONMENT | {"NOTIFY_SOCKET": self._notify_path} | (environment or {}),
                cwd="/",
            )
        self.pid = self._process.pid
        when_ended(self.watcher, self.pid, self._on_end)
        if ready:
            self.wait(lambda: "READY=1" in self.notified or self.returncode is not None, "READY=1")
            assert self.returncode is None, f"it ended with {self.returncode} before READY\n{self.evidence()}"
            self.files_at_ready = len(open_files(self.pid))

    # What it says

    def _listen(self):
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._notify_path = f"@thumbnaild-test-{os.getpid()}-{self.folders.root.name}-{self._count}"
        self._notify.bind("\0" + self._notify_path[1:])
        self.watcher.watch(self._notify.fileno(), self._on_notify)

    def _on_notify(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.notified += self._notify.recv(65536).decode().splitlines()

    def _on_end(self):
        self.returncode = self._process.wait()

    @property
    def status(self):
        """The last STATUS= line, as `systemctl status` would show it."""
        return next((line[7:] for line in reversed(self.notified) if line.startswith("STATUS=")), "")

    @property
    def stderr(self):
        return self._stderr.read_text(errors="backslashreplace")

    def events(self, event=None, file=None, **fields):
        """Its records and its workers', in order of arrival."""
        pids, found = {self.pid}, []
        for record in self.folders.journal.records[self._since :]:
            if record.pid in pids:
                if record.event == "worker-started":
                    pids.add(record.number("WORKER_PID"))
                if record.event == "isolated":
                    pids.add(record.number("PROCESS"))
                if record.matches(event, file, **fields):
                    found.append(record)
        return found

    def evidence(self):
        told = [repr(record) for record in self.events()]
        if len(told) > EVIDENCE:
            told[: -EVIDENCE] = [f"({len(told) - EVIDENCE} records before)"]
        lines = [f"daemon {self.pid}, exit status {self.returncode}, last status {self.status!r}", *told]
        return "\n".join(lines + ["stderr:", self.stderr[-5000:]])

    # Waiting

    def wait(self, predicate, what, timeout=PATIENCE):
        return self.watcher.wait(predicate, what, timeout, self.evidence)

    def wait_event(self, event=None, file=None, *, count=1, **fields):
        """The first record that matches, or the list of them when more than one is asked for."""

        def happened():
            found = self.events(event, file, **fields)
            return found if len(found) >= count else None

        def happened_or_died():
            return happened() or (self.returncode is not None and "died")

        found = self.wait(happened_or_died, f"{count} × {event} {file or ''} {fields or ''}")
        found = happened() if found == "died" else found
        assert found, f"it ended before {event} {file or ''} {fields or ''}\n{self.evidence()}"
        return found[0] if count == 1 else found

    def wait_made(self, *files):
        """One `made` for each, and never two."""
        for file in files:
            self.wait_event("made", file)
        for file in files:
            made = self.events("made", file)
            assert len(made) == 1, f"{file} was made {len(made)} times\n{self.evidence()}"

    def wait_status(self, pattern):
        self.wait(lambda: re.search(pattern, self.status), f"a status like {pattern!r}")

    def wait_busy(self):
        """Every worker has a job: with stopped workers the one way to know that a request is on its way."""
        self.wait_status(r"^(\d+)/\1 workers? busy")

    def wait_end(self, timeout=PATIENCE):
        self.wait(lambda: self.returncode is not None, "its end", timeout)
        return self.returncode

    # Processes

    def has_open(self, path):
        return str(path) in open_files(self.pid).values()

    def workers(self):
        """Pids of the living workers, in the order of their start."""
        alive = set(children(self.pid))
        return [pid for pid in (r.number("WORKER_PID") for r in self.events("worker-started")) if pid in alive]

    def signal(self, number):
        os.kill(self.pid, number)

    def signal_worker(self, pid, number):
        assert pid in self.workers(), f"{pid} is no worker of ours"
        os.kill(pid, number)

    def pause(self, worker):
        """From here on its jobs stay in flight for as long as a test wants."""
        self.signal_worker(worker, signal.SIGSTOP)
        self.wait(lambda: state(worker) == "T", f"worker {worker} stopped")

    def resume(self, worker):
        self.signal_worker(worker, signal.SIGCONT)

    def reload(self):
        """HUP; returns the `reloaded` or `reload-refused` that answers it."""
        before = len(self.events("reloaded")) + len(self.events("reload-refused"))
        self.signal(signal.SIGHUP)

        def answered():
            answers = [r for r in self.events() if r.event in ("reloaded", "reload-refused")]
            return answers[before:]

        return self.wait(answered, "an answer to HUP")[0]

    # The end

    def stop(self):
        """TERM, and a clean end: exit status 0, nobody left, nothing leaked, nothing half-made."""
        if self.returncode is None:
            self.wait(lambda: not [child for child in children(self.pid) if state(child) == "Z"], "no zombie")  # a worker may just retire
            held = open_files(self.pid)
            assert len(held) <= self.files_at_ready + FD_SLACK, f"descriptors leak: {held}"
            workers = self.workers()
            self.signal(signal.SIGTERM)
            assert self.wait_end() == 0, self.evidence()
            assert "STOPPING=1" in self.notified, self.evidence()
            assert not [pid for pid in workers if state(pid)], f"workers outlived it\n{self.evidence()}"
        assert self.returncode == 0, self.evidence()
        assert "Sanitizer" not in self.stderr and "runtime error" not in self.stderr, self.evidence()
        self._close()
        self.folders.check_outbox()

    def kill(self):
        """An end without ceremony, for tests that are about it and for those that failed."""
        with contextlib.suppress(ProcessLookupError):
            if self.returncode is None:
                self.signal(signal.SIGKILL)
        self.wait_end()
        self._close()

    def _close(self):
        if self._notify.fileno() >= 0:
            self.watcher.unwatch(self._notify.fileno())
            self._notify.close()


class Folders:
    """An inbox, an outbox and what else a daemon of one test needs, with helpers in the user's words."""

    def __init__(self, root, watcher, journal):
        self.root = root
        self.watcher = watcher
        self.journal = journal
        self.inbox = root / "inbox"
        self.outbox = root / "outbox"
        self.staging = root / "staging"  # beside the inbox: a rename from here is one step
        for folder in (self.inbox, self.outbox, self.staging):
            folder.mkdir()
        self.daemons = []
        self._daemons_ever = 0

    @property
    def program_for_everybody(self):
        """The same program where other users may run it, even when the project lies in somebody's private home."""
        if not os.path.ismount(SHOWN):
            SHOWN.mkdir()
            subprocess.run(["mount", "--bind", BUILD, SHOWN], check=True)
        return SHOWN / PROGRAM.name

    def count_daemon(self):
        self._daemons_ever += 1
        return self._daemons_ever

    # Running

    def start(self, *arguments, **how):
        """A serving daemon; without arguments for this inbox and outbox."""
        if not arguments:
            arguments = ("-i", self.inbox, "-o", self.outbox)
        daemon = Daemon(self, arguments, **how)
        self.daemons.append(daemon)
        return daemon

    def run(self, *arguments, uid=None, prefix=(), program=PROGRAM, **how):
        """One that ends by itself, such as --once or --check-config; its output is text."""
        if uid is not None:
            prefix = [*prefix, "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]
        return subprocess.run(
            [*prefix, program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            env=ENVIRONMENT,
            cwd="/",
            timeout=2 * PATIENCE,
            **how,
        )

    def once(self, *arguments):
        """--once over this inbox; returns the process and the records it wrote."""
        since = len(self.journal.records)
        done = self.run("--once", *(arguments or ("-i", self.inbox, "-o", self.outbox)))
        # The socket is ordered and local, so what a dead process sent is there to be read; the reader may need its turn.
        self.watcher.wait(
            lambda: any(r.event == "stopped" for r in self.journal.records[since:]),
            "the `stopped` of --once",
            evidence=lambda: f"{done.stderr}\n{self.journal.records[since:]}",
        )
        return done, self.journal.records[since:]

    def config(self, text="", presets=None, folder="", name="thumbnaild.conf"):
        """Write a configuration file: `text` at top level, `presets` as a list of groups, `folder` into the folder's group."""
        lines = [text]
        if presets is not None:
            lines.append("thumbnails = (%s);" % ", ".join("{ %s }" % preset for preset in presets))
        lines.append('folders = ( { inbox = "%s"; outbox = "%s"; %s } );' % (self.inbox, self.outbox, folder))
        path = self.root / name
        path.write_text("\n".join(lines) + "\n")
        return path

    # Files

    def path(self, name):
        """Of an original, as bytes: a name can be any."""
        return os.path.join(os.fsencode(self.inbox), os.fsencode(name))

    def drop(self, name, data, mtime_ns=None):
        """Put a whole file into the inbox in one step; the folder it goes to is there already."""
        staged = os.path.join(os.fsencode(self.staging), b"dropped")
        with open(staged, "wb") as file:
            file.write(data)
        if mtime_ns is not None:
            os.utime(staged, ns=(mtime_ns, mtime_ns))
        os.rename(staged, self.path(name))

    def thumbnail(self, name, preset="256", extension="jpg"):
        """Where the thumbnail of an original has to be."""
        return os.path.join(os.fsencode(self.outbox), os.fsencode(name) + f".{preset}.{extension}".encode())

    def thumbnails(self):
        """Every file of the outbox but the daemon's own, relative, as a sorted list of bytes."""
        return self.listing(self.outbox)

    def listing(self, root):
        return sorted(name for name, _ in self._files(root))

    def _files(self, root):
        """Relative paths, each with a descriptor of its folder while that is being read: the whole path can be too long."""
        root = os.fsencode(root)
        for folder, folders, files, fd in os.fwalk(root):
            if folder == root and OUR_FOLDER in folders:
                folders.remove(OUR_FOLDER)
            for file in files:
                yield os.path.relpath(os.path.join(folder, file), root), fd

    def state_of(self, path):
        """What changes when a file is written again."""
        info = os.stat(path)
        return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns

    def states(self):
        return {name: self.state_of(os.path.join(os.fsencode(self.outbox), name)) for name in self.thumbnails()}

    def check_outbox(self):
        """Nothing but finished thumbnails: no temporary file, no empty one."""
        for name, fd in self._files(self.outbox):
            info = os.lstat(os.path.basename(name), dir_fd=fd)
            assert not any(part.startswith(b".") for part in name.split(b"/")), f"{name} was left in the outbox"
            assert stat.S_ISREG(info.st_mode) and info.st_size > 0, f"{name} is not a whole thumbnail"
