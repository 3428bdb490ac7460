# SPDX-License-Identifier: GPL-2.0-or-later
"""What cannot be made: set apart with its reason or left with one elsewhere, never lost, tried again exactly when the contract says."""

import os
import signal
import subprocess
import time

import pictures
import pytest
from acting import Stage

SMALL = dict(width=120, height=90)
GOOD = pictures.encoded(**SMALL)
TRUNCATED = GOOD[: len(GOOD) // 2]
BAD = b"\xff\xd8\xff\xe0" + b"this is no picture at all" * 20
UNKNOWN = b"no picture of any kind\n" * 20
NEVER_ABANDON = 86400

SOMEBODY = 4711


class Failing:
    """Folders whose failures are set apart, or are not."""

    def __init__(self, folders):
        self.folders = folders
        self.failed = folders.root / "failed"

    def config(self, abandon_seconds=0, apart=True, text="workers = 1;", folder="", **more):
        failed = f'failed = "{self.failed}";' if apart else ""
        return self.folders.config(text, folder=f"{failed} abandon_seconds = {abandon_seconds}; {folder}", **more)

    def start(self, **how):
        return self.folders.start("-c", self.config(**how))

    def drop(self, name, data):
        self.folders.drop(name, data)

    def is_set_apart(self, name, data):
        path = self.failed / name
        return path.exists() and path.read_bytes() == data and not os.path.exists(self.folders.path(name))

    def wait_apart(self, daemon, name, data):
        daemon.wait(lambda: self.is_set_apart(name, data), f"{name} in failed")

    def reason(self, name, apart=True):
        root = self.failed if apart else self.folders.outbox / ".thumbnaild" / "failed"
        return root / f"{name}.why.txt"


@pytest.fixture
def failing(folders):
    return Failing(folders)


def assert_reason(path, token):
    """The token alone in the first line, then a sentence for people, then what to do."""
    lines = path.read_text().splitlines()
    assert lines[0] == token
    text = " ".join(lines[1:])
    assert text.count(".") >= 2 and len(text) > 60, lines
    assert "Remove this file" in text


@pytest.mark.parametrize(
    "name, data, token",
    [
        ("truncated.jpg", TRUNCATED, "truncated"),
        ("bad.jpg", BAD, None),
        ("unknown.jpg", UNKNOWN, "unsupported"),
        ("empty.jpg", b"", "empty"),
    ],
)
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "left"])
def test_a_failure_has_its_reason_beside_it(failing, name, data, token, apart):
    daemon = failing.start(apart=apart)
    failing.drop(name, data)
    failed = daemon.wait_event("failed", name)
    assert token in (None, failed.text("REASON")), failed
    if apart:
        failing.wait_apart(daemon, name, data)
    else:
        daemon.wait(lambda: failing.reason(name, apart).exists(), "a reason file")
        with open(failing.folders.path(name), "rb") as file:
            assert file.read() == data
    assert_reason(failing.reason(name, apart), failed.text("REASON"))
    assert not failing.folders.thumbnails()


def test_nothing_is_a_failure_that_is_no_picture(failing):
    daemon = failing.start()
    for name in ("notes.txt", "film.mov", "a.xmp"):
        failing.drop(name, UNKNOWN)
        daemon.wait_event("skipped", name)
    assert not daemon.events("failed") and failing.folders.listing(failing.failed) == []
    assert failing.folders.listing(failing.folders.inbox) == [b"a.xmp", b"film.mov", b"notes.txt"]


def test_folders_are_kept_and_names_that_are_taken_are_numbered(failing):
    daemon = failing.start()
    (failing.folders.inbox / "sub").mkdir()
    versions = [UNKNOWN + bytes([n]) for n in range(3)]
    for n, data in enumerate(versions):
        name = ["x.jpg", "x~2.jpg", "x~3.jpg"][n]
        failing.drop("sub/x.jpg", data)
        daemon.wait(lambda: failing.is_set_apart(f"sub/{name}", data) or None, f"version {n} as {name}")
        assert_reason(failing.reason(f"sub/{name}"), "unsupported")
    for n, name in enumerate(["x.jpg", "x~2.jpg", "x~3.jpg"]):
        assert (failing.failed / "sub" / name).read_bytes() == versions[n]
    assert len(daemon.events("failed")) == 3


