#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What durability costs: the time of --once over small pictures with originals = "delete", with "keep", and with "keep" when fsync(2)
does nothing, in turn, each on an ext4 of its own on a loop device, and their medians.  As root, on a machine that does nothing else:

    THUMBNAILD_BUILD=build tests/fault/measure-durability.py [--files N] [--rounds N] [--directory DIR]

Wanted: "delete" at least 80 % of the throughput of "keep", and "keep" at least 90 % of that without syncing."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "e2e")]

import pictures  # noqa: E402
from daemon import ENVIRONMENT, PROGRAM  # noqa: E402
from fault import NOTHING, Faults  # noqa: E402

WAYS = ("delete", "keep", "unsynced")


def measure(root, way, files, data, size):
    image, disk = root / "image", root / "disk"
    with open(image, "wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
    disk.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, disk], check=True)
    try:
        for name in ("inbox", "outbox"):
            (disk / name).mkdir()
        for n in range(files):
            (disk / "inbox" / f"{n:06}.jpg").write_bytes(data)
        os.sync()
        config = root / "conf"
        originals = "delete" if way == "delete" else "keep"
        config.write_text(f'folders = ( {{ inbox = "{disk}/inbox"; outbox = "{disk}/outbox"; originals = "{originals}"; }} );\n')
        faults = Faults(SimpleNamespace(root=root))
        if way == "unsynced":
            faults.arm("fsync", NOTHING)
            faults.arm("sync_file_range", NOTHING)
        began = time.monotonic()
        done = subprocess.run([*faults.prefix, PROGRAM, "--once", "-c", config], env=ENVIRONMENT, stderr=subprocess.PIPE)
        took = time.monotonic() - began
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
        assert len(os.listdir(disk / "outbox")) >= files
        assert (len(os.listdir(disk / "inbox")) == 0) == (way == "delete")
        return files / took
    finally:
        subprocess.run(["umount", disk], check=True)
        image.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=500, help="of the pictures; the height is three quarters of it")
    parser.add_argument("--directory", default="/var/tmp", help="where the image is made")
    options = parser.parse_args()
    data = pictures.encoded(width=options.width, height=options.width * 3 // 4)
    size = max(512 << 20, 3 * options.files * (len(data) + 20000))
    rates = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(dir=options.directory) as root:
        for turn in range(options.rounds):
            for way in WAYS:
                rates[way].append(measure(Path(root), way, options.files, data, size))
                print(f"round {turn + 1}: {way:9} {rates[way][-1]:8.0f}/s", flush=True)
    medians = {way: statistics.median(rates[way]) for way in WAYS}
    for way in WAYS:
        print(f"median: {way:9} {medians[way]:8.0f}/s, {min(rates[way]):.0f} to {max(rates[way]):.0f}")
    print(f"delete / keep {medians['delete'] / medians['keep']:.2f} (0.80 wanted), "
          f"keep / unsynced {medians['keep'] / medians['unsynced']:.2f} (0.90 wanted)")


if __name__ == "__main__":
    main()
