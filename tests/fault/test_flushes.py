# SPDX-License-Identifier: GPL-2.0-or-later
"""What durability costs, counted: how often the disk is told to flush what it keeps in its memory.  Of a hard disk or a cheap SSD that takes
milliseconds, and nothing else limits a daemon more that makes small thumbnails there."""

import os
import subprocess
from pathlib import Path

import pictures
import pytest
from test_power_cut import make_ext4

FILES = 300


def flushes(disk):
    """By the kernel's statistics of a block device, see Documentation/block/stat.rst."""
    device = subprocess.run(["findmnt", "-n", "-o", "SOURCE", "-T", disk], check=True, capture_output=True, text=True).stdout.strip()
    return int(Path(f"/sys/block/{Path(device).name}/stat").read_text().split()[15])


@pytest.mark.parametrize("originals", ["keep", "move", "delete"])
def test_a_group_is_durable_for_one_flush(folders, mounts, originals):
    memory, disk = mounts(folders.root / "memory", "-t", "tmpfs", "none"), folders.root / "disk"
    make_ext4(memory / "image")
    mounts(disk, "-o", "loop", memory / "image")
    for name in ("inbox", "outbox", "processed"):
        (disk / name).mkdir()
    processed = f'processed = "{disk}/processed";' if originals == "move" else ""
    config = folders.root / "conf"
    config.write_text(
        "limits = { free_mib = 0; };\n"
        f'folders = ( {{ inbox = "{disk}/inbox"; outbox = "{disk}/outbox"; originals = "{originals}"; {processed} }} );\n'
    )
    data = pictures.encoded(width=64, height=48)
    for n in range(FILES):
        (disk / "inbox" / f"{n:04}.jpg").write_bytes(data)
    os.sync()
    before = flushes(disk)
    done = folders.run("--once", "-c", config)
    assert done.returncode == 0, done.stderr
    assert len([name for name in os.listdir(disk / "outbox") if name.endswith(".jpg")]) == FILES
    assert len(os.listdir(disk / "inbox")) == (FILES if originals == "keep" else 0)
    needed = flushes(disk) - before
    print(f"{needed} flushes for {FILES} pictures, originals = {originals}")
    # Folders that originals leave are synced beside the thumbnails: such a commit may come between a group's content and its sync, and this
    # disk is over with it before the group can join.  One by one they took 1780 of 600.
    assert 0 < needed < (FILES / 2 if originals == "keep" else FILES)