def test_what_somebody_else_put_there_is_not_overwritten(failing):
    failing.failed.mkdir()
    (failing.failed / "x.jpg.why.txt").write_text("mine\n")
    daemon = failing.start()
    failing.drop("x.jpg", UNKNOWN)
    daemon.wait_event("failed", "x.jpg")
    daemon.wait(lambda: not os.path.exists(failing.folders.path("x.jpg")), "x.jpg set apart")
    assert UNKNOWN in [path.read_bytes() for path in failing.failed.glob("x*.jpg")]


@pytest.mark.parametrize("name, data", [("t.jpg", TRUNCATED), ("e.jpg", b"")])
def test_an_upload_that_may_be_resumed_stays_and_is_made_when_it_is(failing, name, data):
    daemon = failing.start(abandon_seconds=NEVER_ABANDON)
    failing.drop(name, data)
    daemon.wait_event("failed", name)
    assert os.path.exists(failing.folders.path(name)), "it may be resumed"
    with open(failing.folders.path(name), "ab") as file:
        file.write(GOOD[len(data) :])
    daemon.wait_made(name)
    assert failing.folders.listing(failing.failed) == [], "the reason holds no more"


def test_an_abandoned_upload_is_set_apart_after_its_time(failing):
    daemon = failing.start(abandon_seconds=2)
    failing.drop("t.jpg", TRUNCATED)
    failed = daemon.wait_event("failed", "t.jpg")
    failing.wait_apart(daemon, "t.jpg", TRUNCATED)
    assert time.monotonic_ns() // 1000 - failed.received_usec > 900_000, "the clock of its note has whole seconds"
    assert len(daemon.events("failed")) == 1


def test_others_are_set_apart_at_once(failing):
    daemon = failing.start(abandon_seconds=NEVER_ABANDON)
    failing.drop("u.jpg", UNKNOWN)
    failing.wait_apart(daemon, "u.jpg", UNKNOWN)


def test_once_leaves_what_may_be_resumed(failing):
    """The time of a truncated file does not run out because the daemon was started with --once."""
    path = failing.config(abandon_seconds=NEVER_ABANDON)
    failing.drop("t.jpg", TRUNCATED)
    done, _ = failing.folders.once("-c", path)
    assert done.returncode == 1
    assert os.path.exists(failing.folders.path("t.jpg")), "not set apart before abandon_seconds"
    assert_reason(failing.reason("t.jpg"), "truncated")


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "left"])
def test_a_failure_is_not_tried_again_by_a_restart_a_rescan_or_a_touch_of_its_mode(failing, apart):
    daemon = failing.start(apart=apart)
    failing.drop("u.jpg", UNKNOWN)
    daemon.wait_event("failed", "u.jpg")
    reason = failing.reason("u.jpg", apart)
    if apart:
        failing.wait_apart(daemon, "u.jpg", UNKNOWN)
    daemon.wait(reason.exists, "a reason file")
    was = failing.folders.state_of(reason)
    assert daemon.reload().event == "reloaded"
    if not apart:
        os.chmod(failing.folders.path("u.jpg"), 0o640)
    failing.drop("a.jpg", GOOD)
    daemon.wait_made("a.jpg")
    assert len(daemon.events("failed")) == 1
    daemon.stop()
    daemon = failing.start(apart=apart)
    failing.drop("b.jpg", GOOD)
    daemon.wait_made("b.jpg")
    assert not daemon.events("failed") and failing.folders.state_of(reason) == was


def test_a_failure_on_another_file_system_is_not_tried_again_by_a_restart(failing):
    failing.failed.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", failing.failed], check=True)
    try:
        daemon = failing.start()
        failing.drop("u.jpg", UNKNOWN)
        failing.wait_apart(daemon, "u.jpg", UNKNOWN)
        was = failing.folders.state_of(failing.reason("u.jpg"))
        daemon.stop()
        daemon = failing.start()
        failing.drop("b.jpg", GOOD)
        daemon.wait_made("b.jpg")
        daemon.stop()
        assert not daemon.events("failed"), daemon.evidence()
        assert failing.is_set_apart("u.jpg", UNKNOWN) and failing.folders.state_of(failing.reason("u.jpg")) == was
    finally:
        subprocess.run(["umount", "--lazy", failing.failed], check=True)


