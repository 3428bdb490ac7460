# SPDX-License-Identifier: GPL-2.0-or-later
"""Names are bytes: any of them, kept as they are, exact in the journal's fields and harmless in its sentences."""

import hashlib
import os

import pictures
import pytest

NAMES = [
    b"two words.jpg",
    b" leading and trailing .jpg ",
    b"new\nline.jpg",
    b"-rf.jpg",
    b"--help",
    b"'single' \"double\" `back`.jpg",
    b"$(touch CANARY).jpg",
    b"semi;colon & ampersand|pipe>.jpg",
    b"per%cent %s %n.jpg",
    b"back\\slash\\n.jpg",
    b"options.jpg[shrink=8]",
    b"{file}.{preset}.jpg",
    b"caf\xc3\xa9.jpg",
    b"latin1-\xe9.jpg",
    b"\xff\xfe\x80.jpg",
    b"cut-\xe2\x82.jpg",
    b"\x01\x02\x1b[31mred\x1b[0m\x7f.jpg",
    "right-to-left \u202egpj.exe.jpg".encode(),
    "zero\u200bwidth \U0001f4f7.jpg".encode(),
    b"tab\tand\rreturn.jpg",
    b"no-extension",
    b"two.dots.jpg.jpg",
    b"a.256.jpg",
    b"equals=sign.jpg",
    b"THUMBNAILD_EVENT=made",
]


@pytest.fixture(scope="module")
def one(shared):
    return shared.start("-i", shared.inbox, "-o", shared.outbox, "-w", "2")


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name.decode(errors="replace")) for name in NAMES])
def test_any_name(one, name):
    one.folders.drop(name, pictures.encoded(width=80, height=60))
    one.wait_made(name)
    assert pictures.open_checked(one.folders.thumbnail(name), "JPEG").size == (80, 60)
    sentence = one.events("made", name)[0].message  # decodes as UTF-8, or this line fails
    assert all(c >= " " and c != "\x7f" and not "\u202a" <= c <= "\u202e" for c in sentence), ascii(sentence)


def test_the_same_stem_twice(one):
    """cat.jpg and cat.png are two pictures."""
    one.folders.drop("cat.jpg", pictures.encoded("JPEG", 90, 60))
    one.folders.drop("cat.png", pictures.encoded("PNG", 60, 90))
    one.wait_made("cat.jpg", "cat.png")
    assert pictures.open_checked(one.folders.thumbnail("cat.jpg"), "JPEG").size == (90, 60)
    assert pictures.open_checked(one.folders.thumbnail("cat.png"), "JPEG").size == (60, 90)


@pytest.mark.parametrize("name", [b"x" * 251 + b".jpg", b"y" + "é".encode() * 125 + b".jpg", b"\xe9" * 251 + b".jpg"], ids=["ascii", "utf-8", "latin-1"])
def test_a_name_as_long_as_can_be(one, name):
    """The thumbnail's would be longer: it is cut, at a whole character, and told apart by a checksum of what it should be."""
    assert len(name) == 255
    one.folders.drop(name, pictures.encoded(width=80, height=60))
    one.wait_made(name)
    mark = b"~" + hashlib.sha256(name + b".256.jpg").hexdigest()[:8].encode()
    (found,) = [thumbnail for thumbnail in one.folders.thumbnails() if mark in thumbnail]
    assert 200 < len(found) <= 255 and found.endswith(b".256.jpg")
    if b"\xc3" in name:
        found.decode()
    kept = found.partition(b"~")[0]
    assert name.startswith(kept) and len(kept) >= 255 - len(mark) - len(b".256.jpg") - 1


def test_long_names_that_differ_at_the_end_only(one):
    names = [b"z" * 250 + end + b".jpg" for end in (b"1", b"2")]
    for name in names:
        one.folders.drop(name, pictures.encoded(width=80, height=60))
    one.wait_made(*names)
    assert len([name for name in one.folders.thumbnails() if name.startswith(b"zzz")]) == 2


def test_a_deep_path(one):
    """As deep as names can be written down: the daemon goes by descriptors, PATH_MAX is no limit of the file system."""
    folder = one.folders.inbox
    for depth in range(30):
        folder /= f"{depth:02}" + "d" * 60
    folder.mkdir(parents=True)
    name = os.fsencode((folder / "deep.jpg").relative_to(one.folders.inbox))
    one.folders.drop(name, pictures.encoded(width=80, height=60))
    one.wait_made(name)
    assert os.path.exists(one.folders.thumbnail(name))


def test_a_name_that_is_held_by_something_else_is_never_overwritten(one):
    folders = one.folders
    taken = folders.outbox / "taken.jpg.256.jpg"
    taken.write_bytes(b"somebody's own")
    folders.drop("taken.jpg", pictures.encoded(width=80, height=60))
    failed = one.wait_event("failed", "taken.jpg")
    assert failed.text("REASON") == "name-taken"
    assert taken.read_bytes() == b"somebody's own"
