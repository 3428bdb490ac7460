# SPDX-License-Identifier: GPL-2.0-or-later
"""Prepared faults: each is told from the journal alone, and the very command that the explanation gives is run, as an administrator
would paste it into a root shell."""

import os
import re
import shlex
import signal
import sys
from pathlib import Path

from helpers import *

FULL, READ_ONLY, MISSING = SPOOL / "full", SPOOL / "read-only", SPOOL / "missing"
NO_PICTURE = Path("/etc/passwd")
CONFIG = """
workers = 1;
limits = { free_mib = 1; };
folders = (
  { inbox = "%s"; outbox = "%s"; failed = "%s"; },
  { inbox = "%s/in"; outbox = "%s/out"; },
  { inbox = "%s/in"; outbox = "%s/out"; },
  { inbox = "%s/in"; outbox = "%s/out"; }
);
""" % (INBOX, OUTBOX, FAILED, FULL, FULL, READ_ONLY, READ_ONLY, MISSING, MISSING)


def explanation(event, **fields):
    """What `journalctl -x` says of the last such entry, without the marks in front."""
    matches = [f"THUMBNAILD_{key.upper()}={value}" for key, value in {"event": event, **fields}.items()]
    said = run("journalctl", "-x", "-q", "--no-pager", "-n", "1", "-t", "thumbnaild", *matches)
    lines = [line[3:] for line in said.splitlines() if line.startswith("░░")]
    assert lines and lines[0].startswith("Subject: "), said
    return lines


def advice(event, **fields):
    """The commands in it, which are indented by four; lists of reasons are indented by more."""
    return [line.strip() for line in explanation(event, **fields) if re.match(" {4}[^ ]", line)]


def follow(command):
    return run("sh", "-c", command)


def put(photo, folder, name, mode=0o644, owner="alice:alice"):
    """By a rename from the same file system: with its own mode and no ACL."""
    staged = SPOOL / "staged"
    run("install", "-m", f"{mode:o}", photo, staged)
    run("chown", owner, staged)
    os.rename(staged, folder / name)


@check
def a_daemon_with_folders_that_go_wrong():
    run("useradd", "-M", "-U", "-G", "thumbnaild", "alice")
    run("journalctl", "--update-catalog")
    for folder in (FULL, READ_ONLY):
        run("install", "-d", "-o", "thumbnaild", "-g", "thumbnaild", folder, folder / "in", folder / "out")
        run("mount", "-t", "tmpfs", "-o", "size=8m,mode=2755,uid=thumbnaild,gid=thumbnaild", "none", folder / "out")
    run("install", "-d", "-o", "thumbnaild", "-g", "thumbnaild", MISSING)
    CONFIGURATION.write_text(CONFIG)
    run("systemctl", "start", SERVICE)


@check
def an_unreadable_file():
    put(photos()[0], INBOX, "it's private.jpg", 0o600)
    wait_event("waiting", "it's private.jpg")
    (command,) = advice("waiting", file="it's private.jpg")
    assert command == "setfacl -m u:thumbnaild:r " + shlex.quote(f"{INBOX}/it's private.jpg").replace("'\"'\"'", "'\\''")
    follow(command)
    wait_event("made", "it's private.jpg")
    put(photos()[0], INBOX, "ours.jpg", 0o600, "alice:thumbnaild")
    wait_event("waiting", "ours.jpg")
    (second,) = advice("waiting", file="ours.jpg")
    assert second == f"chmod g+r {INBOX}/ours.jpg"
    follow(second)
    wait_event("made", "ours.jpg")
    return command


@check
def an_unreadable_folder():
    run("install", "-d", "-m", "700", "-o", "alice", SPOOL / "closed")
    run("install", "-m", "644", photos()[0], SPOOL / "closed" / "a.jpg")
    os.rename(SPOOL / "closed", INBOX / "closed")
    wait_event("waiting", "closed")
    (command,) = advice("waiting", file="closed")
    follow(command)
    wait_event("made", "closed/a.jpg")
    return command


@check
def a_name_that_would_harm_the_terminal():
    name = "\x1b]0;owned\x07\x1b[31mred.jpg"
    put(photos()[0], INBOX, name, 0o600)
    wait_event("waiting", name)
    lines = run("journalctl", "-x", "-q", "--no-pager", "-n", "1", "-t", "thumbnaild", "THUMBNAILD_EVENT=waiting")
    assert "\x1b" not in lines and "\x07" not in lines, repr(lines)
    (command,) = [line[3:].strip() for line in lines.splitlines() if "setfacl -m u:thumbnaild:r $" in line]
    run("bash", "-c", command)
    wait_event("made", name)
    return command


@check
def a_full_disk():
    ballast = FULL / "out" / "ballast"
    run("sh", "-c", f"head -c 20m /dev/zero >{ballast}", status=None)
    put(photos()[0], FULL / "in", "a.jpg")
    (paused,) = wait_event("paused", "a.jpg")
    assert paused["THUMBNAILD_REASON"] == "no-space"
    wait_for(lambda: "no-space" in run("systemctl", "status", "--no-pager", SERVICE), "the status to say so")
    (command,) = advice("paused", reason="no-space")
    assert re.search(r"100% .*/full/out", follow(command))
    ballast.unlink()
    wait_event("made", "a.jpg")
    wait_event("resumed")
    return command


