# SPDX-License-Identifier: GPL-2.0-or-later
"""--check-config: every mistake is named with file and line, and with what was probably meant.  Nothing is accepted in silence."""

import re

import pytest

FOLDERS = 'folders = ( { inbox = "%(inbox)s"; outbox = "%(outbox)s"; } );\n'


def in_folder(text):
    return 'folders = (\n  { inbox = "%(inbox)s"; outbox = "%(outbox)s";\n    ' + text + " } );\n"


def in_preset(text):
    return 'thumbnails = (\n  { name = "p"; width = 100;\n    ' + text + " } );\n" + FOLDERS


def in_limits(text):
    return "limits = {\n  file_mib = 10;\n  " + text + " };\n" + FOLDERS


# The whole file, the line that is to be blamed, and what has to be said (a regular expression).
WRONG = [
    # spelling
    ("wrokers = 1;\n" + FOLDERS, 1, "'wrokers'.*'workers'"),
    ("\n\nstop_second = 1;\n" + FOLDERS, 3, "'stop_second'.*'stop_seconds'"),
    ("elephants = 1;\n" + FOLDERS, 1, "'elephants'"),
    (in_folder("recursiv = true;"), 3, "'recursiv'.*'recursive'"),
    (in_preset("qualty = 80;"), 3, "'qualty'.*'quality'"),
    (in_limits("megapixel = 3;"), 3, "'megapixel'.*'megapixels'"),
    (in_preset('fit = "insied";'), 3, '"insied".*"inside"'),
    (in_preset('format = "jpg";'), 3, '"jpg".*"jpeg"'),
    (in_preset('format = "bmp";'), 3, "'format'.*\"bmp\""),
    ('sandbox = "none";\n' + FOLDERS, 1, "'sandbox'.*\"none\""),
    # types
    ('workers = "2";\n' + FOLDERS, 1, "'workers'.*integer.*string"),
    ("workers = 2.0;\n" + FOLDERS, 1, "'workers'.*integer"),
    ("workers = true;\n" + FOLDERS, 1, "'workers'.*integer"),
    ("sandbox = 1;\n" + FOLDERS, 1, "'sandbox'.*string"),
    (in_folder("recursive = 1;"), 3, "'recursive'.*true or false"),
    (in_folder("name = 1;"), 3, "'name'.*string"),
    (in_folder('ignore = "*.psd";'), 3, "'ignore'.*array"),
    (in_folder("ignore = [ 1, 2 ];"), 3, "'ignore'.*string"),
    (in_folder('thumbnails = "p";'), 3, "'thumbnails'.*array"),
    (in_preset('width = "100";').replace(" width = 100;", ""), 3, "'width'.*integer"),
    ("limits = ( 1 );\n" + FOLDERS, 1, "'limits'"),
    ('folders = { inbox = "/a"; };\n', 1, "'folders'"),
    ("folders = ( 1 );\n", 1, "'folders'.*group"),
    ("thumbnails = [ 1 ];\n" + FOLDERS, 1, "'thumbnails'"),
    # ranges
    ("workers = -1;\n" + FOLDERS, 1, "'workers'.*-1"),
    ("workers = 100000;\n" + FOLDERS, 1, "'workers'.*100000"),
    (in_preset("quality = 0;"), 3, "'quality'.*1 to 100"),
    (in_preset("quality = 101;"), 3, "'quality'.*1 to 100"),
    (in_preset("height = 0;"), 3, "'height'"),
    (in_preset("height = 100000;"), 3, "'height'"),
    (in_preset("effort = 10;"), 3, "'effort'.*0 to 9"),
    (in_limits("seconds = 0;"), 3, "'seconds'"),
    (in_folder("mode = 0;"), 3, "'mode'"),
    (in_folder("mode = 4096;"), 3, "'mode'"),
    (in_folder("settle_ms = -5;"), 3, "'settle_ms'"),
    # libconfig wraps them in silence
    ("workers = 99999999999;\n" + FOLDERS, 1, "99999999999.*nine digits"),
    ("\nstop_seconds = 4294967297;\n" + FOLDERS, 2, "4294967297.*nine digits"),
    (in_limits("file_mib = 9999999999L;"), 3, "9999999999.*nine digits"),
    (in_folder("mode = 0x1000001a4;"), 3, "nine digits|'mode'"),
    ("workers = 1000000001;\n" + FOLDERS, 1, "1000000001.*nine digits"),
    # presets
    ("thumbnails = ( { width = 10; } );\n" + FOLDERS, 1, "no 'name'"),
    ('thumbnails = ( { name = "p"; } );\n' + FOLDERS, 1, "'width' or 'height'"),
    ('thumbnails = ( { name = "p/q"; width = 10; } );\n' + FOLDERS, 1, '"p/q"'),
    ('thumbnails = ( { name = ""; width = 10; } );\n' + FOLDERS, 1, "name"),
    ('thumbnails = ( { name = "%s"; width = 10; } );\n' % ("p" * 33) + FOLDERS, 1, "1 to 32"),
    ('thumbnails = ( { name = "p"; width = 10; },\n { name = "p"; width = 20; } );\n' + FOLDERS, 2, '"p"'),
    ("thumbnails = ( );\n" + FOLDERS, 1, "'thumbnails'"),
    (in_preset('fit = "cover";'), 2, "'width' and 'height'"),
    (in_preset('crop = "north";'), 2, "'crop'"),
    (in_preset("lossless = true;"), 2, "'lossless'"),
    (in_preset('background = "white";'), 3, "'background'.*\"white\""),
    (in_folder('thumbnails = [ "nosuch" ];'), 3, '"nosuch"'),
    (in_folder('thumbnails = [ "256", "256" ];'), 3, '"256".*twice'),
    (in_folder("thumbnails = [ ];"), 2, "thumbnails|preset"),
    ('loaders = [ "jepg" ];\n' + FOLDERS, 1, '"jepg"'),
    # folders
    ("workers = 1;\n", 1, "'folders'"),
    ("folders = ( );\n", 1, "'folders'"),
    ('folders = ( { outbox = "%(outbox)s"; } );\n', 1, "no 'inbox'"),
    ('folders = ( { inbox = "%(inbox)s"; } );\n', 1, "no 'outbox'"),
    ('folders = ( { inbox = "in"; outbox = "%(outbox)s"; } );\n', 1, "absolute"),
    ('folders = (\n{ inbox = "%(inbox)s"; outbox = "%(outbox)s"; },\n{ inbox = "%(inbox)s"; outbox = "/o"; } );\n', 3, "inbox"),
    (in_folder('group = "no-such-group";'), 2, '"no-such-group"'),
    # templates that could let two originals or presets meet
    (in_folder('name = "{dir}/{stem}.{preset}.{ext}";'), 2, r"\{file\}"),
    (in_folder('name = "{file}.{preset}.{ext}";'), 2, r"\{dir\}"),
    (in_folder('name = "{dir}/{file}{file}.jpg";'), 2, r"\{file\}"),
    (in_folder('name = "{dir}/{file}.{nosuch}";'), 2, r"\{dir\}, \{file\}"),
    (in_folder('name = "/{dir}/{file}";'), 2, "relative"),
    (in_folder('name = "../{dir}/{file}";'), 2, "relative"),
    (
        'thumbnails = ( { name = "a"; width = 1; }, { name = "b"; width = 2; } );\n' + in_folder('name = "{dir}/{file}.{ext}";'),
        3,
        '"a" and "b"',
    ),
    (
        'folders = (\n{ inbox = "%(inbox)s"; outbox = "%(outbox)s"; },\n{ inbox = "/b"; outbox = "%(outbox)s"; } );\n',
        "[23]",
        r"\{folder\}",
    ),
    # in the contract, and not built yet
    # watching
    (in_folder('watch = "polling";'), 3, "'watch'"),
    (in_folder("poll_seconds = 0;"), 3, "'poll_seconds'"),
    # originals
    (in_folder('originals = "delete"; orphans = "delete";'), 2, 'orphans = "delete"'),
    (in_folder('originals = "move";'), 2, "'processed'"),
    (in_folder('originals = "mvoe"; processed = "/processed";'), 3, '"mvoe".*"move"'),
    (in_folder('processed = "/processed";'), 2, "'processed'.*\"move\""),
    (in_folder('failed = "failed";'), 2, "'failed'.*absolute"),
    (in_folder('failed = "%(inbox)s/failed";'), 2, "failed"),
    (in_folder('originals = "move"; processed = "%(outbox)s";'), 2, "processed"),
    (in_folder("abandon_seconds = -1;"), 3, "'abandon_seconds'"),
    # syntax
    ("workers = 1\nsandbox = ;\n" + FOLDERS, 2, "syntax error"),
    ("workers = 1;\nworkers = 2;\n" + FOLDERS, 2, "duplicate"),
    ("\ufeffworkers = 1;\n" + FOLDERS, 1, "."),
    ('@include "other.conf"\n' + FOLDERS, 1, "@include"),
    ('sandbox = "full\n' + FOLDERS, "[0-9]+", "syntax error|string"),
    ("", 1, "'folders'"),
]

