# SPDX-License-Identifier: GPL-2.0-or-later
"""A share that hangs stalls only itself: its folders are served by a process of their own, and that is not waited for."""

import os
import signal
import subprocess
import time

import pictures
import pytest
from daemon import children, ended, process_status
from share import Share

SMALL = dict(width=120, height=90)
PATIENCE = 2  # seconds without an answer, before a share is reported


class Two:
    """A local folder, and one on a share."""

    def __init__(self, folders, share):
        self.folders = folders
        self.share = share
        self.local = folders.root / "local"
        self.local.mkdir()
        self.write()

    def write(self, presets=('name = "256"; width = 256;',)):
        root = self.folders.root
        text = f"workers = 1; answer_seconds = {PATIENCE}; stop_seconds = 20;\n"
        text += "thumbnails = ( %s );\n" % ", ".join("{ %s }" % preset for preset in presets)
        text += "folders = (\n"
        text += f'  {{ inbox = "{self.local}"; outbox = "{root}/local-out"; }},\n'
        text += f'  {{ inbox = "{self.folders.inbox}"; outbox = "{self.folders.outbox}"; poll_seconds = 1; }}\n);\n'
        self.config = root / "two.conf"
        self.config.write_text(text)

    def start(self, **how):
        return self.folders.start("-c", self.config, **how)

    def start_only(self, inbox):
        return self.folders.start("-c", self.config, "--only", inbox)

    def drop_local(self, name):
        (self.local / name).write_bytes(pictures.encoded(**SMALL))

    def drop_remote(self, name):
        """On the other host, so to speak."""
        (self.share.behind / name).write_bytes(pictures.encoded(**SMALL))

    def assert_local_goes_on(self, daemon, name):
        self.drop_local(name)
        daemon.wait_made(name)
        assert daemon.events("made", name)[0].number("LATENCY_USEC") < 1_000_000


@pytest.fixture
def two(folders):
    share = Share(folders.watcher, folders.root / "behind", folders.inbox)
    yield Two(folders, share)
    share.close()


def serving(daemon):
    """The process that serves the share now."""
    return daemon.events("isolated")[-1].number("PROCESS")


def test_a_share_that_hangs_and_answers_again(two):
    daemon = two.start()
    assert daemon.wait_event("isolated").text("INBOX") == str(two.folders.inbox)
    two.drop_remote("a.jpg")
    daemon.wait_made("a.jpg")
    two.share.hang()
    two.assert_local_goes_on(daemon, "b.jpg")
    paused = daemon.wait_event("paused")
    assert paused.text("INBOX") == str(two.folders.inbox) and paused.text("REASON") == "io-error"
    assert f"does not answer for {PATIENCE} s" in paused.message and f"process {serving(daemon)}" in paused.message
    shown = subprocess.run(["sh", "-c", paused.text("REMEDY")], capture_output=True, text=True, timeout=30).stdout
    assert "fuse" in shown, "what is advised does not hang with it"
    daemon.wait_status(r"1 made.*; 1 folder paused: fuse .* does not answer|2 made.*; 1 folder paused: fuse .* does not answer")
    two.drop_remote("c.jpg")
    two.assert_local_goes_on(daemon, "d.jpg")
    two.share.answer()
    assert daemon.wait_event("resumed").text("INBOX") == str(two.folders.inbox)
    daemon.wait_made("c.jpg")
    daemon.wait_status(r"4 made, 0 failed$")
    assert len(daemon.events("paused")) == len(daemon.events("resumed")) == len(daemon.events("isolated")) == 1


def test_a_share_that_hangs_at_the_start(two):
    """READY comes all the same, and everything else is served before."""
    two.drop_local("before.jpg")
    two.share.hang()
    daemon = two.start()
    assert daemon.events("paused")[0].text("INBOX") == str(two.folders.inbox)
    assert "1 of 2 folders watched" in daemon.events("ready")[0].message
    daemon.wait_made("before.jpg")
    two.drop_remote("a.jpg")
    two.share.answer()
    daemon.wait_event("resumed")
    daemon.wait_made("a.jpg")


@pytest.mark.parametrize("noticed", [True, False])
def test_a_stop_does_not_wait_for_a_share(two, noticed):
    daemon = two.start()
    two.drop_remote("a.jpg")
    daemon.wait_made("a.jpg")
    part = serving(daemon)
    two.share.hang()
    if noticed:
        daemon.wait_event("paused")
    before = time.monotonic()
    daemon.stop()
    assert time.monotonic() - before < 2 * PATIENCE + 3
    two.share.answer()
    daemon.wait(lambda: ended(part), "the end of the process that hung")