@check
def a_wrong_configuration_key():
    CONFIGURATION.write_text("wrokers = 1;\n" + CONFIG)
    os.kill(int(show("MainPID")), signal.SIGHUP)
    wait_event("reload-refused")
    checking, reloading = advice("reload-refused")
    said = run("sh", "-c", checking, status=78)
    line, hint = re.search(rf"{CONFIGURATION}:(\d+): .*'(\w+)'", said).groups()
    lines = CONFIGURATION.read_text().splitlines(True)
    del lines[int(line) - 1]
    assert hint == "workers", said
    CONFIGURATION.write_text("".join(lines))
    follow(checking)
    follow(reloading)
    wait_event("reloaded")
    return f"{checking}: {said.strip()}"


@check
def a_wrong_configuration_at_the_start():
    good = CONFIGURATION.read_text()
    CONFIGURATION.write_text("folders = ( { inbox = ")
    run("systemctl", "restart", SERVICE, status=None)
    wait_for(lambda: show("ActiveState") == "failed", "an end that is not tried again")
    said = run("systemctl", "status", "--no-pager", SERVICE, status=3)
    assert "status=78/CONFIG" in said and f"{CONFIGURATION}:1: syntax error" in said, said
    assert any("--check-config" in line for line in explanation("trouble"))
    CONFIGURATION.write_text(good)
    follow(next(line for line in advice("trouble") if line.startswith("systemctl restart")))
    return next(line.strip() for line in said.splitlines() if "status=78" in line)


@check
def a_corrupt_picture():
    """A better copy takes its place among the failed, and removing the reason sends it back."""
    put(NO_PICTURE, INBOX, "bad.jpg")
    wait_for((FAILED / "bad.jpg").exists, "bad.jpg among the failed")
    (command,) = advice("failed", file="bad.jpg")[:1]
    assert command == f"rm -f {FAILED}/bad.jpg.why.txt"
    assert "unsupported" in "\n".join(explanation("failed", file="bad.jpg"))
    run("cp", photos()[0], FAILED / "bad.jpg")
    follow(command)
    wait_event("made", "bad.jpg")
    return command


@check
def a_killed_worker():
    (worker,) = workers()
    os.kill(worker, signal.SIGKILL)
    wait_event("worker-lost")
    text = "\n".join(explanation("worker-lost"))
    assert "SIGKILL" in text and "journalctl -k -g oom" in text
    put(photos()[0], INBOX, "after.jpg")
    wait_event("made", "after.jpg")


@check
def a_read_only_outbox():
    run("mount", "-o", "remount,ro", READ_ONLY / "out")
    put(photos()[0], READ_ONLY / "in", "b.jpg")
    (paused,) = wait_event("paused", "b.jpg")
    assert paused["THUMBNAILD_REASON"] == "read-only"
    (command,) = advice("paused", reason="read-only")
    follow(command)
    wait_event("made", "b.jpg")
    return command


@check
def an_outbox_that_is_closed_to_the_daemon():
    run("chown", "root:", READ_ONLY / "out")
    run("install", "-d", READ_ONLY / "out" / "sub")
    (READ_ONLY / "in" / "sub").mkdir()
    put(photos()[0], READ_ONLY / "in" / "sub", "c.jpg")
    (paused,) = wait_event("paused", "sub/c.jpg")
    assert paused["THUMBNAILD_REASON"] == "read-only"
    (command,) = advice("paused", file="sub/c.jpg")
    follow(command)
    wait_event("made", "sub/c.jpg")
    return command


@check
def a_missing_inbox():
    paused = records("paused")[0]
    assert paused["THUMBNAILD_REASON"] == "vanished" and paused["THUMBNAILD_INBOX"] == f"{MISSING}/in"
    (command,) = advice("paused", inbox=f"{MISSING}/in")
    follow(command)
    wait_for(lambda: [r for r in records("resumed") if r["THUMBNAILD_INBOX"] == f"{MISSING}/in"], "resumed")
    run("cp", photos()[0], MISSING / "in" / "d.jpg", user="alice")
    wait_event("made", "d.jpg")
    return command


@check
def an_old_reason_file():
    """A file that failed long ago is not tried again, and nothing more is said of it; the entry of then tells how."""
    put(NO_PICTURE, FULL / "in", "old.jpg")
    wait_event("failed", "old.jpg")
    reason = FULL / "out" / ".thumbnaild" / "failed" / "old.jpg.why.txt"
    wait_for(reason.exists, "the reason")
    run("systemctl", "restart", SERVICE)
    put(photos()[0], FULL / "in", "e.jpg")
    wait_event("made", "e.jpg")
    assert len(records("failed", "old.jpg")) == 1
    (command,) = advice("failed", file="old.jpg")[:1]
    assert command == f"rm -f {reason}"
    follow(command)
    wait_event("failed", "old.jpg", count=2)
    return command


if __name__ == "__main__":
    main(Path(sys.argv[1]))
