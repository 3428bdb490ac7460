# SPDX-License-Identifier: GPL-2.0-or-later
"""More lines than a journal usually takes from a service: with the unit as it is shipped, and a renderer that costs nothing."""

import os
import signal
import sys
import time
from pathlib import Path

from helpers import *

BATCHES, BATCH, PACE = 100, 250, 0.2  # of files, and seconds from one batch to the next: 1,250 a second for 20 seconds
MANY = 30000  # at once
DROP_IN = Path("/run/systemd/system/thumbnaild.service.d/fast.conf")
JOURNALD = "systemd-journald.service"


def prepare(name, count):
    """A folder of `count` pictures beside the inbox, to be moved there in one step."""
    from PIL import Image

    folder = SPOOL / name
    folder.mkdir()
    Image.new("RGB", (16, 12), (200, 30, 40)).save(folder / "0.jpg")
    picture = (folder / "0.jpg").read_bytes()
    for i in range(1, count):
        (folder / f"{i}.jpg").write_bytes(picture)
    run("chown", "-R", "thumbnaild:", folder)
    return folder


def fill(name, count):
    os.rename(prepare(name, count), INBOX / name)


def made(name):
    return sum(len(files) for _, _, files in os.walk(OUTBOX / name))


def told(name):
    """How many lines there are of what was made in that folder, without looking at each."""
    made = "journalctl -q -t thumbnaild THUMBNAILD_EVENT=made -o cat --output-fields=THUMBNAILD_FILE"
    return int(run("sh", "-c", f"{made} | grep -c '^{name}/'; true"))


def dropped():
    return sum(int(record["THUMBNAILD_COUNT"]) for record in records("dropped"))


def wait_made(name, count):
    """Without the journal, which is busy or stopped; without being a burden."""
    deadline = time.monotonic() + 100
    while made(name) < count:
        assert time.monotonic() < deadline, "they are not made"
        time.sleep(0.2)


@check
def a_renderer_that_costs_nothing():
    DROP_IN.parent.mkdir(parents=True)
    DROP_IN.write_text("[Service]\nBindReadOnlyPaths=/share/fast-worker:/usr/libexec/thumbnaild/thumbnail-worker\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", SERVICE)
    return show("LogRateLimitBurst") + " lines in " + show("LogRateLimitIntervalUSec")


@check
def a_thousand_lines_a_second_and_none_is_lost():
    batches = [prepare(f"batch-{i}", BATCH) for i in range(BATCHES)]
    run("install", "-d", "-o", "thumbnaild", INBOX / "many")
    began = time.monotonic()
    for i, batch in enumerate(batches):
        time.sleep(max(0, began + i * PACE - time.monotonic()))
        os.rename(batch, INBOX / "many" / batch.name)
    wait_made("many", BATCHES * BATCH)
    took = time.monotonic() - began
    wait_for(lambda: told("many") >= BATCHES * BATCH, "a line for each")
    assert told("many") == BATCHES * BATCH and not records("dropped")
    assert "Suppressed" not in run("journalctl", "-q", "-u", JOURNALD), "journald dropped some"
    return f"{BATCHES * BATCH} in {took:.1f} s, {BATCHES * BATCH / took:.0f}/s"


@check
def a_stopped_journald_holds_nothing_up():
    """What does not fit is dropped, counted, and said as soon as there is room."""
    journald = int(run("systemctl", "show", "--value", "--property=MainPID", JOURNALD))
    os.kill(journald, signal.SIGSTOP)
    try:
        fill("unheard", MANY)
        wait_made("unheard", MANY)
    finally:
        os.kill(journald, signal.SIGCONT)
    wait_event("dropped")
    wait_for(lambda: told("unheard") + dropped() >= MANY, "all of them, told or counted")
    assert told("unheard") + dropped() == MANY and told("unheard") > 1000
    return f"{dropped()} of {MANY} dropped"


@check
def a_restart_in_the_middle_finishes_what_it_has_begun():
    """Every picture is made once, by the one or by the other, and each has its line."""
    before = dropped()
    fill("restarted", MANY)
    wait_for(lambda: made("restarted"), "the first of them")
    supervisor = show("MainPID")
    run("systemctl", "restart", SERVICE)
    assert show("MainPID") != supervisor and show("Result") == "success"
    wait_made("restarted", MANY)
    wait_for(lambda: told("restarted") + dropped() - before >= MANY, "all of them, told or counted")
    assert told("restarted") + dropped() - before == MANY
    return f"the first one: {records('stopped')[-1]['MESSAGE']}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
