# SPDX-License-Identifier: GPL-2.0-or-later
"""What must hold after any crash, looked at from outside: files and their bytes, nothing that the daemon says of itself.  Each picture
has a colour of its own, so that a thumbnail can be told to be that picture's, of that version."""

import hashlib
import io
import os
import random
import re

import pictures
from PIL import Image

PRESETS = {"a": 24, "b": 40}
PRESET_LINES = [f'name = "{name}"; width = {width};' for name, width in PRESETS.items()]
TOLERANCE = 6
STEPS = 16


def colour(number):
    """4096 of them, each at least 16 from every other in one channel."""
    return tuple(8 + 16 * (number // STEPS**channel % STEPS) for channel in range(3))


def picture(number):
    """A plain picture, with some bytes behind it that make its size its own."""
    return pictures.encode(Image.new("RGB", (48, 36), colour(number)), "JPEG", quality=90, comment=b"%d " % number * (1 + number % 50))


class Campaign:
    """Originals that were put into an inbox, and what is to become of them."""

    def __init__(self, folders, originals, recursive=True):
        self.folders = folders
        self.originals = originals
        self.processed = folders.root / "processed"
        self.failed = folders.root / "failed"
        self.versions = {}  # name → numbers, the latest last
        self._next = 0

    def config(self, workers=2, **more):
        processed = f'processed = "{self.processed}";' if self.originals == "move" else ""
        folder = f'originals = "{self.originals}"; {processed} failed = "{self.failed}"; abandon_seconds = 86400;'
        text = f"workers = {workers}; limits = {{ free_mib = 0; }};"
        return self.folders.config(text, folder=folder, presets=PRESET_LINES, **more)

    def drop(self, name):
        number = self._next = self._next + 1
        self.versions.setdefault(name, []).append(number)
        parent = os.path.dirname(self.folders.path(name))
        if not os.path.isdir(parent):
            os.makedirs(parent)
        self.folders.drop(name, picture(number))

    def drop_many(self, count, random_=random):
        for _ in range(count):
            n = self._next + 1
            self.drop(random_.choice([f"{n:04}.jpg", f"{n:04}.jpg", f"sub{n % 3}/{n:04}.jpg", f"deep/er/{n % 7}/{n:04}.jpg"]))


def digest(data):
    return hashlib.sha256(data).hexdigest()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def walk(root):
    for folder, _, files in os.walk(root):
        for file in files:
            path = os.path.join(folder, file)
            yield os.path.relpath(path, root), path


def walk_list(root):
    return [name for name, _ in walk(root)]


def thumbnail_number(path):
    """Decode it whole; its colour."""
    data = read(path)
    made = Image.open(io.BytesIO(data))
    made.load()
    assert made.format == "JPEG", path
    return made.convert("RGB").resize((1, 1)).getpixel((0, 0)), made.size


def shows(path, number, preset):
    seen, size = thumbnail_number(path)
    assert size[0] == PRESETS[preset], f"{path} is {size}"
    return all(abs(a - b) <= TOLERANCE for a, b in zip(seen, colour(number)))


def without(name, prefix=".thumbnaild~"):
    """What a kill has left set aside is an original all the same."""
    folder, base = os.path.split(name)
    return os.path.join(folder, base[len(prefix) :] if base.startswith(prefix) else base)


def check(campaign, inbox=None, outbox=None, complete=False, failed=None, processed=None):
    """After a crash; with `complete` after the daemon has done all that was to do.  Raises AssertionError."""
    folders = campaign.folders
    inbox, outbox = inbox or folders.inbox, outbox or folders.outbox
    failed, processed = failed or campaign.failed, processed or campaign.processed
    known = {digest(picture(number)): number for numbers in campaign.versions.values() for number in numbers}
    present = {}  # number → where
    for root in (inbox, processed, failed):
        for name, path in walk(root):
            if name.endswith(".why.txt"):
                continue
            base = os.path.basename(name)
            found = known.get(digest(read(path)))
            if found is None:
                # A copy that was not finished has no original's name.
                assert base.startswith(".thumbnaild") and not complete, f"{path} is no whole original"
                continue
            present.setdefault(found, []).append(path)
            if complete:
                assert not base.startswith("."), f"{path} is a temporary name"
    reasons = [path for name, path in walk(failed) if name.endswith(".why.txt")]
    assert not reasons, f"innocent pictures failed: {[(path, read(path)) for path in reasons]}"

    for name, numbers in campaign.versions.items():
        latest, standing = numbers[-1], {}
        for preset in PRESETS:
            path = os.path.join(outbox, f"{name}.{preset}.jpg")
            if os.path.exists(path):
                standing[preset] = next((number for number in reversed(numbers) if shows(path, number, preset)), None)
                assert standing[preset], f"{path} shows another picture"
        made = all(standing.get(preset) == latest for preset in PRESETS)
        if campaign.originals == "delete":
            assert made or latest in present, f"{name} is lost: thumbnails {standing}, version {latest}"
        else:
            assert latest in present, f"{name} is lost"
        if complete:
            assert made, f"{name}: thumbnails {standing}, not of version {latest}"
            where = present.get(latest, [])
            if campaign.originals == "delete":
                assert not where, f"{where} should have been deleted"
            elif campaign.originals == "move":
                assert [path for path in where if path.startswith(str(processed))], f"{where} should have been moved"
                assert len(where) == 1, f"{where}: twice"
            else:
                assert where == [os.path.join(str(inbox), name)], where

    for name, path in walk(outbox):
        if name.split(os.sep)[0] == ".thumbnaild":
            if complete:
                assert os.sep + "tmp" + os.sep not in os.sep + name, f"{path} was left behind"
            continue
        original, preset = name[: -len(".a.jpg")], name.split(".")[-2]
        if campaign.originals == "delete":  # an older version whose delete was interrupted comes back numbered if its name is taken
            original = re.sub(r"~\d+(?=\.jpg$)", "", original)
        assert preset in PRESETS and original in campaign.versions, f"{path} is nothing that was asked for"
        assert os.path.getsize(path) > 0, f"{path} is empty"
    return present


def right_ones(campaign, outbox=None):
    """Thumbnails that show the latest version, as they stand: nobody need make them again."""
    outbox, found = outbox or campaign.folders.outbox, {}
    for name, numbers in campaign.versions.items():
        for preset in PRESETS:
            path = os.path.join(outbox, f"{name}.{preset}.jpg")
            if os.path.exists(path) and shows(path, numbers[-1], preset):
                found[path] = os.stat(path).st_ino
    return found


def check_nothing_made_again(before):
    again = [path for path, inode in before.items() if os.stat(path).st_ino != inode]
    assert not again, f"made again although they were right: {again}"
