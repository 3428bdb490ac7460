# SPDX-License-Identifier: GPL-2.0-or-later
"""The file of metrics, as a collector reads it."""

import os
import re
import signal
import stat
import subprocess
import time

import pictures
import pytest
from daemon import children
from share import Share

SMALL = dict(width=120, height=90)


class Metrics:
    def __init__(self, folders, name="thumbnaild"):
        self.directory = folders.root / "run"
        self.directory.mkdir(exist_ok=True)
        self.directory.chmod(0o777)
        self.path = self.directory / f"{name}.prom"
        self.daemon = name
        self.environment = {"RUNTIME_DIRECTORY": str(self.directory)}

    def read(self):
        """{(name, label's value or None): number}; {} when there is no file."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return {}
        found = {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, labels, number = re.fullmatch(r"thumbnaild_(\w+)\{(.*)\} (\S+)", line).groups()
            daemon, *more = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)
            assert daemon == ("daemon", self.daemon) and len(more) <= 1, line
            found[name, more[0][1] if more else None] = float(number)
        return found

    def wait(self, daemon, name, number, value=None):
        return daemon.wait(lambda: (m := self.read()).get((name, value)) == number and m, f"{name} {value or ''} to be {number}")

    def check(self):
        """By Prometheus' own tool, which also complains of style."""
        with self.path.open() as file:
            done = subprocess.run(["promtool", "check", "metrics"], stdin=file, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def metrics(folders):
    return Metrics(folders)


def test_the_numbers_are_true_and_well_formed(folders, metrics):
    began = time.time()
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", environment=metrics.environment)
    metrics.wait(daemon, "workers_ready", 1)
    metrics.check()
    (folders.inbox / "sub").mkdir()
    for i in range(3):
        folders.drop(f"sub/{i}.jpg", pictures.encoded(**SMALL))
    folders.drop("cut.jpg", pictures.encoded(width=640, height=480, seed=3)[:100_000])
    folders.drop("notes.txt", b"no picture")
    folders.drop("bad.jpg", b"no picture")
    for name, number, value in (
        ("made_total", 3, None),
        ("failed_total", 1, "truncated"),
        ("failed_total", 1, "unsupported"),
        ("skipped_total", 1, "unsupported"),
        ("thumbnails_total", 3, None),
        ("workers", 1, None),
        ("workers_busy", 0, None),
        ("queue_files", 0, "queued"),
        ("queue_files", 0, "rendering"),
        ("inotify_watches", 3, None),  # the inbox, its folder, and that of reasons
        ("folder_paused", 0, str(folders.inbox)),
        ("events_total", 2, "failed"),
        ("scanning", 0, None),
    ):
        now = metrics.wait(daemon, name, number, value)
    assert stat.S_IMODE(metrics.path.stat().st_mode) == 0o644
    assert began <= now["start_time_seconds", None] <= time.time()
    assert now["inotify_watches_max", None] > 100 and ("oldest_waiting_timestamp_seconds", None) not in now
    for name in ("arrival_to_published_seconds", "complete_to_published_seconds", "rendering_seconds"):
        buckets = [number for (key, _), number in now.items() if key == f"{name}_bucket"]
        assert buckets == sorted(buckets) and buckets[-1] == now[f"{name}_count", None] == 3
        assert 0 < now[f"{name}_sum", None] < 60
    metrics.check()
    daemon.stop()
    assert os.listdir(metrics.directory) == []


def test_what_waits_is_known_by_its_age_and_reason(folders, metrics):
    uid = 42044
    os.chown(folders.outbox, uid, uid)
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", uid=uid, program=folders.program_for_everybody, environment=metrics.environment)
    before = time.time()
    staged = folders.staging / "a.jpg"
    staged.write_bytes(pictures.encoded(**SMALL))
    staged.chmod(0o600)
    os.rename(staged, folders.path("a.jpg"))
    daemon.wait_event("waiting", "a.jpg")
    now = metrics.wait(daemon, "waiting_files", 1, "unreadable")
    assert now["queue_files", "waiting"] == 1 and before - 0.1 <= now["oldest_waiting_timestamp_seconds", None] <= time.time()
    metrics.check()
    os.chmod(folders.path("a.jpg"), 0o644)
    now = metrics.wait(daemon, "waiting_files", 0, "unreadable")
    daemon.wait(lambda: ("oldest_waiting_timestamp_seconds", None) not in metrics.read(), "nothing that waits")


def test_a_paused_folder_and_lost_workers_are_counted(folders, metrics):
    folders.inbox.joinpath("odd \\ \"name\"\n").mkdir()
    inbox = folders.inbox / "odd \\ \"name\"\n"
    daemon = folders.start("-i", inbox, "-o", folders.outbox, "-w", "1", environment=metrics.environment)
    os.kill(daemon.workers()[0], 9)
    metrics.wait(daemon, "events_total", 1, "worker-lost")
    metrics.wait(daemon, "workers_ready", 1)
    inbox.rmdir()
    daemon.wait(lambda: [n for (name, _), n in metrics.read().items() if name == "folder_paused"] == [1], "a paused folder")
    metrics.check()


def test_each_instance_has_a_file_and_none_repeats_anothers(folders, metrics):
    first = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", environment=metrics.environment)
    (folders.root / "scans").mkdir()
    config = folders.root / "scans.conf"
    config.write_text(f'workers = 1; folders = ( {{ inbox = "{folders.root}/scans"; outbox = "{folders.root}/scanned"; }} );\n')
    second = folders.start("-c", config, environment=metrics.environment)
    scans = Metrics(folders, "scans")
    metrics.wait(first, "workers_ready", 1)
    scans.wait(second, "workers_ready", 1)
    samples = [line.rsplit(" ", 1)[0] for path in (metrics.path, scans.path) for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(samples) == len(set(samples))
    second.stop()
    assert os.listdir(metrics.directory) == ["thumbnaild.prom"]


def test_without_a_runtime_directory_there_is_none(folders):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")
    daemon.stop()
    assert not list(folders.root.rglob("*.prom*"))


def test_a_folder_for_metrics_that_cannot_be_written_stops_nothing(folders):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", environment={"RUNTIME_DIRECTORY": str(folders.root / "missing")})
    assert "metrics" in daemon.wait_event("trouble").message
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")
    assert len(daemon.events("trouble")) == 1


def test_what_waits_on_a_share_is_counted_too(folders, metrics):
    """And what the process that serves it has told stays counted when it ends."""
    share = Share(folders.watcher, folders.root / "behind", folders.inbox)
    try:
        (share.behind / "it.jpg").write_bytes(pictures.encoded(**SMALL)[:-20])
        os.utime(share.behind / "it.jpg", (0, 0))  # as an interrupted rsync leaves it
        began = time.time()
        daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1", environment=metrics.environment)
        numbers = metrics.wait(daemon, "waiting_files", 1, "incomplete")
        assert numbers["workers", None] == numbers["workers_ready", None] == 1
        assert numbers["queue_files", "waiting"] == 1
        assert began - 1 < numbers["oldest_waiting_timestamp_seconds", None] < time.time() + 1
        assert numbers["events_total", "waiting"] == 1
        (part,) = children(daemon.pid)
        os.kill(part, signal.SIGKILL)
        metrics.wait(daemon, "events_total", 2, "waiting")
        metrics.check()
        daemon.stop()
    finally:
        share.close()