def test_a_reload_while_a_share_hangs(two):
    """It is answered at once, and what hangs follows when it can."""
    daemon = two.start()
    two.drop_remote("a.jpg")
    two.drop_local("b.jpg")
    daemon.wait_made("a.jpg", "b.jpg")
    two.share.hang()
    daemon.wait_event("paused")
    two.write(presets=('name = "256"; width = 256;', 'name = "64"; width = 64;'))
    assert daemon.reload().event == "reloaded"
    local = two.folders.root / "local-out/b.jpg.64.jpg"
    daemon.wait(local.exists, "the new thumbnail of the local picture")
    assert not os.path.exists(two.folders.thumbnail("a.jpg", "64"))
    two.share.answer()
    daemon.wait(lambda: os.path.exists(two.folders.thumbnail("a.jpg", "64")), "the new thumbnail of the other")
    assert len(daemon.events("reloaded")) == 1


def test_the_process_of_a_share_that_dies(two):
    """It is started again."""
    daemon = two.start()
    daemon.wait_event("isolated")
    os.kill(serving(daemon), signal.SIGKILL)
    assert "SIGKILL" in daemon.wait_event("paused").message
    daemon.wait_event("isolated", count=2)
    daemon.wait_event("resumed")
    two.drop_remote("a.jpg")
    daemon.wait_made("a.jpg")
    assert daemon.wait_event("made", "a.jpg").pid in children(serving(daemon))


def test_it_dies_with_the_daemon(two):
    daemon = two.start()
    part = serving(daemon)
    workers = children(part)
    assert workers and process_status(part)["Name"] == "thumbnaild"
    daemon.kill()
    daemon.wait(lambda: all(map(ended, (part, *workers))), "the end of them all")


def test_only_shares(folders):
    """From the command line; no worker waits for nothing."""
    share = Share(folders.watcher, folders.root / "behind", folders.inbox)
    try:
        daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "2")
        ready = daemon.events("ready")[0]
        assert "1 of 1 folders watched, 2 workers, sandbox no-new-privs" in ready.message
        assert children(daemon.pid) == [serving(daemon)] and len(children(serving(daemon))) == 2
        (share.behind / "a.jpg").write_bytes(pictures.encoded(**SMALL))
        daemon.wait_made("a.jpg")
        daemon.stop()
        assert daemon.events("stopped")[0].number("MADE") == 1
        assert [len(daemon.events(event)) for event in ("started", "ready", "stopping", "stopped")] == [1, 1, 1, 1]
    finally:
        share.close()


def test_no_folder_can_be_used(folders):
    """On a share as elsewhere."""
    share = Share(folders.watcher, folders.root / "behind", folders.inbox)
    try:
        done = folders.run("-i", folders.inbox / "nosuch", "-o", folders.outbox)
        assert done.returncode == 73 and "nosuch does not exist" in done.stderr
    finally:
        share.close()


def test_an_outbox_on_a_share(folders):
    """What hangs may be where thumbnails go."""
    share = Share(folders.watcher, folders.root / "behind", folders.outbox)
    try:
        daemon = folders.start("-c", folders.config(f"workers = 1; answer_seconds = {PATIENCE};"))
        folders.drop("a.jpg", pictures.encoded(**SMALL))
        daemon.wait_made("a.jpg")
        assert not daemon.events("polling"), "the inbox is local"
        share.hang()
        folders.drop("b.jpg", pictures.encoded(**SMALL))
        daemon.wait_event("paused")
        share.answer()
        daemon.wait_event("resumed")
        daemon.wait_made("b.jpg")
        daemon.stop()
    finally:
        share.close()


def test_a_share_that_is_mounted_over_a_local_inbox_and_hangs_at_once(two):
    """The one moment at which something local becomes something that may hang: nothing is asked of it."""
    share = Share(two.folders.watcher, two.folders.root / "other", two.folders.root / "spare")
    try:
        daemon = two.start()
        share.hang()
        share.move(two.local)
        daemon.wait_event("isolated", count=2)
        daemon.wait_event("paused")
        two.drop_remote("a.jpg")
        daemon.wait_made("a.jpg")
        share.answer()
        daemon.wait_event("resumed")
        share.close()
        two.drop_local("b.jpg")
        daemon.wait_made("b.jpg")
        daemon.stop()
    finally:
        share.close()


def test_only_some_of_the_folders(two):
    """--only, for a process of one's own."""
    daemon = two.start_only(two.local)
    assert "1 of 1 folders watched" in daemon.events("ready")[0].message and not daemon.events("isolated")
    two.assert_local_goes_on(daemon, "a.jpg")
    done = two.folders.run("-c", two.config, "--only", "/nosuch")
    assert done.returncode == 78 and "no folder has the inbox /nosuch" in done.stderr
