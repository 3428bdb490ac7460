# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens to a file between two system calls of the supervisor, which is stopped there."""

import os
import signal

import pictures
import pytest
from daemon import state
from fault import STOP, Faults

SMALL = dict(width=120, height=90)


CORRUPT = b"\xff\xd8\xff" + 1000 * b"x" + b"\xff\xd9"


@pytest.mark.parametrize("data, event", [(pictures.encoded(**SMALL), "made"), (CORRUPT, "failed")], ids=["good", "corrupt"])
def test_a_writer_who_closes_while_he_is_asked_for(folders, data, event):
    """That he wrote is known when nobody writes any more is: hearing of it afterwards is no reason to do it again."""
    faults = Faults(folders)
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", prefix=faults.prefix)
    with open(folders.path("a.jpg"), "wb") as file, faults.armed("lease", STOP, times=1):
        daemon.wait(lambda: state(daemon.pid) == "T", "a supervisor about to ask whether somebody writes")
        file.write(data)
    daemon.signal(signal.SIGCONT)
    daemon.wait_event(event, "a.jpg")
    folders.drop("behind.jpg", pictures.encoded(**SMALL))
    daemon.wait_event("made", "behind.jpg")
    assert [record.event for record in daemon.events(file="a.jpg")] == [event]


@pytest.mark.parametrize("gone", ["file", "inbox"])
def test_what_goes_while_its_writer_is_asked_for(folders, gone):
    faults = Faults(folders)
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", prefix=faults.prefix)
    faults.arm("lease", STOP, times=1)
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait(lambda: state(daemon.pid) == "T", "a supervisor about to ask whether somebody writes")
    os.unlink(folders.path("a.jpg"))
    if gone == "inbox":
        folders.inbox.rmdir()
    daemon.signal(signal.SIGCONT)
    if gone == "inbox":
        daemon.wait_event("paused")
        folders.inbox.mkdir()
    folders.drop("behind.jpg", pictures.encoded(**SMALL))
    daemon.wait_event("made", "behind.jpg")
    assert not daemon.events("failed") and not daemon.events("made", "a.jpg")