def test_a_failure_that_changes_is_tried_again(failing):
    daemon = failing.start(apart=False)
    failing.drop("a.jpg", UNKNOWN)
    daemon.wait_event("failed", "a.jpg")
    failing.drop("a.jpg", GOOD)
    daemon.wait_made("a.jpg")
    daemon.wait(lambda: not failing.reason("a.jpg", False).exists(), "the reason gone")


def test_a_failure_that_was_changed_while_the_daemon_was_away_is_tried_again(failing):
    daemon = failing.start(apart=False)
    failing.drop("a.jpg", UNKNOWN)
    daemon.wait_event("failed", "a.jpg")
    daemon.stop()
    failing.drop("a.jpg", GOOD)
    daemon = failing.start(apart=False)
    daemon.wait_made("a.jpg")
    daemon.wait(lambda: not failing.reason("a.jpg", False).exists(), "the reason gone")


def needs_more(failing, megapixels=1):
    """A picture that is too large for the limits of now."""
    failing.drop("big.jpg", pictures.encoded(width=1300, height=1000))
    return f"workers = 1; limits = {{ megapixels = {megapixels}; }};"


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "left"])
def test_larger_limits_try_a_failure_again(failing, apart):
    daemon = failing.start(apart=apart, text=needs_more(failing))
    assert daemon.wait_event("failed", "big.jpg").text("REASON") == "too-large"
    if apart:
        daemon.wait(lambda: (failing.failed / "big.jpg").exists(), "big.jpg set apart")
    failing.config(apart=apart, text="workers = 1; limits = { megapixels = 20; };")
    assert daemon.reload().event == "reloaded"
    daemon.wait_made("big.jpg")
    daemon.wait(lambda: not failing.reason("big.jpg", apart).exists(), "the reason gone")
    assert os.path.exists(failing.folders.path("big.jpg"))


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "left"])
def test_larger_limits_found_at_a_start_try_a_failure_again(failing, apart):
    daemon = failing.start(apart=apart, text=needs_more(failing))
    daemon.wait_event("failed", "big.jpg")
    if apart:
        daemon.wait(lambda: (failing.failed / "big.jpg").exists(), "big.jpg set apart")
    daemon.stop()
    daemon = failing.start(apart=apart, text="workers = 1; limits = { megapixels = 20; };")
    daemon.wait_made("big.jpg")


def test_a_reload_that_changes_nothing_that_matters_tries_nothing_again(failing):
    daemon = failing.start(text=needs_more(failing))
    daemon.wait_event("failed", "big.jpg")
    daemon.wait(lambda: (failing.failed / "big.jpg").exists(), "big.jpg set apart")
    failing.config(text="workers = 2; limits = { megapixels = 1; };")
    daemon.reload()
    failing.drop("a.jpg", GOOD)
    daemon.wait_made("a.jpg")
    assert len(daemon.events("failed")) == 1


def mended(failing, name):
    """The operator has repaired what lies among the failures."""
    with open(failing.failed / name, "wb") as file:
        file.write(GOOD)


@pytest.mark.parametrize("how", ["back", "reason", "back-and-reason"])
def test_an_operator_tries_a_failure_again(failing, how):
    daemon = failing.start()
    failing.drop("u.jpg", UNKNOWN)
    failing.wait_apart(daemon, "u.jpg", UNKNOWN)
    mended(failing, "u.jpg")
    if how == "reason":
        failing.reason("u.jpg").unlink()
    else:
        if how == "back-and-reason":
            os.rename(failing.reason("u.jpg"), failing.folders.root / "elsewhere")
        else:
            os.rename(failing.failed / "u.jpg", failing.folders.path("u.jpg"))
    daemon.wait_made("u.jpg")
    daemon.wait(lambda: not failing.reason("u.jpg").exists(), "the reason gone")
    assert failing.folders.listing(failing.failed) == []


def test_a_retry_that_fails_again_says_so_and_is_set_apart_again(failing):
    daemon = failing.start()
    failing.drop("u.jpg", UNKNOWN)
    failing.wait_apart(daemon, "u.jpg", UNKNOWN)
    os.rename(failing.failed / "u.jpg", failing.folders.path("u.jpg"))
    daemon.wait_event("failed", "u.jpg", count=2)
    failing.wait_apart(daemon, "u.jpg", UNKNOWN)
    failing.reason("u.jpg").unlink()
    daemon.wait_event("failed", "u.jpg", count=3)
    failing.wait_apart(daemon, "u.jpg", UNKNOWN)
    assert_reason(failing.reason("u.jpg"), "unsupported")
    assert failing.folders.listing(failing.failed) == [b"u.jpg", b"u.jpg.why.txt"]


