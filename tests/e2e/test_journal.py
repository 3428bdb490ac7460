# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal as an administrator reads it: nothing floods it, and nothing wakes an idle daemon up to write to it."""

import contextlib
import fcntl
import os
import re
import subprocess
from pathlib import Path

import pictures
from daemon import PROGRAM

SMALL = dict(width=120, height=90)
UID = 42043
TOLD = 20  # FLOOD_TOLD_MAX


def armed_timers(daemon):
    """Of the event loop: what will wake the daemon up within the next minute.  The safety rescan comes once an hour."""
    found = []
    for info in Path(f"/proc/{daemon.pid}/fdinfo").iterdir():
        text = ""
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            text = info.read_text()
        left = re.findall(r"^it_value: \((\d+), (\d+)\)", text, re.MULTILINE)
        found += [text for seconds, nsec in left if int(seconds) + int(nsec) > 0 and int(seconds) < 60]
    return found


def wait_asleep(daemon):
    daemon.wait(lambda: not armed_timers(daemon), "no timer armed")


def test_the_same_cause_is_one_line_with_a_count(folders):
    """As a daemon without privileges, for root can read everything."""
    names = [f"{i:03}.jpg" for i in range(300)]
    os.chown(folders.outbox, UID, UID)
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", uid=UID, program=folders.program_for_everybody)
    for name in names:
        staged = folders.staging / name
        staged.write_bytes(pictures.encoded(**SMALL))
        staged.chmod(0o600)
        os.rename(staged, folders.path(name))
    daemon.wait(lambda: sum(r.stands_for for r in daemon.events("waiting")) >= len(names), "a word about each")
    told = daemon.events("waiting")
    assert [r.stands_for for r in told] == [1] * TOLD + [len(names) - TOLD], told
    last = told[-1]
    assert last.text("REASON") == "unreadable" and last.file.decode() in names and last.file.decode() in last.message
    assert last.message.startswith(f"And {len(names) - TOLD} more like that")
    for name in names:
        os.chmod(folders.path(name), 0o644)
    daemon.wait_made(*names)  # each with its own line
    wait_asleep(daemon)


def test_what_repeated_is_told_before_the_end(folders):
    for i in range(TOLD + 5):
        folders.drop(f"{i:02}.txt", b"no picture")
    done, records = folders.once()
    assert done.returncode == 0
    skipped = [r for r in records if r.event == "skipped"]
    assert [r.stands_for for r in skipped] == [1] * TOLD + [5]
    assert records[-1].event == "stopped"


def test_a_journal_that_comes_back_hears_what_it_missed(folders, journal):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox)
    with journal.away():
        folders.drop("a.jpg", b"no picture")
        daemon.wait(lambda: os.path.exists(folders.outbox / ".thumbnaild/failed/a.jpg.why.txt"), "its reason file")
    daemon.wait_event("failed", "a.jpg")
    daemon.wait_event("worker-retired", count=2)  # their connections cannot be mended, so others take their places
    folders.drop("b.jpg", pictures.encoded(width=120, height=90))
    daemon.wait_event("made", "b.jpg")


def test_nobody_reads_what_it_says_without_a_journal(folders, journal):
    """A full pipe stops neither the daemon nor its workers; what was lost is counted when somebody reads again."""
    names = [f"{i:03}.jpg" for i in range(200)]
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with journal.away():
        process = subprocess.Popen([PROGRAM, "-i", folders.inbox, "-o", folders.outbox, "-w", "1"], stdin=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        for name in names:
            folders.drop(name, pictures.encoded(**SMALL))
        folders.watcher.wait(lambda: all(os.path.exists(folders.thumbnail(name)) for name in names), "all made")
        said = os.read(reader, 1 << 20)
        process.terminate()
        with open(reader, "rb") as rest:
            said += rest.read()
        assert process.wait() == 0
    assert said.startswith(b"started: ") and said.count(b"\nmade: ") < len(names)
    assert re.search(rb"\ndropped: \d+ lines of the log were dropped because nobody took them\n", said), said.decode()


def test_nothing_wakes_an_idle_daemon(folders):
    """Metrics are true at rest, not by being written again and again."""
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", environment={"RUNTIME_DIRECTORY": str(folders.root)})
    wait_asleep(daemon)
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    folders.drop("b.txt", b"no picture")
    daemon.wait_made("a.jpg")
    daemon.wait_event("skipped", "b.txt")
    daemon.wait(lambda: 'thumbnaild_made_total{daemon="thumbnaild"} 1\n' in (folders.root / "thumbnaild.prom").read_text(), "true metrics")
    wait_asleep(daemon)


def test_progress_is_told_while_there_is_a_backlog_and_when_it_is_over(folders):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    folders.drop("warm-up.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("warm-up.jpg")
    daemon.pause(daemon.workers()[0])
    names = [f"{i}.jpg" for i in range(5)]
    for name in names:
        folders.drop(name, pictures.encoded(**SMALL))
    first = daemon.wait_event("progress")
    assert (first.number("MADE"), first.number("FAILED"), first.number("WAITING")) == (1, 0, 4)
    assert re.fullmatch(r"\d+\.\d", first.text("RATE")), first
    assert first.message.startswith("1/1 workers busy, 4 waiting")
    daemon.resume(daemon.workers()[0])
    daemon.wait_made(*names)
    last = daemon.wait(lambda: [r for r in daemon.events("progress") if r.number("MADE") == 6], "a last word")[-1]
    assert last.number("WAITING") == 0
    wait_asleep(daemon)
    assert daemon.events("progress")[-1] is last
