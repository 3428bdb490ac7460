# SPDX-License-Identifier: GPL-2.0-or-later
"""What the keys of the configuration do, beyond what other tests show by the way."""

import grp
import os

import pictures
import pytest

SMALL = dict(width=120, height=90)


def serve(folders, text="", **how):
    return folders.start("-c", folders.config("workers = 1;" + text, **how))


@pytest.mark.parametrize("umask", ["022", "077"])
@pytest.mark.parametrize("mode", [0o640, 0o664])
def test_mode_and_group_of_thumbnails(folders, mode, umask):
    group = grp.getgrnam("daemon")
    daemon = folders.start("-c", folders.config(folder=f'mode = {mode:#x}; group = "{group.gr_name}";'),
                           prefix=["sh", "-c", f'umask {umask} && exec "$@"', "-"])  # fmt: skip
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")
    info = os.stat(folders.thumbnail("a.jpg"))
    assert (info.st_mode & 0o7777, info.st_gid) == (mode, group.gr_gid)


def test_ignore_is_added_to_the_built_in_list(folders):
    daemon = serve(folders, folder='ignore = [ "*.psd", "draft-*" ];')
    for name in ("a.psd", "draft-b.jpg", ".c.jpg", "d.jpg"):
        folders.drop(name, pictures.encoded(**SMALL))
    daemon.wait_made("d.jpg")
    daemon.stop()
    assert folders.thumbnails() == [b"d.jpg.256.jpg"]
    assert not [record for record in daemon.events() if record.file not in (None, b"d.jpg")]


def ignored(daemon):
    return {record.file: record.text("RULE") for record in daemon.events("skipped", reason="ignored")}


