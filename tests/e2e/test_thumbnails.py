# SPDX-License-Identifier: GPL-2.0-or-later
"""A dropped picture becomes the right thumbnail, says so once, and carries the record that keeps it from being made again."""

import os

import pictures
import pytest
from daemon import RECORD_XATTR

# One picture, all three formats, and two boxes of one shape and another.
PRESETS = [
    'name = "small"; width = 128; height = 128;',
    'name = "wide"; width = 640; height = 360; format = "webp";',
    'name = "sharp"; width = 300; height = 300; format = "png";',
]
CONTRACT_FIELDS = "FILE INBOX USEC LATENCY_USEC OUTPUTS WIDTH HEIGHT BYTES FORMAT OWNER WORKER WORKER_PID ATTEMPT".split()


@pytest.fixture(scope="module")
def one(shared):
    """A daemon with its defaults: one preset, "256"."""
    return shared.start("-i", shared.inbox, "-o", shared.outbox, "-w", "1")


def test_a_picture_becomes_a_thumbnail(one):
    folders, data = one.folders, pictures.encoded()
    folders.drop("a.jpg", data, mtime_ns=1_500_000_000_123_456_789)
    made = one.wait_event("made", "a.jpg")
    path = folders.thumbnail("a.jpg")

    picture = pictures.open_checked(path, "JPEG")
    assert picture.size == (256, 192)
    pictures.assert_corners(picture)
    assert os.stat(path).st_mtime_ns == os.stat(folders.path("a.jpg")).st_mtime_ns == 1_500_000_000_123_456_789
    assert os.stat(path).st_mode & 0o7777 == 0o644
    assert os.getxattr(path, RECORD_XATTR)

    missing = [field for field in CONTRACT_FIELDS if field not in made]
    assert not missing, f"{missing} of the contract are not in {made}"
    assert made["INBOX"] == os.fsencode(folders.inbox)
    assert (made.number("WIDTH"), made.number("HEIGHT"), made.number("BYTES")) == (800, 600, len(data))
    assert (made.number("OUTPUTS"), made.text("FORMAT"), made.number("OWNER"), made.number("ATTEMPT")) == (1, "jpeg", 0, 1)
    assert 0 < made.number("USEC") <= made.number("LATENCY_USEC") < 60_000_000
    assert len(made.fields["MESSAGE_ID"]) == 32 and made.fields["PRIORITY"] == b"6"
    assert "a.jpg" in made.message

    # It is the worker that says so: the pid that the kernel vouches for is one that the supervisor started.
    started = one.events("worker-started")
    assert made.pid != one.pid and made.pid == made.number("WORKER_PID")
    assert made.pid in [record.number("WORKER_PID") for record in started]
    assert made.number("WORKER") in [record.number("WORKER") for record in started if record.number("WORKER_PID") == made.pid]
    one.wait_made("a.jpg")


def test_the_original_is_left_alone(one):
    folders = one.folders
    folders.drop("kept.jpg", pictures.encoded(), mtime_ns=1_400_000_000_000_000_000)
    before = os.stat(folders.path("kept.jpg"))
    one.wait_made("kept.jpg")
    after = os.stat(folders.path("kept.jpg"))
    assert (before.st_ino, before.st_mtime_ns, before.st_ctime_ns) == (after.st_ino, after.st_mtime_ns, after.st_ctime_ns)
    with open(folders.path("kept.jpg"), "rb") as file:
        assert file.read() == pictures.encoded()


@pytest.mark.parametrize("format, name", [("PNG", "in.png"), ("WEBP", "in.webp"), ("GIF", "in.gif"), ("TIFF", "in.tif"), ("JPEG", "in.JPEG")])
def test_formats_in(one, format, name):
    one.folders.drop(name, pictures.encoded(format))
    made = one.wait_event("made", name)
    assert made.text("FORMAT") == format.lower()
    picture = pictures.open_checked(one.folders.thumbnail(name), "JPEG")
    assert picture.size == (256, 192)
    pictures.assert_corners(picture)


@pytest.mark.parametrize("width, height", [(5000, 20), (20, 5000), (100, 80), (1, 1), (256, 256), (257, 255)])
def test_sizes(one, width, height):
    """Inside the box, never larger than the original, never without a pixel."""
    name = f"{width}x{height}.png"
    one.folders.drop(name, pictures.encoded("PNG", width, height))
    one.wait_made(name)
    expected = pictures.fitted(width, height, 256, 256)
    size = pictures.open_checked(one.folders.thumbnail(name), "JPEG").size
    assert all(abs(a - b) <= 1 for a, b in zip(size, expected)) and max(size) <= 256, f"{size}, not {expected}"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_right_way_up(one, orientation):
    name = f"turned-{orientation}.jpg"
    one.folders.drop(name, pictures.with_orientation(orientation))
    made = one.wait_event("made", name)
    assert (made.number("WIDTH"), made.number("HEIGHT")) == (800, 600), "size of the original, upright"
    picture = pictures.open_checked(one.folders.thumbnail(name), "JPEG")
    assert picture.size == (256, 192)
    assert picture.getexif().get(0x112, 1) == 1, "it would be turned a second time"
    pictures.assert_corners(picture)


