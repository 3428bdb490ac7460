# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are regular, but not usual: many names, holes, places so deep or so full that programs stumble.  What is no regular file
is in test_bad_input.py, names are in test_names.py."""

import os
import subprocess
import sys

import pictures
import pytest

SMALL = dict(width=80, height=60)
PATH_MAX = 4096  # with the zero at its end

sys.setrecursionlimit(10_000)  # os.fwalk() goes down by calling itself


@pytest.fixture(scope="module")
def one(shared):
    return shared.start("-i", shared.inbox, "-o", shared.outbox, "-w", "2")


def test_two_names_of_one_file(one):
    """Both in the inbox, both made; neither is made again when the other goes."""
    one.folders.drop("first.jpg", pictures.encoded(**SMALL))
    one.wait_made("first.jpg")
    os.link(one.folders.path("first.jpg"), one.folders.path("second.jpg"))
    one.wait_made("second.jpg")
    os.unlink(one.folders.path("first.jpg"))
    one.folders.drop("behind-links.jpg", pictures.encoded(**SMALL))
    one.wait_made("first.jpg", "second.jpg", "behind-links.jpg")


def test_a_picture_with_holes(one):
    """All of its pixels but the last are one hole."""
    data = bytearray(pictures.encode(pictures.Image.new("RGB", (2000, 1500)), "TIFF"))
    last = max(i for i, byte in enumerate(data[:4096]) if byte) + 1
    staged = one.folders.staging / "sparse.tif"
    with staged.open("wb") as file:
        file.write(data[:last])
        file.truncate(len(data))
    assert staged.read_bytes() == data and staged.stat().st_blocks * 512 < len(data) // 10
    os.rename(staged, one.folders.path("sparse.tif"))
    one.wait_made("sparse.tif")
    assert pictures.open_checked(one.folders.thumbnail("sparse.tif"), "JPEG").getextrema() == ((0, 0),) * 3


@pytest.mark.parametrize("size, reason", [(64 << 20, "unsupported"), (1 << 40, "unsupported")], ids=["64 MiB", "1 TiB"])
def test_a_file_that_is_one_hole(one, size, reason):
    """A terabyte is refused as quickly as nothing."""
    name = f"hole-{size}.jpg"
    with open(one.folders.path(name), "wb") as file:
        file.truncate(size)
    assert one.wait_event("failed", name).text("REASON") == reason


@pytest.fixture
def deep(folders):
    """For trees that only rm(1) can remove: pytest would go down by calling itself, and back, and down again."""
    yield folders
    for daemon in folders.daemons:
        if daemon.returncode is None:
            daemon.kill()
    subprocess.run(["rm", "-rf", folders.inbox, folders.outbox], check=True)


def descend(folder, name, depth):
    """mkdir and chdir, as often as that: no path is ever written down.  Returns a descriptor of the last."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    return at


def put(at, name):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=at)
    with os.fdopen(fd, "wb") as file:
        file.write(pictures.encoded(**SMALL))


def test_a_thousand_folders_in_each_other(deep):
    """Made by one program as fast as it can, and by a scan."""
    daemon = deep.start("-i", deep.inbox, "-o", deep.outbox, "-w", "1")
    depth, name = 1000, "d/" * 1000 + "deep.jpg"
    at = descend(deep.inbox, "d", depth)
    put(at, "deep.jpg")
    os.close(at)
    daemon.wait_made(name)
    assert os.path.exists(deep.thumbnail(name))
    daemon.stop()
    os.unlink(deep.thumbnail(name))
    done, records = deep.once()
    assert done.returncode == 0 and [record.file for record in records if record.event == "made"] == [name.encode()]


def path_of(length):
    """Folders of 200 bytes each, and a file of the rest: a relative path of that length."""
    parts = ["p" * 200] * ((length - 5) // 201)
    left = length - 201 * len(parts)
    return parts, "f" * (left - 4) + ".jpg"


def put_deep(folders, length):
    parts, base = path_of(length)
    assert len("/".join([*parts, base])) == length and len(base) <= 255
    at = os.open(folders.inbox, os.O_RDONLY | os.O_DIRECTORY)
    for part in parts:
        if part not in os.listdir(at):
            os.mkdir(part, dir_fd=at)
        below = os.open(part, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    put(at, base)
    os.close(at)
    return "/".join([*parts, base])


@pytest.mark.parametrize("live", [True, False], ids=["live", "scan"])
def test_paths_as_long_as_can_be(deep, live):
    """A file whose path can be written down is made, even if its thumbnail's cannot; a longer one fails, says so, and is no trouble for
    any other.  What is made is up to date for the next run."""
    lengths = {PATH_MAX - 10: "made", PATH_MAX - 1: "made", PATH_MAX: "failed", PATH_MAX + 60: "failed"}
    daemon = deep.start("-i", deep.inbox, "-o", deep.outbox, "-w", "1") if live else None
    names = {put_deep(deep, length): event for length, event in lengths.items()}
    deep.drop("behind.jpg", pictures.encoded(**SMALL))
    daemon = daemon or deep.start("-i", deep.inbox, "-o", deep.outbox, "-w", "1")
    for name, event in names.items():
        record = daemon.wait_event(event, name)
        assert event == "made" or record.text("REASON") == "name-too-long"
    daemon.wait_made("behind.jpg")
    daemon.stop()
    done, records = deep.once()
    assert done.returncode == 1 and not [record for record in records if record.event == "made"]


@pytest.mark.parametrize("live", [True, False], ids=["live", "scan"])
def test_deeper_than_any_path_can_say(deep, live):
    """The folder at which paths end is named, and that what is in it is not made."""
    daemon = deep.start("-i", deep.inbox, "-o", deep.outbox, "-w", "1") if live else None
    at = descend(deep.inbox, "x" * 200, 25)
    put(at, "lost.jpg")
    os.close(at)
    daemon = daemon or deep.start("-i", deep.inbox, "-o", deep.outbox, "-w", "1")
    said = daemon.wait_event("failed", "/".join(["x" * 200] * 21))
    assert said.text("REASON") == "name-too-long" and "nothing in it" in said.message
    deep.drop("behind.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("behind.jpg")
    daemon.stop()
    done, _ = deep.once()
    assert done.returncode == 1, "not everything that is there is made"


def test_ten_thousand_files_in_one_folder(folders):
    """Each once: moved in with their folder, so that all are there at once, and then as many again, one by one."""
    count = 10_000
    staged = folders.staging / "many"
    staged.mkdir()
    (staged / "0.png").write_bytes(pictures.encoded("PNG", 8, 6))
    for i in range(1, count):
        os.link(staged / "0.png", staged / f"{i}.png")
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox)
    os.rename(staged, folders.inbox / "many")
    # Not by counting records at each of them: a journal as slow as that is not told everything.
    daemon.wait(lambda: f" {count} made," in (daemon.status or ""), f"{count} made", timeout=300)
    folders.drop("behind.jpg", pictures.encoded(**SMALL))
    daemon.wait(lambda: f" {count + 1} made," in (daemon.status or ""), "and the one behind them")
    daemon.wait(lambda: len(daemon.events("made")) > count, "a line for each")
    made = [record.file for record in daemon.events("made")]
    assert len(made) == len(set(made)) == count + 1
    assert not daemon.events("failed") and not daemon.events("overflow")