RIGHT = [
    FOLDERS,
    "# comment: wrokers = 99999999999\n/* 99999999999\n */ // 99999999999\n" + FOLDERS,
    'workers = 0; stop_seconds = 30; sandbox = "full";\n' + FOLDERS,
    'sandbox = "available";\n' + FOLDERS,
    'thumbnails = ( { name = "256"; width = 256; height = 256; fit = "inside"; format = "jpeg"; quality = 80; },\n'
    ' { name = "card"; width = 640; height = 360; fit = "cover"; crop = "attention"; format = "webp"; quality = 75; } );\n' + FOLDERS,
    in_preset('format = "png"; lossless = true; background = "#ffFF00"; sharpen = 0.5; strip = false; profile = "keep";'),
    in_preset("sharpen = 1; upscale = true; effort = 0;"),
    in_folder('originals = "keep"; orphans = "keep"; watch = "auto"; recursive = true; settle_ms = 0; mode = 420; group = "";'),
    in_folder('mode = 0x1a4; ignore = [ "*.psd" ]; thumbnails = [ "256" ]; name = "{dir}/{file}.{preset}.{ext}";'),
    in_folder('originals = "move"; processed = "/processed"; failed = "/failed"; abandon_seconds = 5;'),
    in_folder('originals = "delete"; failed = "/failed";'),
    in_folder('recursive = false; name = "{file}.jpg";'),
    in_folder('name = "{preset}/{dir}/{file}.{ext}"; '),
    "limits = { file_mib = 512; megapixels = 150; frames = 500; seconds = 60; memory_mib = 2048; free_mib = 64; };\n" + FOLDERS,
    'loaders = [ "jpeg", "png" ];\n' + FOLDERS,
    'folders = ( { inbox = "%(inbox)s"; outbox = "%(outbox)s"; name = "{folder}/{dir}/{file}.{ext}"; },\n'
    ' { inbox = "/elsewhere"; outbox = "%(outbox)s"; name = "{folder}/{dir}/{file}.{ext}"; } );\n',
]


