# SPDX-License-Identifier: GPL-2.0-or-later
"""What scripts of checks have in common.  A script runs as root in a booted system, as its only purpose.  Each of its checks builds on
those before it, as a day of the service does.  Writes one line of JSON per check to SHARE/results.

Waits for lines of the journal, for the state of units, never for time."""

import json
import os
import select
import subprocess
import time
import traceback
from pathlib import Path

PATIENCE = 40
SPOOL = Path("/var/spool/thumbnaild")
INBOX, OUTBOX, FAILED = SPOOL / "inbox", SPOOL / "outbox", SPOOL / "failed"
METRICS = Path("/run/thumbnaild")
CONFIGURATION = Path("/etc/thumbnaild/thumbnaild.conf")
SERVICE = "thumbnaild.service"

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


# Helpers


def run(*command, status=0, user=None, stdin=subprocess.DEVNULL):
    """What it prints; it must end with `status` (None: any but 0)."""
    if user:
        command = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *command)
    done = subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100)
    text = done.stdout.decode(errors="backslashreplace")
    good = done.returncode != 0 if status is None else done.returncode == status
    assert good, f"{' '.join(map(str, command))}: exit status {done.returncode}\n{text}"
    return text


def show(name):
    return run("systemctl", "show", "--value", f"--property={name}", SERVICE).strip()


def text(value):
    """journalctl gives strings, and what is not UTF-8 as lists of bytes."""
    return bytes(value).decode(errors="surrogateescape") if isinstance(value, list) else value


def records(event=None, file=None):
    """Our events; what --check-config says in a reload is a line of stderr, under the same identifier."""
    found = []
    matches = [f"THUMBNAILD_EVENT={event}"] if event else []
    for line in run("journalctl", "-q", "-t", "thumbnaild", "-o", "json", "--all", "_TRANSPORT=journal", *matches).splitlines():
        record = {key: text(value) for key, value in json.loads(line).items()}
        if file in (None, record.get("THUMBNAILD_FILE")):
            found.append(record)
    return found


def wait_for(predicate, what):
    """Look at `predicate` again with every line that the journal gets."""
    deadline = time.monotonic() + PATIENCE
    with subprocess.Popen(["journalctl", "-q", "-f", "-n", "0", "-o", "cat"], stdout=subprocess.PIPE) as journal:
        try:
            while not (result := predicate()):
                left = deadline - time.monotonic()
                assert left > 0, f"after {PATIENCE} s: {what}"
                if select.select([journal.stdout], [], [], min(left, 0.5))[0]:
                    os.read(journal.stdout.fileno(), 1 << 20)
            return result
        finally:
            journal.kill()


def wait_event(event, file=None, count=1):
    return wait_for(lambda: (found := records(event, file)) and len(found) >= count and found, f"{count} × {event} {file or ''}")


def drop(name, photo, user="alice"):
    """As people do it: a copy, by a user of the group."""
    run("cp", "--", photo, INBOX / name, user=user)


def photos():
    return sorted(Path("/share/photos").iterdir())


def thumbnails():
    found = {}
    for folder, folders, files in os.walk(OUTBOX):
        folders[:] = [name for name in folders if name != ".thumbnaild"]
        for name in files:
            info = os.stat(os.path.join(folder, name))
            found[os.path.relpath(os.path.join(folder, name), OUTBOX)] = (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    return found


def processes():
    """Pids of our two programs."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name = Path(os.readlink(entry / "exe").removesuffix(" (deleted)")).name
            except OSError:
                continue
            if name in ("thumbnaild", "thumbnail-worker"):
                found[int(entry.name)] = name
    return found


def workers():
    return sorted(pid for pid, name in processes().items() if name == "thumbnail-worker")


# Running them all


def main(share):
    with open(share / "results", "w") as results:
        for function in CHECKS:
            began = time.monotonic()
            try:
                said, passed = function() or "", True
            except Exception:
                said, passed = traceback.format_exc(), False
            took = round(time.monotonic() - began, 2)
            print(json.dumps({"name": function.__name__, "passed": passed, "text": said, "seconds": took}), file=results, flush=True)
    said = subprocess.run(["journalctl", "--no-pager", "-o", "short-precise"], stdout=subprocess.PIPE).stdout
    (share / "journal").write_bytes(said)
