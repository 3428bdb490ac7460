# SPDX-License-Identifier: GPL-2.0-or-later
"""Where it happens: an ext4 of its own for each measurement, on a loop device, for creating a file where many have been deleted takes
up to twenty-five times as long.  Nothing is deleted before it is thrown away as a whole."""

import io
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

INODES_PER_MIB = 250  # one for 4 KiB
MEMORY = Path("/dev/shm")


def default_disk(mib):
    """Memory where there is enough of it, so that no other's disk traffic is measured."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > (mib << 20) * 2 else Path("/var/tmp")


class Ground:
    def __init__(self, path):
        self.path = path
        self._fresh = 0

    def fresh(self, name):
        """A new empty folder."""
        self._fresh += 1
        made = self.path / f"{self._fresh:03}-{name}"
        made.mkdir()
        return made

    def copies(self, name, originals, count):
        """A folder with `count` files, the originals one after the other, again and again."""
        folder = self.fresh(name)
        data = {path: path.read_bytes() for path in originals}
        for n in range(count):
            path = originals[n % len(originals)]
            (folder / f"{n:05}-{path.name}").write_bytes(data[path])
        os.sync()
        return folder


@contextmanager
def ground(disk=None, mib=8192):
    with tempfile.TemporaryDirectory(prefix=f"thumbnaild-bench-{os.getpid()}-", dir=disk or default_disk(mib)) as root:
        image, mounted = Path(root) / "image", Path(root) / "ext4"
        mounted.mkdir()
        with image.open("wb") as file:
            file.truncate(mib << 20)
        subprocess.run(
            ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-N", str(mib * INODES_PER_MIB), image], check=True
        )
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
        try:
            yield Ground(mounted)
        finally:
            subprocess.run(["umount", mounted], check=True)


def jpeg(picture, quality=85):
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return data.getvalue()