def check(folders, text):
    path = folders.root / "checked.conf"
    path.write_text(text % {"inbox": folders.inbox, "outbox": folders.outbox})
    return path, folders.run("-c", path, "--check-config")


def short(text):
    return re.sub(r"\W+", "-", re.sub(r"%\(\w+\)s", "", text))[:60]


@pytest.mark.parametrize("text, line, said", WRONG, ids=[short(text) for text, _, _ in WRONG])
def test_a_mistake_is_named(shared, text, line, said):
    path, checked = check(shared, text)
    assert checked.returncode == 78, checked
    lines = (checked.stdout + checked.stderr).splitlines()
    wanted = re.compile(rf"{re.escape(str(path))}:{line}: .*(?:{said})")
    assert any(wanted.match(each) for each in lines), f"none of {lines} is like {wanted.pattern}"


@pytest.mark.parametrize("text", RIGHT, ids=map(short, RIGHT))
def test_what_is_right_passes(shared, text):
    _, checked = check(shared, text)
    assert checked.returncode == 0, checked.stderr
    assert not checked.stderr


def test_every_mistake_at_once(shared):
    path, checked = check(shared, "wrokers = 1;\nsandbox = 1;\n" + in_folder("recursiv = true; mode = 0;"))
    said = checked.stdout + checked.stderr
    assert all(f"{path}:{line}: " in said for line in (1, 2, 5)) and "'recursiv'" in said and "'mode'" in said


def test_a_check_starts_nothing(shared):
    """Not even folders are touched: it may run on another machine."""
    elsewhere = 'folders = ( { inbox = "/no/such/inbox"; outbox = "/no/such/outbox"; } );\n'
    _, checked = check(shared, elsewhere)
    assert checked.returncode == 0, checked.stderr
    assert shared.thumbnails() == [] and not (shared.outbox / ".thumbnaild").exists()


def test_a_file_with_nul_bytes(shared):
    path, checked = check(shared, FOLDERS + "\0workers = 1;\n")
    assert checked.returncode == 78 and f"{path}:" in checked.stderr


def test_a_file_that_is_not_there(shared):
    checked = shared.run("-c", shared.root / "nosuch.conf", "--check-config")
    assert checked.returncode == 78 and "nosuch.conf" in checked.stderr


def test_serving_refuses_what_the_check_refuses(shared):
    path, _ = check(shared, "wrokers = 1;\n" + FOLDERS)
    served = shared.run("-c", path)
    assert served.returncode == 78 and f"{path}:1: " in served.stderr and "'workers'" in served.stderr
