# SPDX-License-Identifier: GPL-2.0-or-later
"""More lines than a journal usually takes from a service: with the unit as it is shipped, and a renderer that costs nothing."""

import os
import signal
import sys
import time
from pathlib import Path

from helpers import *

MANY = 30000
DROP_IN = Path("/run/systemd/system/thumbnaild.service.d/fast.conf")
JOURNALD = "systemd-journald.service"


def fill(name, count):
    """A folder of `count` pictures, moved into the inbox in one step."""
    from PIL import Image

    folder = SPOOL / name
    folder.mkdir()
    Image.new("RGB", (16, 12), (200, 30, 40)).save(folder / "0.jpg")
    picture = (folder / "0.jpg").read_bytes()
    for i in range(1, count):
        (folder / f"{i}.jpg").write_bytes(picture)
    run("chown", "-R", "thumbnaild:", folder)
    os.rename(folder, INBOX / name)


def told(name):
    """How many lines there are of what was made in that folder, without looking at each."""
    made = "journalctl -q -t thumbnaild THUMBNAILD_EVENT=made -o cat --output-fields=THUMBNAILD_FILE"
    return int(run("sh", "-c", f"{made} | grep -c '^{name}/'; true"))


def wait_made(name):
    """Without the journal, which is busy or stopped; without being a burden."""
    deadline = time.monotonic() + 100
    while not os.path.isdir(OUTBOX / name) or len(os.listdir(OUTBOX / name)) < MANY:
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
    fill("many", MANY)
    began = time.monotonic()
    wait_made("many")
    took = time.monotonic() - began
    wait_for(lambda: told("many") >= MANY, "a line for each")
    assert told("many") == MANY and not records("dropped")
    assert "Suppressed" not in run("journalctl", "-q", "-u", JOURNALD), "journald dropped some"
    assert MANY / took > 1000, f"{took} s: too slow for this to show anything"
    return f"{MANY} in {took:.1f} s, {MANY / took:.0f}/s"


@check
def a_stopped_journald_holds_nothing_up():
    """What does not fit is dropped, counted, and said as soon as there is room."""
    journald = int(run("systemctl", "show", "--value", "--property=MainPID", JOURNALD))
    os.kill(journald, signal.SIGSTOP)
    try:
        fill("unheard", MANY)
        wait_made("unheard")
    finally:
        os.kill(journald, signal.SIGCONT)
    wait_event("dropped")

    def dropped():
        return sum(int(record["THUMBNAILD_COUNT"]) for record in records("dropped"))

    wait_for(lambda: told("unheard") + dropped() >= MANY, "all of them, told or counted")
    assert told("unheard") + dropped() == MANY and told("unheard") > 1000
    return f"{dropped()} of {MANY} dropped"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