def test_verbose_names_what_is_ignored_and_why(folders):
    """By a scan and as it comes, each name once; what is written under such a name is not told again and again."""
    (folders.inbox / "@eaDir").mkdir()
    (folders.inbox / "@eaDir" / "in-it.jpg").write_bytes(pictures.encoded(**SMALL))
    folders.drop("before.psd", b"8BPS")
    daemon = serve(folders, folder='verbose = true; ignore = [ "*.psd" ];')
    daemon.wait_event("skipped", "before.psd")
    (folders.inbox / ".hidden").mkdir()
    with open(folders.path("upload.part"), "wb") as file:
        file.write(b"some")
    os.chmod(folders.path("upload.part"), 0o600)
    folders.drop("Thumbs.db", b"")
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("a.jpg")
    rules = {b"@eaDir": "@eaDir", b"before.psd": "*.psd", b".hidden": ".*", b"upload.part": "*.part", b"Thumbs.db": "Thumbs.db"}
    assert ignored(daemon) == rules
    assert len(daemon.events("skipped")) == len(rules)
    folders.config("workers = 1;")
    assert daemon.reload().event == "reloaded"
    folders.drop(".later.jpg", b"")
    folders.drop("b.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("b.jpg")
    assert ignored(daemon) == rules


def test_a_folder_that_a_reload_ignores_is_left_alone_at_once(folders):
    """It is watched already, and what comes there is heard of."""
    daemon = serve(folders)
    (folders.inbox / "drafts").mkdir()
    folders.drop("drafts/a.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("drafts/a.jpg")
    folders.config("workers = 1;", folder='ignore = [ "drafts" ];')
    assert daemon.reload().event == "reloaded"
    folders.drop("drafts/b.jpg", pictures.encoded(**SMALL))
    folders.drop("c.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("c.jpg")
    daemon.stop()
    assert not daemon.events("made", "drafts/b.jpg")


def test_without_recursive_folders_are_left_alone(folders):
    (folders.inbox / "before").mkdir()
    (folders.inbox / "before" / "a.jpg").write_bytes(pictures.encoded(**SMALL))
    daemon = serve(folders, folder='recursive = false; name = "{file}.{preset}.{ext}";')
    (folders.inbox / "after").mkdir()
    (folders.inbox / "after" / "b.jpg").write_bytes(pictures.encoded(**SMALL))
    folders.drop("c.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("c.jpg")
    daemon.stop()
    assert folders.thumbnails() == [b"c.jpg.256.jpg"]


@pytest.mark.parametrize(
    "template, original, thumbnail",
    [
        ("{preset}/{dir}/{file}.{ext}", "x/y/a.jpg", b"256/x/y/a.jpg.jpg"),
        ("{preset}/{dir}/{file}.{ext}", "a.jpg", b"256/a.jpg.jpg"),
        ("{dir}/thumb-{file}.{ext}", "x/a.jpg", b"x/thumb-a.jpg.jpg"),
        ("{folder}/{dir}/{file}.{ext}", "x/a.jpg", b"inbox/x/a.jpg.jpg"),
        ("{dir}/{stem}/{file}.{ext}", "x/a.b.jpg", b"x/a.b/a.b.jpg.jpg"),
    ],
)
def test_names(folders, template, original, thumbnail):
    (folders.inbox / original).parent.mkdir(parents=True, exist_ok=True)
    daemon = serve(folders, folder=f'name = "{template}";')
    folders.drop(original, pictures.encoded(**SMALL))
    daemon.wait_made(original)
    assert folders.thumbnails() == [thumbnail]


def test_a_folder_has_the_presets_that_it_names(folders):
    presets = ['name = "a"; width = 10;', 'name = "b"; width = 20;', 'name = "c"; width = 30;']
    daemon = serve(folders, presets=presets, folder='thumbnails = [ "c", "a" ];')
    folders.drop("x.jpg", pictures.encoded(**SMALL))
    daemon.wait_made("x.jpg")
    assert folders.thumbnails() == [b"x.jpg.a.jpg", b"x.jpg.c.jpg"]


def test_two_folders_share_an_outbox(folders):
    second = folders.root / "second"
    second.mkdir()
    template = 'name = "{folder}/{dir}/{file}.{ext}";'
    path = folders.config(folder=template)
    path.write_text(
        path.read_text().replace("folders = (", f'folders = ( {{ inbox = "{second}"; outbox = "{folders.outbox}"; {template} }},')
    )
    (second / "a.jpg").write_bytes(pictures.encoded(width=90, height=120))
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    daemon = folders.start("-c", path)
    daemon.wait_event("made", "a.jpg", count=2)
    assert folders.thumbnails() == [b"inbox/a.jpg.jpg", b"second/a.jpg.jpg"]
    assert pictures.open_checked(folders.outbox / "second/a.jpg.jpg", "JPEG").size == (90, 120)


FORMS = {"inside": (160, 90), "cover": (200, 90), "pad": (200, 90), "stretch": (200, 90)}


def test_the_four_fits(folders):
    """Into 200x90, of a picture of 16:9."""
    daemon = serve(folders, presets=[f'name = "{fit}"; width = 200; height = 90; fit = "{fit}"; format = "png";' for fit in FORMS])
    folders.drop("a.png", pictures.encoded("PNG", 640, 360))
    daemon.wait_made("a.png")
    sizes = {fit: pictures.open_checked(folders.thumbnail("a.png", fit, "png"), "PNG").size for fit in FORMS}
    assert sizes == FORMS


LIMITED = [
    ("file_mib = 1;", "big.jpg", lambda: pictures.encoded(width=1200, height=1000, seed=1, quality=97), "too-large"),
    ("megapixels = 1;", "wide.png", lambda: pictures.encoded("PNG", 1100, 1000), "too-large"),
]


@pytest.mark.parametrize("limit, name, data, reason", LIMITED, ids=["file_mib", "megapixels"])
def test_limits(folders, limit, name, data, reason):
    """What is beyond fails with a reason, and is made after a reload that raises the limit."""
    daemon = serve(folders, "limits = { %s };" % limit)
    folders.drop(name, data())
    folders.drop("small.jpg", pictures.encoded(**SMALL))
    assert daemon.wait_event("failed", name).text("REASON") == reason
    daemon.wait_made("small.jpg")
    folders.config("workers = 1; limits = { %s };" % limit.replace("1", "50"))
    assert daemon.reload().event == "reloaded"
    daemon.wait_made(name, "small.jpg")


def test_loaders(folders):
    """What is not on the list is not read, be it ever so common."""
    daemon = serve(folders, 'loaders = [ "png" ];')
    folders.drop("a.jpg", pictures.encoded(**SMALL))
    folders.drop("a.png", pictures.encoded("PNG", **SMALL))
    daemon.wait_made("a.png")
    assert daemon.wait_event("failed", "a.jpg").text("REASON") == "unsupported"
    folders.config('workers = 1; loaders = [ "png", "jpeg" ];')
    assert daemon.reload().event == "reloaded"
    daemon.wait_made("a.jpg", "a.png")


def test_a_loader_added_needs_other_workers(folders):
    """A worker loads only what its configuration may ask of it."""
    daemon = serve(folders, 'loaders = [ "png", "jpeg" ];')
    folders.drop("a.bmp", pictures.encoded("BMP", **SMALL))
    folders.drop("a.png", pictures.encoded("PNG", **SMALL))
    daemon.wait_made("a.png")
    assert daemon.wait_event("failed", "a.bmp").text("REASON") == "unsupported"
    before = daemon.workers()
    folders.config('workers = 1; loaders = [ "png", "jpeg", "bmp" ];')
    assert daemon.reload().event == "reloaded"
    assert daemon.wait_event("made", "a.bmp").number("WORKER_PID") not in before
