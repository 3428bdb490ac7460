# SPDX-License-Identifier: GPL-2.0-or-later
"""What the README shows of the journal and of systemctl, done where both are real: every line of its cookbook finds something, and what
it shows as a session is what there is to see."""

import re
import signal
import sys
from pathlib import Path

from helpers import *

README = Path("/usr/share/doc/thumbnaild/README.md")


def blocks(label):
    found = re.findall(rf"<!-- {label} -->\n```\w+\n(.*?)```", README.read_text(), re.DOTALL)
    assert found, label
    return found


def shape(line):
    """A line without what differs from run to run: numbers, dates, durations, and how full the bar is."""
    line = line.replace("disabled", "enabled")  # that is the tests' to say
    line = line.replace("/usr/lib/systemd/", "/lib/systemd/")  # one folder by two names: which one differs by systemd's version
    line = re.sub(r"─ +(\d)", r"─\1", line)  # numbers of processes, one below the other
    line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", line)
    line = re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) DATE \w+; .* ago", "SINCE", line)
    line = re.sub(r"[\d.]+ (s|min|h) left", "TIME left", line)
    line = re.sub(r"(thumbnail-worker \d+ \d+) [0-9a-f]+$", r"\1 FORMATS", line)
    return re.sub(r"\d+(\.\d+)?", "N", line).rstrip()


@check
def a_day_of_everything_the_cookbook_asks_for():
    run("useradd", "-M", "-U", "-G", "thumbnaild", "alice")
    run("journalctl", "--update-catalog")
    Path("/usr/local/bin").mkdir()
    Path("/usr/local/bin/awk").symlink_to("/usr/bin/mawk")  # as /etc/alternatives has it, which this system lacks
    run("systemctl", "start", SERVICE)
    run("mkdir", INBOX / "holiday", user="alice")
    drop("holiday/IMG_1.JPG", photos()[0])
    run("sh", "-c", f"head -c 5000 {photos()[1]} >{INBOX}/holiday/IMG_2.JPG", user="alice")
    run("install", "-d", "-o", "alice", "/srv/alice")
    run("sh", "-c", f"umask 077; cat {photos()[0]} >/srv/alice/private.jpg; mv /srv/alice/private.jpg {INBOX}", user="alice")
    wait_event("made", "holiday/IMG_1.JPG")
    wait_event("failed", "holiday/IMG_2.JPG")
    wait_event("waiting", "private.jpg")
    os.kill(workers()[0], signal.SIGKILL)
    wait_event("worker-lost")
    # An inbox that is not the daemon's, and is gone for a while.
    other = SPOOL / "other"
    run("install", "-d", "-o", "thumbnaild", other)
    run("install", "-d", "-o", "root", "-m", "755", other / "in")
    CONFIGURATION.write_text(
        f'folders = ( {{ inbox = "{INBOX}"; outbox = "{OUTBOX}"; failed = "{FAILED}"; }},'
        f' {{ inbox = "{other}/in"; outbox = "{other}/out"; originals = "delete"; }} );\n'
    )
    run("systemctl", "reload", SERVICE)
    wait_event("reloaded")
    run("cp", photos()[0], other / "in" / "stays.jpg")
    wait_for(lambda: [r for r in records("waiting") if r["THUMBNAILD_REASON"] == "not-removable"], "not-removable")
    run("mv", other / "in", other / "away")
    wait_event("paused")
    run("mv", other / "away", other / "in")
    wait_event("resumed")


@check
def every_line_of_the_cookbook_finds_something():
    lines = []
    for block in blocks("cookbook"):
        for line in re.sub(r"\|\n +", "| ", block).splitlines():
            if not line.startswith("#"):
                lines.append(line)
    assert len(lines) >= 14
    for line in lines:
        said = run("bash", "-c", f"set -o pipefail; {line}")
        assert said.strip() and "No entries" not in said, f"{line}: {said}"
    return f"{len(lines)} lines"


@check
def what_the_cookbook_counts_is_right():
    lines = re.sub(r"\|\n +", "| ", blocks("cookbook")[1]).splitlines()
    counted = {title: run("bash", "-c", line) for title, line in zip(lines[::2], lines[1::2])}
    (reasons, hours, owners, latencies, slowest, formats), made = counted.values(), records("made")
    assert all(title.startswith("# ") for title in counted)
    assert [line.split() for line in reasons.splitlines()] == [["1", "truncated"]]
    assert all(re.fullmatch(r" *\d+ \d{4}-\d\d-\d\dT\d\d", line) for line in hours.splitlines()), hours
    assert sum(int(line.split()[0]) for line in hours.splitlines()) == len(made)
    assert run("id", "-u", "alice").strip() in [line.split()[1] for line in owners.splitlines()]
    half, most, last = map(float, latencies.split())
    assert half <= most <= last and last == float(f"{max(int(r['THUMBNAILD_LATENCY_USEC']) for r in made) / 1000:.6g}")
    longest = sorted((int(r["THUMBNAILD_USEC"]), r["THUMBNAILD_FILE"]) for r in made)[::-1][:10]
    assert [(int(line.split(" ", 1)[0]), line.split(" ", 1)[1]) for line in slowest.splitlines()] == longest
    assert formats.split()[:2] == ["jpeg", str(len(made))]


def session(label):
    (block,) = blocks(f"session: {label}")
    first, *lines = block.splitlines()
    assert first.startswith("$ ")
    return lines


@check
def the_status_is_as_the_readme_shows_it():
    """In the middle of a backlog."""
    folder, made = INBOX / "many", len(records("made"))
    run("install", "-d", "-o", "alice", folder)
    run("sh", "-c", f'i=0; while [ $i -lt 120 ]; do cp {photos()[0]} {folder}/$i.jpg; i=$((i + 1)); done', user="alice")
    wait_event("made", count=made + 10)

    def status():
        said = run("systemctl", "status", "--no-pager", "--full", "--lines=3", SERVICE)
        return re.search(r"waiting, [0-9.]+/s, .* left", said) and said

    said = wait_for(status, "a backlog with time left")
    (Path(sys.argv[1]) / "status").write_text(said)
    real = {shape(line) for line in said.splitlines()}
    for line in session("status"):
        if re.match(r"\w{3} \d\d ", line):  # a line of the journal: which ones are the last differs
            assert any(re.match(r"\w{3} N .* thumbnaild\[N\]: ", other) for other in real), said
        elif "─" in line and "Failed to dump process list" in said:  # a container cannot always read its control groups
            assert len(processes()) == 3
        else:
            assert shape(line) in real, f"{line!r} is not in\n{said}"


@check
def an_explanation_is_as_the_readme_shows_it():
    (block,) = blocks("session: explain")
    command, *lines = block.splitlines()
    said = run("bash", "-c", command.removeprefix("$ sudo "))
    (Path(sys.argv[1]) / "explain").write_text(said)
    assert [shape(line) for line in lines] == [shape(line) for line in said.splitlines()], said


if __name__ == "__main__":
    main(Path(sys.argv[1]))