def test_a_reason_that_was_removed_while_the_daemon_was_away_tries_again(failing):
    daemon = failing.start()
    (failing.folders.inbox / "sub").mkdir()
    for name in ("u.jpg", "sub/v.jpg"):
        failing.drop(name, UNKNOWN)
        failing.wait_apart(daemon, name, UNKNOWN)
    daemon.stop()
    for name in ("u.jpg", "sub/v.jpg"):
        mended(failing, name)
        failing.reason(name).unlink()
    daemon = failing.start()
    daemon.wait_made("u.jpg", "sub/v.jpg")
    assert os.path.exists(failing.folders.path("sub/v.jpg"))


def test_a_reason_that_is_removed_tries_again_what_was_left(failing):
    daemon = failing.start(apart=False)
    (failing.folders.inbox / "sub").mkdir()
    for name in ("u.jpg", "sub/v.jpg"):
        failing.drop(name, UNKNOWN)
        daemon.wait_event("failed", name)
        daemon.wait(failing.reason(name, False).exists, "a reason file")
        failing.reason(name, False).unlink()
        daemon.wait_event("failed", name, count=2)
        daemon.wait(failing.reason(name, False).exists, "a reason file")


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "left"])
@pytest.mark.parametrize("stem", ["x" * 244, "ü" * 122 + "x", "€" * 81 + "xx"], ids=["ascii", "two bytes", "three bytes"])
def test_a_name_that_leaves_no_room_for_that_of_its_reason(failing, apart, stem):
    """Cut, told apart from others that begin alike, and removing it asks for another try all the same."""
    daemon = failing.start(apart=apart)
    (failing.folders.inbox / "sub").mkdir()
    store = failing.failed if apart else failing.folders.outbox / ".thumbnaild" / "failed"
    names = [f"{folder}{stem}{end}.jpg" for folder in ("", "sub/") for end in ("-one", "-two")]
    for name in names:
        failing.drop(name, UNKNOWN)
        daemon.wait_event("failed", name)
        if apart:
            failing.wait_apart(daemon, name, UNKNOWN)
    reasons = lambda: [store / os.fsdecode(name) for name in failing.folders.listing(store) if name.endswith(b".why.txt")]  # noqa: E731
    daemon.wait(lambda: len(reasons()) == len(names), "a reason for each")
    for path in reasons():
        assert_reason(path, "unsupported")
        assert len(os.fsencode(path.name)) > 247
        path.name.encode()  # not cut inside a character
    daemon.stop()
    daemon = failing.start(apart=apart)
    daemon.wait_status("^0/1 workers? busy, 0 waiting")
    assert not daemon.events("failed"), "known"
    for path in reasons():
        path.unlink()
    for name in names:
        daemon.wait_event("failed", name)
        if apart:
            failing.wait_apart(daemon, name, UNKNOWN)
    daemon.wait(lambda: len(reasons()) == len(names), "reasons again")


def test_what_cannot_be_given_back_is_not_forgotten(failing):
    folders = failing.folders
    for place in (folders.outbox, folders.inbox, failing.failed):
        place.mkdir(exist_ok=True)
        os.chown(place, SOMEBODY, SOMEBODY)
    daemon = folders.start("-c", failing.config(), uid=SOMEBODY, program=folders.program_for_everybody)
    failing.drop("u.jpg", UNKNOWN)
    failing.wait_apart(daemon, "u.jpg", UNKNOWN)
    mended(failing, "u.jpg")
    os.chown(folders.inbox, 0, 0)
    failing.reason("u.jpg").unlink()
    waiting = daemon.wait_event("waiting", "u.jpg")
    assert "cannot be given back" in waiting.message and (failing.failed / "u.jpg").exists()
    daemon.stop()
    done = folders.run("--once", "-c", failing.config(), uid=SOMEBODY, program=folders.program_for_everybody)
    assert done.returncode == 1, "it waits still"
    daemon = folders.start("-c", failing.config(), uid=SOMEBODY, program=folders.program_for_everybody)
    waiting = daemon.wait_event("waiting", "u.jpg")
    subprocess.run(["sh", "-c", waiting.text("REMEDY")], check=True)
    daemon.reload()
    daemon.wait_made("u.jpg")
    assert folders.listing(failing.failed) == []


