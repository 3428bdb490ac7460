# SPDX-License-Identifier: GPL-2.0-or-later
"""--explain: for each thing that can be the matter with a file, what it says, and that it changes nothing."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pictures
import pytest
from daemon import PROGRAM, state

SMALL = dict(width=120, height=90)
GOOD = pictures.encoded(**SMALL)
SOMEBODY, OWNER = 4711, 4712
TWO_PRESETS = ['name = "256"; width = 256; height = 256', 'name = "card"; width = 64; format = "webp"']


class Answer:
    """The verdict, and the lines of each subject."""

    def __init__(self, done):
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        self.text = done.stdout
        self.name, self.verdict, nothing, *lines = done.stdout.splitlines()
        assert nothing == "" and self.verdict.endswith("."), self.text
        self.lines = {}
        for line in lines:
            assert line.startswith("  ") and len(line) > 13, self.text
            subject = line[2:13].strip() or subject  # a line without goes on with the one before
            self.lines.setdefault(subject, []).append(line[14:])

    def __getitem__(self, subject):
        assert subject in self.lines, self.text
        return "\n".join(self.lines[subject])


def everything(folders):
    """What a look must not change."""
    found = {}
    for place, names, files in os.walk(folders.root):
        for name in names + files:
            info = os.lstat(os.path.join(place, name))
            found[os.path.join(place, name)] = (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_mode, info.st_uid)
    return found


@pytest.fixture
def explain(folders):
    def explain(file, *arguments, uid=None, program=PROGRAM):
        path = file if os.path.isabs(file) else os.path.join(folders.inbox, file)
        serving = [daemon for daemon in folders.daemons if daemon.returncode is None]
        for daemon in serving:  # what a running one changes is not what is looked for here
            daemon.signal(signal.SIGSTOP)
            daemon.wait(lambda: state(daemon.pid) == "T", "a stopped daemon")
        before = everything(folders)
        done = folders.run(*(arguments or ("-i", folders.inbox, "-o", folders.outbox)), "--explain", path, uid=uid, program=program)
        assert everything(folders) == before, "it is only a look"
        for daemon in serving:
            daemon.signal(signal.SIGCONT)
        return Answer(done)

    return explain


def settled(path, data=GOOD):
    """Written long ago."""
    with open(path, "wb") as file:
        file.write(data)
    return path


# To be made


def test_to_be_made_before_anything_was(folders, explain):
    (folders.inbox / "sub").mkdir()
    settled(folders.inbox / "sub/a.jpg")
    folders.outbox.rmdir()
    said = explain("sub/a.jpg")
    assert said.name == f"{folders.inbox}/sub/a.jpg"
    assert said.verdict == "To be made: 1 of 1 thumbnail."
    assert str(folders.inbox) in said["folder"] and "sub/a.jpg" in said["folder"]
    assert said["content"] == "jpeg" and said["complete"].startswith("yes: nobody has it open for writing")
    assert said["thumbnail"] == f"{folders.outbox}/sub/a.jpg.256.jpg: missing"
    assert said["original"].startswith("stays when it is made")
    assert "not in this version" in said["failed"] and "150 million" in said["limits"]
    assert said["journal"] == "journalctl -t thumbnaild THUMBNAILD_FILE=sub/a.jpg"
    assert not folders.outbox.exists(), "not even an outbox is made"


def test_up_to_date_beside_a_daemon_that_runs(folders, explain):
    daemon = folders.start()
    folders.drop("a.jpg", GOOD)
    daemon.wait_made("a.jpg")
    said = explain("a.jpg")
    assert said.verdict == "Up to date: nothing is to be made."
    assert f"process {daemon.pid} serves this folder, as user root" == said["daemon"]
    assert said["thumbnail"].endswith("a.jpg.256.jpg: up to date")
    folders.drop("b.jpg", GOOD)
    daemon.wait_made("b.jpg")
    daemon.stop()
    assert "none" in explain("a.jpg")["daemon"]


def test_a_worker_has_it_now(folders, explain):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-w", "1")
    (worker,) = daemon.workers()
    daemon.pause(worker)
    folders.drop("a.jpg", GOOD)
    daemon.wait_busy()
    said = explain("a.jpg")
    assert said.verdict == "To be made: 1 of 1 thumbnail." and said["in work"] == "yes, a worker has it now"
    daemon.kill()
    assert "it was in work when the daemon died" in explain("a.jpg")["suspect"]


@pytest.mark.parametrize(
    "change,differs",
    [
        ("size", "the original's size"),
        ("inode", "its inode (another file has its name)"),
        ("mtime", "modification time"),
        ("preset", "the preset"),
    ],
)
def test_out_of_date_says_in_what(folders, explain, change, differs):
    path = settled(folders.inbox / "a.jpg")
    assert folders.once()[0].returncode == 0
    stat = os.stat(path)
    size = "256"
    if change == "size":
        with open(path, "ab") as file:
            file.write(b"\0")
        os.utime(path, ns=(stat.st_mtime_ns, stat.st_mtime_ns))
    elif change == "inode":
        settled(folders.staging / "a.jpg")
        os.utime(folders.staging / "a.jpg", ns=(stat.st_mtime_ns, stat.st_mtime_ns))
        os.rename(folders.staging / "a.jpg", path)
    elif change == "mtime":
        os.utime(path, ns=(1, 1_600_000_000_000_000_000))
    else:
        config = folders.config(presets=['name = "256"; width = 256; height = 256; quality = 50'])
        said = explain("a.jpg", "-c", config)
        assert f"{config}:" in said["folder"]
    if change != "preset":
        said = explain("a.jpg", "-i", folders.inbox, "-o", folders.outbox, "-s", size)
    assert differs in said["thumbnail"]
    if change == "mtime":
        assert said.verdict == "Up to date but for the modification time, which is corrected."
    else:
        assert said.verdict == "To be made: 1 of 1 thumbnail." and "out of date" in said["thumbnail"]
    assert said["thumbnail"].count("differs") <= 1


def test_one_of_two_presets_is_missing(folders, explain):
    settled(folders.inbox / "a.jpg")
    folders.once()
    said = explain("a.jpg", "-c", folders.config(presets=TWO_PRESETS))
    assert said.verdict == "To be made: 1 of 2 thumbnails."
    assert said.lines["thumbnail"] == [f"{folders.outbox}/a.jpg.256.jpg: up to date", f"{folders.outbox}/a.jpg.card.webp: missing"]


def test_a_taken_name(folders, explain):
    settled(folders.inbox / "a.jpg")
    settled(folders.outbox / "a.jpg.256.jpg", b"mine")
    os.utime(folders.outbox / "a.jpg.256.jpg", ns=(1, 1))
    said = explain("a.jpg")
    assert said.verdict == "Failed: name-taken." and "move that away" in said["thumbnail"]


# Left alone


@pytest.mark.parametrize(
    "name,rule",
    [(".hidden.jpg", ".*"), ("a.part", "*.part"), ("@eaDir/a.jpg", "@eaDir"), ("drafts/a.jpg", "draft*"), (".cache/deep/a.jpg", ".*")],
)
def test_an_ignored_name_says_by_which_rule(folders, explain, name, rule):
    path = folders.inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    settled(path)
    said = explain(name, "-c", folders.config(folder='ignore = [ "draft*" ];'))
    assert said.verdict.startswith("Left alone: its name")
    assert f"by {rule}, of " in said["ignored"]
    assert ("'ignore' in the configuration" in said["ignored"]) == (rule == "draft*")


def test_a_folder_that_is_not_read(folders, explain):
    (folders.inbox / "sub").mkdir()
    settled(folders.inbox / "sub/a.jpg")
    said = explain("sub/a.jpg", "-c", folders.config(folder='recursive = false; name = "{file}.{preset}.{ext}";'))
    assert said.verdict.startswith("Left alone") and "recursive = false" in said["ignored"]


def test_no_regular_file(folders, explain):
    os.mkfifo(folders.inbox / "pipe.jpg")
    (folders.inbox / "link.jpg").symlink_to("/etc/passwd")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folders.inbox / "s.jpg"))
    for name in ("pipe.jpg", "link.jpg", "s.jpg"):
        assert explain(name).verdict.startswith("Left alone: not-regular"), name
    assert "symbolic link" in explain("link.jpg").verdict


def test_behind_a_link(folders, explain):
    (folders.root / "elsewhere").mkdir()
    settled(folders.root / "elsewhere/a.jpg")
    (folders.inbox / "link").symlink_to(folders.root / "elsewhere")
    said = explain("link/a.jpg")
    assert "through a symbolic link" in said.verdict and said["really"] == f"{folders.root}/elsewhere/a.jpg"


def test_no_picture(folders, explain):
    settled(folders.inbox / "notes.txt", b"Hello")
    os.utime(folders.inbox / "notes.txt")
    said = explain("notes.txt", "-c", folders.config(folder="settle_ms = 0;"))
    assert said.verdict == "Left alone: it is no picture, neither by content nor by name."


def test_folders_and_strangers(folders, explain):
    assert "ask about one of those files" in explain(str(folders.inbox)).verdict
    (folders.inbox / "sub").mkdir()
    assert explain("sub").verdict.startswith("It is a folder")
    said = explain("/etc/passwd")
    assert said.verdict.startswith("None of ours") and said["inbox"] == str(folders.inbox)


def test_a_thumbnail(folders, explain):
    settled(folders.inbox / "a.jpg")
    folders.once()
    said = explain(str(folders.outbox / "a.jpg.256.jpg"))
    assert "outbox" in said.verdict and f"by the preset 256, of an original of {len(GOOD)} bytes" in said["record"]
    settled(folders.outbox / "mine.txt")
    assert "somebody else's" in explain(str(folders.outbox / "mine.txt"))["record"]


def test_an_outbox_below_the_inbox(folders, explain):
    outbox = folders.inbox / "thumbs"
    outbox.mkdir()
    settled(outbox / "a.jpg")
    assert "outbox" in explain(str(outbox / "a.jpg"), "-i", folders.inbox, "-o", outbox).verdict


def test_one_place_by_two_names(folders, explain):
    """As a bind mount and as a link to the inbox show it."""
    settled(folders.inbox / "a.jpg")
    (folders.root / "link").symlink_to(folders.inbox)
    assert explain(str(folders.root / "link/a.jpg")).verdict.startswith("To be made")
    bound = folders.root / "bound"
    bound.mkdir()
    subprocess.run(["mount", "--bind", folders.inbox, bound], check=True)
    try:
        assert "in which it is a.jpg" in explain(str(bound / "a.jpg"))["folder"]
    finally:
        subprocess.run(["umount", bound], check=True)


# Waiting


def test_being_written(folders, explain):
    with open(folders.inbox / "a.jpg", "wb") as file:
        file.write(GOOD)
        file.flush()
        said = explain("a.jpg")
        assert said.verdict.startswith("Waiting: being-written") and "open for writing" in said["complete"]


def test_incomplete(folders, explain):
    settled(folders.inbox / "a.jpg", GOOD[:-20])
    said = explain("a.jpg", "-c", folders.config(folder="settle_ms = 3600000;"))
    assert said.verdict == "Waiting: incomplete, and made when it has not changed for 3600 s."
    assert "its end is not that of a whole file" in said["complete"]
    os.utime(folders.inbox / "a.jpg", ns=(0, 0))
    assert "interrupted rsync" in explain("a.jpg")["complete"]


def wait_quiet(path, seconds):
    """By the clock that is asked, and no longer: what is tested is how time is counted."""
    while (left := os.stat(path).st_ctime + seconds - time.time()) > 0:
        time.sleep(left)


def test_quiet_is_counted_from_the_last_change_to_the_microsecond(folders, explain):
    """Not from a modification time that somebody gave it, nor by whole seconds: what was written a moment ago is complete after 0.3 s."""
    path = settled(folders.inbox / "a.jpg", GOOD[:-20])
    wait_quiet(path, 0.3)
    assert explain("a.jpg").verdict.startswith("To be made")
    os.utime(path, (time.time() + 86400,) * 2)
    wait_quiet(path, 0.3)
    assert explain("a.jpg").verdict.startswith("To be made")


@pytest.fixture
def served_by_somebody(folders):
    """A daemon of another user, who may read less than the one who asks."""
    os.chown(folders.outbox, SOMEBODY, SOMEBODY)
    return folders.start(uid=SOMEBODY, program=folders.program_for_everybody)


def test_unreadable_with_the_fix(folders, explain, served_by_somebody):
    path = settled(folders.inbox / "it's.jpg")
    path.chmod(0o600)
    said = explain("it's.jpg")
    assert said.verdict == f"Waiting: unreadable, and made as soon as user {SOMEBODY} may read it."
    assert f"as user {SOMEBODY}" in said["daemon"]
    fix = re.search(r"setfacl -m .*$", said["readable"], re.MULTILINE).group(0)
    subprocess.run(["sh", "-c", fix], check=True)
    served_by_somebody.wait_made("it's.jpg")
    assert explain("it's.jpg").verdict == "Up to date: nothing is to be made."


def test_a_folder_that_cannot_be_entered(folders, explain, served_by_somebody):
    sub = folders.inbox / "sub"
    sub.mkdir(mode=0o700)
    settled(sub / "a.jpg")
    said = explain("sub/a.jpg")
    assert said.verdict.startswith("Waiting: unreadable") and f"setfacl -m u:{SOMEBODY}:rx {sub}" in said["readable"]


@pytest.mark.parametrize("acl,readable", [("u:4711:r", True), ("u:4711:---,o::r", False), ("g:4711:r", True), ("u:4711:r,m::---", False)])
def test_access_lists_are_understood(folders, explain, served_by_somebody, acl, readable):
    folders.drop("a.jpg", GOOD)
    served_by_somebody.wait_made("a.jpg")
    (folders.inbox / "a.jpg").chmod(0o600)
    subprocess.run(["setfacl", "-m", acl, folders.inbox / "a.jpg"], check=True)
    assert (explain("a.jpg")["readable"] == f"yes, for user {SOMEBODY}") == readable


def test_the_owner_asks(folders, explain, served_by_somebody):
    """Who dropped the file may not be root, and still learns why it waits."""
    path = settled(folders.inbox / "a.jpg")
    os.chown(path, OWNER, OWNER)
    path.chmod(0o600)
    said = explain("a.jpg", uid=OWNER, program=folders.program_for_everybody)
    assert said.verdict.startswith("Waiting: unreadable") and f"setfacl -m u:{SOMEBODY}:r" in said["readable"]


def test_a_stranger_asks(folders, explain, served_by_somebody):
    """What they may not see is said to be unseen."""
    path = settled(folders.staging / "a.jpg")
    os.chown(path, SOMEBODY, SOMEBODY)
    path.chmod(0o600)
    path.rename(folders.inbox / "a.jpg")
    served_by_somebody.wait_made("a.jpg")
    said = explain("a.jpg", uid=OWNER, program=folders.program_for_everybody)
    assert said.verdict == "The daemon may read it and you may not: ask as root what it is."
    assert said["content"].startswith("cannot be read by you")
    folders.inbox.chmod(0o700)
    said = explain("a.jpg", uid=OWNER, program=folders.program_for_everybody)
    assert said.verdict == "It cannot be seen by you: Permission denied; ask as root."


def test_not_removable(folders, explain):
    sub = folders.inbox / "sub"
    sub.mkdir()
    settled(sub / "a.jpg")
    os.chown(sub, OWNER, OWNER)
    os.chown(folders.outbox, SOMEBODY, SOMEBODY)
    config = folders.config(folder='originals = "delete";')
    daemon = folders.start("-c", config, uid=SOMEBODY, program=folders.program_for_everybody)
    daemon.wait_event("waiting", "sub/a.jpg")
    said = explain("sub/a.jpg", "-c", config)
    assert "is deleted when it is made" in said["original"] and f"(not-removable): setfacl -m u:{SOMEBODY}:rwx {sub}" in said["original"]
    daemon.stop()


# Failed


def test_failed_with_reason_remedy_and_where_that_is_noted(folders, explain):
    settled(folders.inbox / "bad.jpg", b"Hello")
    assert folders.once()[0].returncode == 1
    said = explain("bad.jpg")
    assert said.verdict == "Failed: unsupported, and not tried again until it changes or its reason file is removed."
    assert said["failed"].startswith("unsupported, noted 20") and "Convert it" in said["remedy"]
    note = folders.outbox / ".thumbnaild/failed/bad.jpg.why.txt"
    assert said["reason file"] == str(note) and note.exists()
    assert said["try again"] == f"rm -f {note}"
    note.unlink()
    assert explain("bad.jpg").verdict.startswith("It will fail: unsupported")


def test_failed_and_set_apart(folders, explain):
    """Asked by the name it had, and by the one it has now."""
    failed = folders.root / "failed"
    config = folders.config(folder=f'failed = "{failed}";')
    (folders.inbox / "sub").mkdir()
    settled(folders.inbox / "sub/bad.jpg", b"Hello")
    assert folders.once("-c", config)[0].returncode == 1
    for name in ("sub/bad.jpg", str(failed / "sub/bad.jpg")):
        said = explain(name, "-c", config)
        assert "set apart" in said.verdict and said["reason"].startswith("unsupported\n")
        assert said["reason file"] == f"{failed}/sub/bad.jpg.why.txt"
        assert said["try again"].startswith(f"rm -f {failed}/sub/bad.jpg.why.txt")
    (failed / "sub/bad.jpg.why.txt").unlink()
    assert "goes back to the inbox" in explain(str(failed / "sub/bad.jpg"), "-c", config).verdict


def test_failed_with_the_outbox_gone(folders, explain):
    config = folders.config(folder=f'failed = "{folders.root}/failed"; abandon_seconds = 3600;')
    settled(folders.inbox / "bad.jpg", GOOD[:-20])
    folders.once("-c", config)
    shutil.rmtree(folders.outbox)
    assert explain("bad.jpg", "-c", config)["failed"].startswith("truncated, noted 20")


def test_failed_and_about_to_be_set_apart(folders, explain):
    config = folders.config(folder=f'failed = "{folders.root}/failed";')
    settled(folders.inbox / "half.jpg", b"")
    daemon = folders.start("-c", config)
    daemon.wait((folders.root / "failed/half.jpg.why.txt").exists, "the reason")
    said = explain("half.jpg", "-c", config)
    assert re.fullmatch(r"Failed: empty; it is set apart in \d+ s unless its upload is resumed\.", said.verdict)


def test_it_will_fail(folders, explain):
    settled(folders.inbox / "empty.jpg", b"")
    settled(folders.inbox / "text.jpg", b"Hello")
    settled(folders.inbox / "large.jpg", GOOD + bytes(2 << 20))
    settled(folders.inbox / "a.png", pictures.encoded("PNG", **SMALL))
    config = folders.config('loaders = [ "jpeg" ]; limits = { file_mib = 1; };', folder="settle_ms = 0;")
    for name, reason in (("empty.jpg", "empty"), ("text.jpg", "unsupported"), ("large.jpg", "too-large"), ("a.png", "unsupported")):
        assert explain(name, "-c", config).verdict.startswith(f"It will fail: {reason}"), name
    assert "'loaders' does not allow png" in explain("a.png", "-c", config).verdict


def test_a_full_outbox(folders, explain):
    settled(folders.inbox / "a.jpg")
    said = explain("a.jpg", "-c", folders.config("limits = { free_mib = 1048576; };"))
    assert "the folder pauses" in said["outbox"]


# The original


def test_where_originals_go(folders, explain):
    processed = folders.root / "processed"
    config = folders.config(folder=f'originals = "move"; processed = "{processed}"; failed = "{folders.root}/failed";')
    settled(folders.inbox / "a.jpg")
    said = explain("a.jpg", "-c", config)
    assert f"goes to {processed}/a.jpg when it is made" in said["original"] and f"{folders.root}/failed/a.jpg" in said["original"]
    assert folders.once("-c", config)[0].returncode == 0
    assert explain("a.jpg", "-c", config).verdict == "Made, and moved away: it is not in the inbox any more."
    assert explain(str(processed / "a.jpg"), "-c", config).verdict.startswith("Made, and moved here")


# Not there


@pytest.mark.parametrize("name", ["nosuch.jpg", "no/such.jpg", "/no/such.jpg"])
def test_a_missing_file_is_an_error(folders, name):
    done = folders.run("-i", folders.inbox, "-o", folders.outbox, "--explain", folders.inbox / name)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith("thumbnaild: there is no ") and name in done.stderr


def test_a_wrong_configuration(folders):
    (folders.root / "x.conf").write_text("wrokers = 1;\n")
    done = folders.run("-c", folders.root / "x.conf", "--explain", "/etc/passwd")
    assert (done.returncode, done.stdout) == (78, "") and "x.conf:1:" in done.stderr


def test_it_starts_nothing(folders):
    assert folders.run("--explain").returncode == 64
    assert folders.run("-1", "--explain", "/etc/passwd").returncode == 64


def test_names_do_not_reach_the_terminal_raw(folders, explain):
    name = "a\x1b[31m\n.jpg"
    settled(folders.inbox / name)
    said = explain(name)
    assert "\x1b" not in said.text and "a\\x1b[31m\\x0a.jpg" in said.name


def test_a_relative_name(folders):
    settled(folders.inbox / "a.jpg")
    done = subprocess.run([PROGRAM, "-i", folders.inbox, "-o", folders.outbox, "--explain", "./a.jpg"], cwd=folders.inbox, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(f"{folders.inbox}/a.jpg\n"), done.stdout + done.stderr


def test_a_polled_folder(folders, explain):
    settled(folders.inbox / "a.jpg")
    assert "watched" not in explain("a.jpg").lines
    said = explain("a.jpg", "-c", folders.config(folder='watch = "poll"; poll_seconds = 7;'))
    assert said["watched"] == "its folder is read every 7 s, as 'watch' says"
