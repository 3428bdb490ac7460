# SPDX-License-Identifier: GPL-2.0-or-later
"""Outbox, processed or failed folders that go away or are replaced while they are served: what is made from then on lies where their
names lead, not in what once was there."""

import os
import shutil
import subprocess

import pictures
import pytest

GOOD = pictures.encoded(width=120, height=90)
BAD = b"no picture of any kind\n" * 20


def remove(folders, root):
    shutil.rmtree(root)


def rename(folders, root):
    os.rename(root, root.with_name("elsewhere"))


def replace(folders, root):
    rename(folders, root)
    root.mkdir()


def mount_over(folders, root):
    subprocess.run(["mount", "-t", "tmpfs", "none", root], check=True)


WAYS = [(which, how) for which in ("outbox", "processed", "failed") for how in (remove, rename, replace, mount_over)]
WAYS.remove(("failed", remove))  # who removes a reason asks for another try, and the daemon moves the original back meanwhile


@pytest.mark.parametrize("which, how", WAYS)
def test_a_root_that_is_not_there_any_more(folders, which, how):
    processed, failed = folders.root / "processed", folders.root / "failed"
    folder = f'originals = "move"; processed = "{processed}"; failed = "{failed}";'
    daemon = folders.start("-c", folders.config("limits = { free_mib = 0; };", folder=folder))

    def serve(name):
        folders.drop(f"{name}.jpg", GOOD)
        folders.drop(f"{name}-bad.jpg", BAD)
        places = [folders.thumbnail(f"{name}.jpg"), processed / f"{name}.jpg", failed / f"{name}-bad.jpg"]
        daemon.wait(lambda: all(os.path.exists(place) for place in places), f"{name} where its names lead")

    serve("before")
    how(folders, {"outbox": folders.outbox, "processed": processed, "failed": failed}[which])
    serve("after")
    assert "paused" not in daemon.status
    assert not folders.listing(folders.inbox)
    daemon.stop()
    if how is mount_over:
        subprocess.run(["umount", {"outbox": folders.outbox, "processed": processed, "failed": failed}[which]], check=True)


def test_what_lies_in_the_inbox_is_made_again_in_an_outbox_that_was_removed(folders):
    daemon = folders.start()
    folders.drop("a.jpg", GOOD)
    daemon.wait_made("a.jpg")
    shutil.rmtree(folders.outbox)
    daemon.wait_event("resumed")
    daemon.wait(lambda: folders.thumbnails() == [b"a.jpg.256.jpg"], "its thumbnail")


def test_two_folders_that_share_an_outbox_that_is_replaced(folders):
    inboxes = [folders.root / f"in{n}" for n in (1, 2)]
    for inbox in inboxes:
        inbox.mkdir()
    groups = [f'{{ inbox = "{inbox}"; outbox = "{folders.outbox}"; name = "{{folder}}/{{dir}}/{{file}}.jpg"; }}' for inbox in inboxes]
    config = folders.root / "two.conf"
    config.write_text("folders = (%s);\n" % ", ".join(groups))
    daemon = folders.start("-c", config)

    def serve(name):
        for inbox in inboxes:
            (inbox / f"{name}.jpg").write_bytes(GOOD)
        made = [folders.outbox / f"in{n}" / f"{name}.jpg.jpg" for n in (1, 2)]
        daemon.wait(lambda: all(path.exists() for path in made), f"{name} of both")

    serve("before")
    replace(folders, folders.outbox)
    serve("after")
    daemon.wait_event("resumed", count=2)
