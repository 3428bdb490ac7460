# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: what it prints, what it exits with, and --once."""

import contextlib
import errno
import os
import pty
import re
import signal
import subprocess

import pictures
import pytest
from daemon import ENVIRONMENT, PROGRAM

SMALL = dict(width=120, height=90)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nosuch"],
        ["-i", "/tmp"],
        ["-o", "/tmp"],
        ["-c", "/etc/x.conf", "-i", "/tmp", "-o", "/var/tmp"],
        ["-i", "/tmp", "-o", "/var/tmp", "-s", "0"],
        ["-i", "/tmp", "-o", "/var/tmp", "-s", "axb"],
        ["-i", "/tmp", "-o", "/var/tmp", "-s", "10x"],
        ["-i", "/tmp", "-o", "/var/tmp", "-s", "10x10x10"],
        ["-i", "/tmp", "-o", "/var/tmp", "-s", "-5"],
        ["-i", "/tmp", "-o", "/var/tmp", "-s", "99999999999"],
        ["-i", "/tmp", "-o", "/var/tmp", "-f", "bmp"],
        ["-s", "128"],
        ["-w", "many"],
        ["-w", "-1"],
        ["-w"],
        ["picture.jpg"],
    ],
    ids=" ".join,
)
def test_usage(shared, arguments):
    done = shared.run(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("thumbnaild: ") or PROGRAM.name in done.stderr.splitlines()[0]
    assert "--help" in done.stderr


def test_version(shared):
    done = shared.run("--version")
    assert done.returncode == 0 and done.stdout.startswith("thumbnaild ") and done.stderr == ""


def test_help_names_every_option(shared):
    done = shared.run("--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in "--config --inbox --outbox --size --format --workers --once --check-config --version --help".split():
        assert option in done.stdout
    assert all(len(line) <= 100 for line in done.stdout.splitlines())


# --once


def test_once_makes_what_is_there_and_ends(folders):
    for i in range(5):
        folders.drop(f"{i}.jpg", pictures.encoded(**SMALL))
    done, records = folders.once()
    assert done.returncode == 0, done.stderr
    assert len(folders.thumbnails()) == 5
    assert len([record for record in records if record.event == "made"]) == 5
    assert "\r" not in done.stderr and "\x1b" not in done.stderr, "no bar where nobody looks"


def test_once_over_an_empty_inbox(folders):
    done = folders.once()[0]
    assert done.returncode == 0 and summary(done.stdout) == "0 files: 0 made"


def summary(said):
    """The last line on stdout, without the time it took."""
    line = said.splitlines()[-1]
    assert re.fullmatch(r".*; \d+\.\d s(, \d+\.\d/s)?(; interrupted, .*)?", line), said
    return re.sub(r"; \d+\.\d s(, \d+\.\d/s)?", "", line)


def test_once_sums_up_by_outcome(folders):
    for i in range(3):
        folders.drop(f"{i}.jpg", pictures.encoded(**SMALL))
    assert summary(folders.once()[0].stdout) == "3 files: 3 made"
    folders.drop("3.jpg", pictures.encoded(**SMALL))
    folders.drop("text.jpg", b"Hello")
    folders.drop("empty.jpg", b"")
    folders.drop("notes.txt", b"Hello")
    folders.drop(".hidden.jpg", b"Hello")
    os.symlink("/etc/passwd", folders.path("link.jpg"))
    done = folders.once()[0]
    assert done.returncode == 1
    assert summary(done.stdout) == "7 files: 1 made, 3 up to date, 2 failed (1 unsupported, 1 empty), 2 left alone"
    done = folders.once()[0]
    assert done.returncode == 1
    earlier = "2 failed (1 unsupported, 1 empty; 2 of them in an earlier run)"
    assert summary(done.stdout) == f"7 files: 0 made, 4 up to date, {earlier}, 2 left alone"


def test_once_in_a_script_names_what_is_not_well(folders):
    """stderr is no terminal and there is a journal, which gets everything."""
    folders.drop("good.jpg", pictures.encoded(**SMALL))
    folders.drop("bad.jpg", b"Hello")
    done = folders.once()[0]
    lines = done.stderr.splitlines()
    assert [line for line in lines if not line.startswith("progress: ")] == [line for line in lines if line.startswith("failed: ")]
    assert len(lines) >= 1 and "bad.jpg" in lines[0] and "unsupported" in lines[0], done.stderr
    done = folders.run("--once", "-i", folders.inbox, "-o", folders.outbox, "-s", "64", prefix=["env", "JOURNAL_STREAM=8:1"])
    assert done.stderr == "", "there they are in the journal already"


def test_once_with_a_failure_that_is_not_set_apart_yet(folders):
    """It may be an upload that is resumed; failed earlier is failed still."""
    path = folders.config(folder=f'failed = "{folders.root}/failed";')
    folders.drop("empty.jpg", b"")
    for _ in range(2):
        done = folders.once("-c", path)[0]
        assert done.returncode == 1, done.stdout
        assert os.path.exists(folders.path("empty.jpg"))


def test_once_with_a_failed_file(folders):
    folders.drop("good.jpg", pictures.encoded(**SMALL))
    folders.drop("bad.jpg", b"Hello")
    done, _ = folders.once()
    assert done.returncode == 1
    assert folders.thumbnails() == [b"good.jpg.256.jpg"]
    assert folders.once()[0].returncode == 1, "failed earlier is failed still"


def test_once_with_a_file_that_is_no_picture(folders):
    folders.drop("notes.txt", b"Hello")
    assert folders.once()[0].returncode == 0


def test_once_waits_for_a_file_that_is_being_written(folders):
    """Closed while it waits, it is made."""
    with open(folders.path("slow.jpg"), "wb") as file:
        file.write(pictures.encoded(**SMALL))
        file.flush()
        since = len(folders.journal.records)
        running = subprocess.Popen([PROGRAM, "-1", "-i", folders.inbox, "-o", folders.outbox], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        folders.watcher.wait(
            lambda: any(r.matches("waiting", "slow.jpg", reason="being-written") for r in folders.journal.records[since:]), "waiting"
        )
    assert running.wait(60) == 0
    assert folders.thumbnails() == [b"slow.jpg.256.jpg"]


def test_once_waits_no_longer_for_a_file_that_grows_than_for_any_other(folders):
    with open(folders.path("grows.jpg"), "wb") as file, contextlib.ExitStack() as stack:
        writer = subprocess.Popen(["sh", "-c", "while :; do printf x; sleep 0.2; done"], stdout=file)
        stack.callback(writer.wait)
        stack.callback(writer.kill)
        done, records = folders.once()
    assert done.returncode == 1
    assert [(r.text("REASON"), r.file) for r in records if r.event == "failed"] == [("being-written", b"grows.jpg")]
    assert os.path.exists(folders.path("grows.jpg")) and not folders.listing(folders.outbox)


def test_once_interrupted(folders):
    """With a file that stays open it has something to wait for."""
    with open(folders.path("slow.jpg"), "wb") as file:
        file.write(pictures.encoded(**SMALL))
        file.flush()
        since = len(folders.journal.records)
        running = subprocess.Popen([PROGRAM, "-1", "-i", folders.inbox, "-o", folders.outbox], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        folders.watcher.wait(lambda: any(r.matches("waiting", "slow.jpg") for r in folders.journal.records[since:]), "waiting")
        running.send_signal(signal.SIGTERM)
        said, _ = running.communicate(timeout=60)
        assert running.returncode == 75 and "interrupted" in said.decode()


def on_a_terminal(arguments):
    """Its exit status and all it wrote to a terminal on stderr."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(arguments, env=ENVIRONMENT | {"TERM": "xterm"}, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            read = os.read(ours, 65536)
        except OSError as error:
            assert error.errno == errno.EIO  # how Linux says that the other side was closed
            break
        if not read:
            break
        written += read
    os.close(ours)
    return running.wait(60), written.decode(errors="backslashreplace")


def test_once_draws_a_bar_on_a_terminal(folders):
    large = pictures.encoded(width=1000, height=750, seed=1)  # noise, which takes its time
    for i in range(600):  # they take some seconds
        folders.drop(f"{i}.jpg", large)
    status, written = on_a_terminal([PROGRAM, "--once", "-i", folders.inbox, "-o", folders.outbox])
    assert status == 0, written
    assert "\r" in written and "600" in written, written
    assert len(folders.thumbnails()) == 600
    bars = re.findall(r"\r\x1b\[K\[([#.]+)\] (\d+)/(\d+)\+?  ", written)
    assert bars and all(len(bar[0]) in (20, 30) for bar in bars)
    assert any(re.search(r"\d/s, .* left", piece) for piece in written.split("\r")), "rate and time left"
    # The supervisor draws the bar, workers write lines: each takes the whole line.
    for piece in re.split(r"\r\x1b\[K|\n", written):
        assert not re.search(r"\].*\b(made|failed): ", piece), piece
    assert summary(written.replace("\r\x1b[K", "\n").split("stopped: ")[0].rstrip()) == "600 files: 600 made"


def test_on_a_terminal_lines_go_there_as_well(folders):
    folders.drop("a\x1b[31m.jpg", b"not a picture")
    status, written = on_a_terminal([PROGRAM, "--once", "-i", folders.inbox, "-o", folders.outbox])
    assert status == 1
    assert "failed: " in written and "\x1b[31m" not in written, "a name does not reach the terminal raw"


def test_without_a_journal_lines_go_to_stderr(folders):
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    folders.drop("bad.jpg", b"Hello")
    no_journal = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
    done = folders.run("--once", "-i", folders.inbox, "-o", folders.outbox, prefix=no_journal)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert any(line.startswith("made: ") and "a.jpg" in line for line in lines), done.stderr
    assert any(line.startswith("failed: ") and "bad.jpg" in line for line in lines), done.stderr
    assert any(line.startswith("ready: ") for line in lines), done.stderr


# Folders


def refused(folders, *arguments):
    """Its exit status and what it said, be it on stderr or, where there is one, in the journal."""
    since = len(folders.journal.records)
    done = folders.run(*arguments)
    folders.watcher.wait(lambda: done.stderr or folders.journal.records[since:], "a word")
    return done.returncode, done.stderr + "".join(f"{record.message}\n" for record in folders.journal.records[since:])


def test_an_inbox_that_is_not_there(folders):
    status, said = refused(folders, "-i", folders.root / "nosuch", "-o", folders.outbox)
    assert status == 73 and "nosuch" in said


def test_an_inbox_that_is_no_folder(folders):
    (folders.root / "file").write_bytes(b"")
    status, said = refused(folders, "-i", folders.root / "file", "-o", folders.outbox)
    assert status == 73 and f"{folders.root}/file" in said


def test_an_outbox_is_made_if_its_parent_exists(folders):
    folders.outbox.rmdir()
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    assert folders.once()[0].returncode == 0
    assert folders.thumbnails() == [b"a.jpg.256.jpg"]


def test_an_outbox_without_a_parent(folders):
    status, said = refused(folders, "--once", "-i", folders.inbox, "-o", folders.root / "no" / "such")
    assert status == 73 and "no/such" in said
    assert not (folders.root / "no").exists()


def test_no_folder_of_a_configuration_can_be_used(folders):
    path = folders.config()
    os.rename(folders.inbox, folders.root / "elsewhere")
    status, said = refused(folders, "-c", path)
    assert status == 73 and str(folders.inbox) in said


def test_relative_folders_of_the_command_line(folders):
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    done = subprocess.run(
        [PROGRAM, "--once", "-i", "inbox", "-o", "./outbox/"], cwd=folders.root, env=ENVIRONMENT, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert folders.thumbnails() == [b"a.jpg.256.jpg"]


def test_roots_may_be_symlinks(folders):
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    (folders.root / "in").symlink_to(folders.inbox)
    (folders.root / "out").symlink_to(folders.outbox)
    assert folders.once("-i", folders.root / "in", "-o", folders.root / "out")[0].returncode == 0
    assert folders.thumbnails() == [b"a.jpg.256.jpg"]


def test_an_outbox_below_the_inbox_is_left_out(folders):
    """Thumbnails of thumbnails of thumbnails would never end."""
    outbox = folders.inbox / "thumbs"
    (folders.inbox / "sub").mkdir()
    daemon = folders.start("-i", folders.inbox, "-o", outbox)
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    folders.drop("sub/b.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg", "sub/b.jpg")
    daemon.stop()
    assert folders.listing(outbox) == [b"a.jpg.256.jpg", b"sub/b.jpg.256.jpg"]
    done, records = folders.once("-i", folders.inbox, "-o", outbox)
    assert done.returncode == 0 and not [r for r in records if r.event == "made"]
    assert len(folders.listing(outbox)) == 2


@pytest.mark.parametrize("how", ["same", "inbox below outbox", "symlink", "bind mount"])
def test_inbox_and_outbox_are_apart(folders, how):
    inbox, outbox = folders.inbox, folders.inbox
    if how == "inbox below outbox":
        outbox = folders.root
    elif how == "symlink":
        outbox = folders.root / "link"
        outbox.symlink_to(inbox)
    elif how == "bind mount":
        outbox = folders.outbox
        subprocess.run(["mount", "--bind", inbox, outbox], check=True)
    try:
        folders.drop("a.jpg", pictures.encoded(**SMALL))
        before = folders.listing(inbox)
        status, said = refused(folders, "--once", "-i", inbox, "-o", outbox)
        assert status in (73, 78), said
        assert "outbox" in said and str(inbox) in said
        assert folders.listing(inbox) == before
    finally:
        if how == "bind mount":
            subprocess.run(["umount", folders.outbox], check=True)


def test_an_outbox_that_another_daemon_holds(folders):
    """A successor waits a little, for a predecessor that is about to end; then it names who holds it."""
    daemon = folders.start()
    status, said = refused(folders, "--once", "-i", folders.inbox, "-o", folders.outbox)
    assert status == 73
    assert str(folders.outbox) in said and str(daemon.pid) in said, "who holds it is named"
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")


def test_a_successor_takes_over_from_one_that_ends(folders):
    first = folders.start()
    second = folders.start("-i", folders.inbox, "-o", folders.outbox, ready=False)
    # The second is past its options once it has the outbox open, to ask for the lock.
    second.wait(lambda: second.has_open(folders.outbox), "the second at the outbox")
    first.stop()
    second.wait(lambda: "READY=1" in second.notified, "READY=1 of the second")
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    second.wait_made("a.jpg")
    second.files_at_ready = 64