def test_what_is_given_back_overwrites_nothing(failing):
    daemon = failing.start()
    failing.drop("u.jpg", UNKNOWN)
    failing.wait_apart(daemon, "u.jpg", UNKNOWN)
    failing.drop("u.jpg", GOOD)
    daemon.wait_made("u.jpg")
    mended(failing, "u.jpg")
    failing.reason("u.jpg").unlink()
    daemon.wait_event("made", "u~2.jpg")
    with open(failing.folders.path("u.jpg"), "rb") as file:
        assert file.read() == GOOD


def test_once_ends_with_1_for_failures_now_and_earlier(failing):
    path = failing.config(apart=False)
    failing.drop("u.jpg", UNKNOWN)
    failing.drop("a.jpg", GOOD)
    for turn in range(2):
        done, records = failing.folders.once("-c", path)
        assert done.returncode == 1, done.stderr
        assert len([r for r in records if r.event == "failed"]) == (1 if turn == 0 else 0)
        assert len([r for r in records if r.event == "made"]) == (1 if turn == 0 else 0)
    os.unlink(failing.folders.path("u.jpg"))
    done, _ = failing.folders.once("-c", path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "left"])
def test_a_full_outbox_is_no_failure_of_a_picture(failing, apart):
    """--once gives up waiting for space, but the picture is none that failed: the next run makes it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", failing.folders.outbox], check=True)
    try:
        path = failing.config(apart=apart)  # free_mib is 64, so there is never enough
        failing.drop("a.jpg", GOOD)
        done, _ = failing.folders.once("-c", path)
        assert done.returncode == 1
        assert os.path.exists(failing.folders.path("a.jpg")), "not set apart"
        path = failing.config(apart=apart, text="workers = 1; limits = { free_mib = 0; };")
        done, _ = failing.folders.once("-c", path)
        assert done.returncode == 0, done.stderr
        assert failing.folders.thumbnails() == [b"a.jpg.256.jpg"]
        failing.folders.check_outbox()
    finally:
        subprocess.run(["umount", "--lazy", failing.folders.outbox], check=True)


# Poison


def play(failing, seconds=60, workers=1, **how):
    stage = Stage(failing.folders)
    path = failing.config(text=f"workers = {workers}; limits = {{ seconds = {seconds}; }};", **how)
    return failing.folders.start("-c", path, program=stage.program)


@pytest.mark.parametrize("part", ["crash-", "exit-", "abort-", "halfway-", "deaf-"])
def test_a_picture_on_which_workers_die_is_tried_once_more_and_set_apart(failing, part):
    daemon = play(failing)
    name = f"{part}.jpg"
    failing.drop(name, GOOD)
    failing.wait_apart(daemon, name, GOOD)
    (failed,) = daemon.events("failed", name)
    assert failed.text("REASON") == "crashed" and len(daemon.events("worker-lost", name)) == 2
    assert_reason(failing.reason(name), "crashed")
    failing.drop("good.jpg", GOOD)
    daemon.wait(lambda: os.path.exists(failing.folders.thumbnail("good.jpg")), "an innocent one")


def test_a_picture_on_which_workers_hang_is_tried_once_more_and_set_apart(failing):
    daemon = play(failing, seconds=1, workers=2)
    failing.drop("hang-.jpg", GOOD)
    names = [f"good{n}.jpg" for n in range(20)]
    for name in names:
        failing.drop(name, GOOD)
    failing.wait_apart(daemon, "hang-.jpg", GOOD)
    (failed,) = daemon.events("failed", "hang-.jpg")
    assert failed.text("REASON") == "timeout" and len(daemon.events("worker-timeout", "hang-.jpg")) == 2
    assert_reason(failing.reason("hang-.jpg"), "timeout")
    daemon.wait(lambda: len(failing.folders.thumbnails()) == len(names), "all innocent ones")


def test_a_picture_whose_worker_is_killed_from_outside_waits_longer_each_time(failing):
    """Never set apart, and not tried in a circle that heats the room."""
    daemon = play(failing)
    failing.drop("killed-.jpg", GOOD)
    failing.drop("good.jpg", GOOD)
    daemon.wait_event("retry", "killed-.jpg", count=4)
    times = [record.received_usec for record in daemon.events("worker-lost", "killed-.jpg")]
    gaps = [after - before for before, after in zip(times, times[1:])]
    assert gaps[-1] > 700_000, f"tried again after {gaps} µs"
    assert not daemon.events("failed")
    daemon.wait(lambda: os.path.exists(failing.folders.thumbnail("good.jpg")), "an innocent one meanwhile")
    daemon.kill()  # its workers go on dying, so a clean end has no moment


# Suspects: the picture that takes everything down


def die_with_it_in_work(failing, stage, workers=1, busy=1):
    """A supervisor that is killed while its workers hang."""
    stage.cast("hang")
    daemon = failing.folders.start("-c", failing.config(text=f"workers = {workers};"), program=stage.program)
    daemon.wait_status(f"^{busy}/{workers} workers? busy")
    assert not daemon.events("failed")
    daemon.kill()


def test_a_picture_that_takes_the_service_down_is_caught(failing):
    """It was the only one in work at three deaths in a row; an innocent one waits behind it each time."""
    stage = Stage(failing.folders)
    failing.drop("a.jpg", GOOD)
    for _ in range(3):
        die_with_it_in_work(failing, stage)
    failing.drop("b.jpg", GOOD)
    stage.cast("")
    daemon = failing.folders.start("-c", failing.config(), program=stage.program)
    failing.wait_apart(daemon, "a.jpg", GOOD)
    (failed,) = daemon.events("failed")
    assert failed.text("REASON") == "crashed"
    assert_reason(failing.reason("a.jpg"), "crashed")
    daemon.wait(lambda: failing.folders.thumbnails() == [b"b.jpg.256.jpg"], "the innocent one")


def test_a_suspect_waits_for_everybody_else(failing):
    stage = Stage(failing.folders)
    failing.drop("a.jpg", GOOD)
    die_with_it_in_work(failing, stage)
    others = [f"b{n}.jpg" for n in range(30)]
    for name in others:
        failing.drop(name, GOOD)
    stage.cast("")
    daemon = failing.folders.start("-c", failing.config(text="workers = 2;"), program=stage.program)
    daemon.wait(lambda: len(failing.folders.thumbnails()) == 31, "all thumbnails")
    times = {name: os.stat(failing.folders.thumbnail(name)).st_ctime_ns for name in ["a.jpg", *others]}
    assert max(times, key=times.get) == "a.jpg"


def test_innocent_pictures_survive_kills(failing):
    """Two in work at each death, or one that was made in between: nobody can be blamed."""
    stage = Stage(failing.folders)
    for _ in range(2):
        for name in ("a.jpg", "b.jpg"):
            failing.drop(name, GOOD)
        die_with_it_in_work(failing, stage, workers=2, busy=2)
        for _ in range(2):
            die_with_it_in_work(failing, stage, workers=2)
        stage.cast("")
        for thumbnail in failing.folders.thumbnails():
            os.unlink(failing.folders.outbox / os.fsdecode(thumbnail))
        daemon = failing.folders.start("-c", failing.config(), program=stage.program)
        daemon.wait(lambda: len(failing.folders.thumbnails()) == 2, "both of them")
        assert not daemon.events("failed")
        daemon.stop()


def test_a_supervisor_that_was_killed_at_rest_suspects_nobody(failing):
    daemon = failing.start()
    failing.drop("a.jpg", GOOD)
    daemon.wait_made("a.jpg")
    for _ in range(3):
        daemon.kill()
        daemon = failing.start()
    failing.drop("a.jpg", pictures.encoded(width=130, height=90))
    daemon.wait_event("made", "a.jpg")
    assert not daemon.events("failed")


def test_an_end_that_was_asked_for_makes_no_suspect(failing):
    stage = Stage(failing.folders, "hang")
    failing.drop("a.jpg", GOOD)
    for _ in range(3):
        daemon = failing.folders.start("-c", failing.config(text="workers = 1; stop_seconds = 60;"), program=stage.program)
        daemon.wait_busy()
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("stopping")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait_end() == 0
    stage.cast("")
    daemon = failing.folders.start("-c", failing.config(), program=stage.program)
    daemon.wait(lambda: failing.folders.thumbnails() == [b"a.jpg.256.jpg"], "its thumbnail")
    assert not daemon.events("failed")
