# SPDX-License-Identifier: GPL-2.0-or-later
"""Many originals, and thumbnails that stand already, without anybody having rendered them.  Originals are hard links of some pictures;
thumbnails are files without content and with the record that the daemon would have given them, see daemon/supervisor/record.h."""

import hashlib
import io
import os

from PIL import Image

IN_A_FOLDER = 1000
LINKS_MAX = 60000  # ext4 allows 65000
XATTR = "user.thumbnaild"


def picture(number):
    data = io.BytesIO()
    Image.new("RGB", (160, 120), (number % 256, number * 7 % 256, 99)).save(data, "JPEG", comment=b"%d" % number)
    return data.getvalue()


def name(number):
    return f"{number // IN_A_FOLDER:04}/IMG_{number:07}.jpg"


def _folders(root, first, end):
    for number in range(first - first % IN_A_FOLDER, end, IN_A_FOLDER):
        (root / f"{number // IN_A_FOLDER:04}").mkdir(exist_ok=True)


def originals(inbox, aside, end, first=0):
    """Numbers `first` to `end` - 1, linked from `aside`."""
    _folders(inbox, first, end)
    for number in range(first, end):
        source = aside / f"{number // LINKS_MAX}.jpg"
        if number % LINKS_MAX == 0:
            source.write_bytes(picture(number))
        os.link(source, f"{inbox}/{name(number)}")


def base36(number, width=1):
    digits = ""
    while number or len(digits) < width:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def fingerprint(thumbnail):
    """What the program that made it calls its preset."""
    return os.getxattr(thumbnail, XATTR).split()[4].decode()


def record(info, file, preset):
    digest = int(hashlib.sha256(file.encode()).hexdigest()[:16], 16)
    return f"2 {base36(info.st_size)} {base36(info.st_ino)} {base36(info.st_mtime_ns)} {preset} {base36(digest, 13)}".encode()


def thumbnails(inbox, outbox, end, preset, first=0):
    """Of those originals, by the default preset."""
    _folders(outbox, first, end)
    for number in range(first, end):
        file = name(number)
        with open(f"{outbox}/{file}.256.jpg", "wb") as thumbnail:
            thumbnail.truncate(1)
            os.setxattr(thumbnail.fileno(), XATTR, record(os.stat(f"{inbox}/{file}"), file, preset))