@pytest.mark.parametrize("name, data", [("secrets.jpg", pictures.with_secrets), ("secrets.png", pictures.png_with_text)])
def test_metadata_stays_at_home(one, name, data):
    one.folders.drop(name, data())
    one.wait_made(name)
    raw, exif, kept = pictures.metadata(one.folders.thumbnail(name))
    assert b"Secret" not in raw
    assert not exif and not kept, f"{exif} {kept}"


def test_a_real_photo_loses_its_place_and_keeps_its_colours(one):
    """An iPhone's, upside down and with GPS; and one with a profile."""
    for photo in [p for p in pictures.photos() if "iPhone_5" in p.name or "casa-mila" in p.name]:
        one.folders.drop(photo.name, photo.read_bytes())
        one.wait_made(photo.name)
        thumbnail = one.folders.thumbnail(photo.name)
        pictures.assert_shows(thumbnail, photo)
        _, exif, kept = pictures.metadata(thumbnail)
        assert not exif and not kept, f"{exif} {kept}"


def test_transparency_is_flattened_on_a_background(one):
    """PNG with alpha to JPEG: not black where it was transparent."""
    picture = pictures.corners()
    picture.putalpha(0)
    one.folders.drop("clear.png", pictures.encode(picture, "PNG"))
    one.wait_made("clear.png")
    assert pictures.open_checked(one.folders.thumbnail("clear.png"), "JPEG").getpixel((60, 60)) == (255, 255, 255)


def test_every_preset_from_one_request(folders):
    daemon = folders.start("-c", folders.config(presets=PRESETS), "-w", "1")
    folders.drop("a.tif", pictures.encoded("TIFF"))
    made = daemon.wait_event("made", "a.tif")
    assert made.number("OUTPUTS") == 3
    for preset, extension, format, size in [
        ("small", "jpg", "JPEG", (128, 96)),
        ("wide", "webp", "WEBP", (480, 360)),
        ("sharp", "png", "PNG", (300, 225)),
    ]:
        path = folders.thumbnail("a.tif", preset, extension)
        picture = pictures.open_checked(path, format)
        assert picture.size == size
        pictures.assert_corners(picture)
        assert os.stat(path).st_mtime_ns == os.stat(folders.path("a.tif")).st_mtime_ns
        assert os.getxattr(path, RECORD_XATTR)
    daemon.wait_made("a.tif")
    assert len(folders.thumbnails()) == 3


def test_size_and_format_of_the_command_line(folders):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-s", "640x360", "-f", "webp")
    folders.drop("a.jpg", pictures.encoded())
    daemon.wait_made("a.jpg")
    assert pictures.open_checked(folders.thumbnail("a.jpg", "640x360", "webp"), "WEBP").size == (480, 360)


def test_a_square_size_of_the_command_line(folders):
    daemon = folders.start("-i", folders.inbox, "-o", folders.outbox, "-s", "128", "-f", "png")
    folders.drop("a.jpg", pictures.encoded())
    daemon.wait_made("a.jpg")
    assert pictures.open_checked(folders.thumbnail("a.jpg", "128", "png"), "PNG").size == (128, 96)


def test_a_new_version_replaces_the_thumbnail(one):
    folders = one.folders
    folders.drop("changes.png", pictures.encoded("PNG", 800, 600))
    one.wait_event("made", "changes.png")
    folders.drop("changes.png", pictures.encoded("PNG", 600, 800))
    one.wait_event("made", "changes.png", count=2)
    assert pictures.open_checked(folders.thumbnail("changes.png"), "JPEG").size == (192, 256)


def test_a_live_change_of_mtime_restamps_only(one):
    """unzip, Samba and touch(1) set the time after closing: no second rendering, but the thumbnail follows."""
    folders = one.folders
    folders.drop("dated.jpg", pictures.encoded())
    one.wait_made("dated.jpg")
    os.utime(folders.path("dated.jpg"), ns=(1_234_567_890_000_000_000,) * 2)
    one.wait(lambda: os.stat(folders.thumbnail("dated.jpg")).st_mtime_ns == 1_234_567_890_000_000_000, "the new time")
    folders.drop("behind-dated.jpg", pictures.encoded())
    one.wait_made("behind-dated.jpg", "dated.jpg")
