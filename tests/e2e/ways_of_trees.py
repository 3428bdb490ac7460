# SPDX-License-Identifier: GPL-2.0-or-later
"""More rows for the table of ways.py: whole trees, and what is packed."""

import io
import subprocess
import tarfile
import zipfile

import pictures
from delivery import picture
from ways import QUIET, SFTP_SERVER, sftp, way

def tree(d, at=None):
    """Pictures at several depths below `at`, or as (path, data) when there is none; they are expected below `tree`."""
    small, found = pictures.encoded(width=120, height=90), []
    for i in range(6):
        for folder in (f"a{i}", f"a{i}/b/c"):
            for j in range(4):
                name = f"{folder}/{j}.jpg"
                d.expect(f"tree/{name}", small)
                found.append((name, small))
                if at:
                    (at / name).parent.mkdir(parents=True, exist_ok=True)
                    (at / name).write_bytes(small)
    return found


@way()
def tree_by_mv(d):
    tree(d, d.staging / "tree")
    d.run("mv", d.staging / "tree", d.folder)


@way()
def tree_by_cp(d):
    tree(d, d.staging / "tree")
    d.run("cp", "-r", d.staging / "tree", d.folder)


@way()
def tree_by_cp_a(d):
    tree(d, d.staging / "tree")
    d.run("cp", "-a", d.staging / "tree", d.folder)


@way()
def tree_by_links(d):
    tree(d, d.staging / "tree")
    d.run("cp", "-al", d.staging / "tree", d.folder)


@way()
def tree_by_rsync(d):
    tree(d, d.staging / "tree")
    d.run("rsync", "-a", d.staging / "tree", d.folder)


@way()
def tree_by_rsync_with_delayed_updates(d):
    tree(d, d.staging / "tree")
    d.run("rsync", "-a", "--delay-updates", d.staging / "tree", d.folder)


@way()
def tree_by_tar(d):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in tree(d):
            entry = tarfile.TarInfo(f"tree/{name}")
            entry.size, entry.mtime = len(data), 1_500_000_000
            archive.addfile(entry, io.BytesIO(data))
    process = d.start("tar", "-x", stdin=subprocess.PIPE)
    process.stdin.write(packed.getvalue())
    process.stdin.close()
    d.finish(process)


@way()
def tar_in_two_halves(d):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("a.png")
        entry.size, entry.mtime = len(picture()), 1_500_000_000
        archive.addfile(entry, io.BytesIO(d.source(picture()).read_bytes()))
    d.fed("tar", "-x", data=packed.getvalue())


@way()
def tree_by_unzip(d):
    with zipfile.ZipFile(d.staging / "packed.zip", "w") as archive:
        for name, data in tree(d):
            archive.writestr(f"tree/{name}", data)
    d.run("unzip", "-q", d.staging / "packed.zip")


@way()
def tree_by_sftp(d):
    tree(d, d.staging / "tree")
    d.run(*sftp(d, SFTP_SERVER, f"put -r {d.staging}/tree {d.folder}/tree"), **QUIET)


@way()
def tree_by_smb(d):
    tree(d, d.staging / "tree")
    d.run(*d.smb.client(d.smb.port, f"cd {d.remote}", f"lcd {d.staging}", "prompt off", "recurse on", "mput tree"), **QUIET)


@way()
def tree_by_a_program(d):
    """mkdir -p and write, at once."""
    tree(d, d.folder / "tree")
