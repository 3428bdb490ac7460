# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents, the packaging and the shipped configuration say, compared with what the code says.

Needs a build: its folder is $THUMBNAILD_BUILD, else build/.
"""

import contextlib
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
import zlib
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("THUMBNAILD_BUILD", TREE / "build")).resolve()
DAEMON = BUILD / "thumbnaild"

README = (TREE / "README.md").read_text()
MESON = (TREE / "meson.build").read_text()
CATALOG = (TREE / "systemd/thumbnaild.catalog").read_text()
PAGE_8 = (TREE / "daemon/thumbnaild.8").read_text()
PAGE_5 = (TREE / "conf/thumbnaild.conf.5").read_text()
DEFAULT_CONFIGURATION = (TREE / "conf/thumbnaild.conf").read_text()


def run(*command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **kwargs)


def check_config(path):
    return run(DAEMON, "--check-config", "--config", path)


# --- dependencies: README, meson.build and systemd/set-up ---


def dependency_rows():
    table = README.split("## Dependencies")[1].split("## ")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    assert rows
    return [tuple(re.findall(r"`([^`]+)`", cell) for cell in row) for row in rows]


def test_packages_of_readme_are_those_of_set_up():
    listed = run(TREE / "systemd/set-up", "--list-packages").stdout.split()
    assert sorted(name for packages, _ in dependency_rows() for name in packages) == sorted(listed)


def test_codecs_of_readme_are_those_of_set_up():
    script = (TREE / "systemd/set-up").read_text()
    codecs = re.search(r"^codecs=\((.*)\)$", script, re.MULTILINE).group(1).split()
    assert codecs and all(f"`{name}`" in README for name in codecs)


def test_libraries_of_readme_are_those_of_meson():
    asked = set(re.findall(r"(?:\bdependency|find_library)\('([^']+)'", MESON)) - {"threads", "m", "dl"}  # those three are parts of the C library
    assert {name for _, names in dependency_rows() for name in names} == asked


# --- events and reasons: the code, the catalog and the manual page ---


def events():
    text = (TREE / "daemon/common/log-events.h").read_text()
    found = re.findall(r'X\(\w+,\s*"([a-z-]+)",\s*LOG_\w+,\s*"([0-9a-f]{32})"\)', text)
    assert len(found) == len(re.findall(r"^\s+X\(", text, re.MULTILINE)) >= 20
    return dict(found)


def reasons():
    text = (TREE / "daemon/common/reason.h").read_text()
    return {token: kind for token, kind in re.findall(r'X\(\w+,\s*"([a-z-]+)",\s*(\w+),', text)}


def catalog():
    parts = re.split(r"^-- ([0-9a-f]{32})$", CATALOG, flags=re.MULTILINE)[1:]
    ids, bodies = parts[::2], parts[1::2]
    assert len(set(ids)) == len(ids)
    return dict(zip(ids, bodies))


def test_every_event_is_explained_and_nothing_else():
    assert set(catalog()) == set(events().values())


@pytest.mark.parametrize("event", events())
def test_explanation_has_its_parts(event):
    head, _, body = catalog()[events()[event]].strip().partition("\n\n")
    keys = [line.split(":")[0] for line in head.splitlines()]
    assert keys == ["Subject", "Defined-By", "Documentation"]
    assert len(body.split()) >= 10
    assert max(map(len, body.splitlines())) <= 80


def explained(event):
    return set(re.findall(r"^([a-z-]+)  +\S", catalog()[events()[event]], re.MULTILINE))


@pytest.mark.parametrize("token,kind", reasons().items())
def test_reason_is_explained_where_it_is_logged(token, kind):
    assert len(reasons()) >= 20
    if kind == "PERMANENT":
        assert token in explained("failed") | explained("skipped")
    for event in {"PERMANENT": [], "PASSING": ["failed", "retry"], "WAITING": ["waiting"]}[kind]:
        assert token in explained(event)
    assert f".It Cm {token}\n" in PAGE_8


@pytest.mark.parametrize("event", ["failed", "retry", "waiting", "skipped", "paused"])
def test_explained_reasons_exist(event):
    assert explained(event) <= set(reasons())


@pytest.mark.parametrize("event", events())
def test_event_is_in_the_manual(event):
    assert re.search(rf"^\.It Cm (?:[a-z-]+ , )*{event}(?: , [a-z-]+)*$", PAGE_8, re.MULTILINE)


def fields_of_the_manual():
    return {field for line in re.findall(r"^\.It Va (.*)$", PAGE_8, re.MULTILINE) for field in line.split(" , ")}


def test_fields_of_the_catalog_are_in_the_manual():
    assert set(re.findall(r"@([A-Z_]+)@", CATALOG)) <= fields_of_the_manual()


def test_fields_that_are_logged_are_in_the_manual():
    code = "".join(path.read_text() for path in (TREE / "daemon").glob("*/*.c"))
    logged = {f"THUMBNAILD_{key}" for key in re.findall(r"\bF_(?:STR|NUM)\((\w+),", code)}
    assert logged | {"THUMBNAILD_EVENT", "THUMBNAILD_NAME"} == fields_of_the_manual()


def logged():
    """Event, and names of the fields, of each call that lists them where it stands."""
    code = "".join(path.read_text() for path in sorted((TREE / "daemon").glob("*/*.c")))
    calls = re.findall(r"\blog_event\(\s*EV_(\w+),\s*(NO_FIELDS|FIELDS\(.*?\)),\s*\"", code, re.DOTALL)
    assert len(calls) > 40
    return [(symbol.lower().replace("_", "-"), set(re.findall(r"\bF_(?:STR|NUM)\((\w+),", fields))) for symbol, fields in calls]


def test_fields_of_the_catalog_are_in_each_entry():
    """journalctl shows the name of a field where the entry has none."""
    for event, fields in logged():
        shown = {name.removeprefix("THUMBNAILD_") for name in re.findall(r"@([A-Z_]+)@", catalog()[events()[event]])}
        assert {"FILE" if name == "NAME" else name for name in shown} <= fields, f"{event} with {fields}"


def test_journal_reads_the_catalog(tmp_path):
    place = tmp_path / "usr/lib/systemd/catalog"
    place.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    (place / "thumbnaild.catalog").write_text(CATALOG)
    update = run("journalctl", f"--root={tmp_path}", "--update-catalog")
    assert update.returncode == 0, update.stderr
    listed = run("journalctl", f"--root={tmp_path}", "--list-catalog").stdout
    assert {line.split()[0] for line in listed.splitlines()} == set(events().values())


# --- manual pages ---


@pytest.mark.parametrize("page", ["daemon/thumbnaild.8", "conf/thumbnaild.conf.5"])
def test_manual_page_is_clean(page):
    lint = run("mandoc", "-T", "lint", TREE / page)
    # Which other pages this machine has is not ours to say.
    found = [line for line in (lint.stdout + lint.stderr).splitlines() if "mandoc.db" not in line and "referenced manual not found" not in line]
    assert found == []


def options_of_help():
    text = run(DAEMON, "--help").stdout
    found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert {"--config", "--inbox", "--outbox", "--once"} <= found
    return found


def test_options_are_in_the_manual():
    for option in options_of_help():
        assert f"Fl {option[1:]}" in PAGE_8.replace("\\-", "-"), option


def test_options_are_completed(tmp_path):
    script = f"""source {TREE}/conf/thumbnaild.bash-completion
    COMP_WORDS=(thumbnaild --) COMP_CWORD=1; _thumbnaild; printf '%s\\n' "${{COMPREPLY[@]}}" """
    assert set(run("bash", "-c", script).stdout.split()) == options_of_help()


def test_formats_are_completed():
    script = f"""source {TREE}/conf/thumbnaild.bash-completion
    COMP_WORDS=(thumbnaild --format = p) COMP_CWORD=3; _thumbnaild; printf '%s\\n' "${{COMPREPLY[@]}}" """
    assert run("bash", "-c", script).stdout.split() == ["png"]


# --- configuration: the key tables, the manual page, the shipped file and the examples ---


# The tables may be in more than one file.
CONFIG_CODE = "".join(path.read_text() for path in sorted((TREE / "daemon/supervisor").glob("config*.c")))


def key_tables():
    text = CONFIG_CODE
    tables = {
        name: dict(re.findall(r'\{ "(\w+)", (KEY_\w+)', body))
        for name, body in re.findall(r"struct key (\w+)_keys\[\] = \{(.*?)^\};", text, re.MULTILINE | re.DOTALL)
    }
    assert set(tables) == {"root", "preset", "folder", "limit"}
    return tables


SECTIONS = {"root": "The daemon", "preset": "Presets", "folder": "Folders", "limit": "Limits"}


def items(table):
    section = PAGE_5.split(f".Ss {SECTIONS[table]}\n")[1].split("\n.S")[0]
    return dict(re.findall(r"^\.It Cm (\w+) No = Ar \w+\n(.*?)(?=^\.It|^\.El)", section, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("table", SECTIONS)
def test_keys_are_in_the_manual(table):
    assert set(items(table)) == set(key_tables()[table])


def test_defaults_of_numbers_are_those_of_the_code():
    """In the shipped file and in the manual page."""
    shown = dict(re.findall(r"(?<=[/{;] )(\w+) = (\d+);", DEFAULT_CONFIGURATION))
    for preset in ("width", "height", "quality"):
        shown.pop(preset, None)
    assert {"abandon_seconds", "settle_ms", "stop_seconds", "mode", "free_mib", "memory_mib"} <= set(shown)
    for key, value in shown.items():
        found = re.search(rf"(?:->|\.){key} = (0?\d+)\b", CONFIG_CODE)
        default = int(found.group(1), 8 if found.group(1).startswith("0") else 10) if found else 0
        assert int(value) == default, key
        page = next(text for table in SECTIONS for name, text in items(table).items() if name == key)
        assert re.search(rf"\b{value}\b", page), key


def test_choices_are_in_the_manual():
    for body in re.findall(r"struct key_choice \w+\[\] = \{(.*?)\};", CONFIG_CODE, re.DOTALL):
        for choice in re.findall(r'\{ "(\w+)"', body):
            assert re.search(rf"^\.Qq {choice}\b", PAGE_5, re.MULTILINE), choice


def test_formats_are_in_the_manual():
    text = (TREE / "daemon/common/format.h").read_text()
    for name in re.findall(r'X\([A-Z0-9]+,\s*"(\w+)"', text):
        assert re.search(rf"^\.Qq {name}\b", PAGE_5, re.MULTILINE), name


def test_shipped_configuration_is_right():
    checked = check_config(TREE / "conf/thumbnaild.conf")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_shipped_defaults_are_right(tmp_path):
    """Everything that the shipped file shows in comments can be switched on."""
    on = re.sub(r"^(\s*)// (?=, \{|\w+ = .*;$)", r"\1", DEFAULT_CONFIGURATION, flags=re.MULTILINE)
    assert on.count(" = ") == DEFAULT_CONFIGURATION.count(" = ") and len(on) < len(DEFAULT_CONFIGURATION) - 30
    (tmp_path / "all.conf").write_text(on)
    checked = check_config(tmp_path / "all.conf")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_shipped_alternative_is_right(tmp_path):
    """Of what the shipped file shows for originals that are moved."""
    moving = re.search(r'^ *//   (originals = "move"; processed = .*;)$', DEFAULT_CONFIGURATION, re.MULTILINE).group(1)
    assert moving in README
    (tmp_path / "move.conf").write_text(re.sub(r'// originals = "keep";', lambda _: moving, DEFAULT_CONFIGURATION))
    checked = check_config(tmp_path / "move.conf")
    assert (checked.returncode, checked.stderr) == (0, "")


def example_configurations():
    blocks = re.findall(r"<!-- configuration -->\n```\n(.*?)```", README, re.DOTALL)
    assert blocks
    literal = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed", PAGE_5, re.MULTILINE | re.DOTALL)
    assert literal
    return blocks + literal


@pytest.mark.parametrize("number", range(len(example_configurations())))
def test_example_configuration_is_right(tmp_path, number):
    (tmp_path / "example.conf").write_text(example_configurations()[number])
    checked = check_config(tmp_path / "example.conf")
    assert (checked.returncode, checked.stderr) == (0, "")


# --- what cannot be made ---


def test_a_failure_is_as_the_documents_say(tmp_path):
    """Where it goes, what its reason file is called, who may read it, and how it is tried again."""
    for name in ("in/holiday", "out", "failed"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "in/holiday/IMG_1.JPG").write_text("text")
    folder = f'inbox = "{tmp_path}/in"; outbox = "{tmp_path}/out";'
    (tmp_path / "apart.conf").write_text(f'folders = ( {{ {folder} failed = "{tmp_path}/failed"; }} );\n')
    (tmp_path / "left.conf").write_text(f"folders = ( {{ {folder} }} );\n")

    def once(name):
        done = run(DAEMON, "--once", "--config", tmp_path / name, preexec_fn=lambda: os.umask(0o022))
        assert done.returncode == 1, done.stderr

    def said(reason):
        assert reason.stat().st_mode & 0o777 == 0o640
        token, sentence = reason.read_text().splitlines()[:2]
        assert token == "unsupported" and token in reasons() and sentence.startswith("No thumbnail was made")

    assert "OUTBOX/.thumbnaild/failed/holiday/IMG_1.JPG.why.txt" in PAGE_5
    once("left.conf")
    said(tmp_path / "out/.thumbnaild/failed/holiday/IMG_1.JPG.why.txt")
    assert (tmp_path / "in/holiday/IMG_1.JPG").exists()

    (tmp_path / "out/.thumbnaild/failed/holiday/IMG_1.JPG.why.txt").unlink()
    assert "failed/holiday/IMG_1.JPG.why.txt" in PAGE_8
    once("apart.conf")
    said(tmp_path / "failed/holiday/IMG_1.JPG.why.txt")
    assert (tmp_path / "failed/holiday/IMG_1.JPG").exists() and not (tmp_path / "in/holiday/IMG_1.JPG").exists()


# --- README ---


def picture(width, height):
    """A PNG with a gradient."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in (x & 255, y & 255, 128)) for y in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def shape(text):
    """Without what differs from run to run: durations and rates."""
    return re.sub(r"\d+\.\d (s\b)|\d+\.\d(/s)", r"N \1\2", text)


def examples_to_try():
    found = re.findall(r"<!-- tested -->\n```console\n(.*?)```", README, re.DOTALL)
    assert found
    return found


@pytest.mark.parametrize("number", range(len(examples_to_try())))
def test_example_of_readme(tmp_path, number):
    (tmp_path / "holiday.png").write_bytes(picture(640, 480))
    environment = os.environ | {"PATH": f"{BUILD}:{os.environ['PATH']}"}
    for step in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", examples_to_try()[number], re.MULTILINE):
        command, output = step
        done = run("bash", "-c", command, cwd=tmp_path, env=environment)
        assert (done.returncode, shape(done.stdout)) == (0, shape(output)), f"{command}: {done.stderr}"


def on_a_terminal(columns, *command, **how):
    """Its exit status and all that it wrote to a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, **how) as running:
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # how Linux says that the other side was closed
            while read := os.read(ours, 65536):
                written += read
        os.close(ours)
        return running.wait(60), written.decode()


def test_session_of_once_is_as_shown(tmp_path):
    """Photos and a text that calls itself one; each line shown is one of those that appear, as the bar does in the end of its line."""
    photos = sorted((TREE.parent / "shared/corpus/photos").iterdir())
    (tmp_path / "in").mkdir()
    for i in range(36):
        shutil.copyfile(photos[i % len(photos)], tmp_path / f"in/IMG_{i}.JPG")
    (tmp_path / "in/IMG_36.JPG").write_text("text")
    (shown,) = re.findall(r"<!-- session: once -->\n```console\n(.*?)```", README, re.DOTALL)
    command, *lines = shown.splitlines()
    environment = os.environ | {"PATH": f"{BUILD}:{os.environ['PATH']}"}
    status, written = on_a_terminal(120, "bash", "-c", command.removeprefix("$ "), cwd=tmp_path, env=environment)
    assert status == 1, written

    def figures(line):
        return re.sub(r"\d+(\.\d+)?", "N", re.sub(r"\[[#.]+\]", "[BAR]", line))

    appeared = {figures(line) for line in re.split(r"[\r\n]|\x1b\[K", written)}
    for line in lines:
        assert line == "…" or figures(line) in appeared, f"{line!r} is not in\n{written}"
    assert sum("[#" in line for line in lines) >= 1 and "left" in shown and "37 files: " in shown


def test_links_of_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links and all((TREE / link).exists() for link in links)


def test_folders_of_readme_exist():
    for cell in re.findall(r"^\| ((?:`[a-z/]+`(?:, )?)+) \|", README.split("| folder |")[1].split("\n\n")[0], re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", cell):
            assert (TREE / name).is_dir(), name


# --- packaging ---


def test_licence():
    def terms(path):  # around them stand the addresses of the day
        return re.search(r"\n +Preamble\n.*END OF TERMS AND CONDITIONS\n", path.read_text(), re.DOTALL).group()

    assert terms(TREE / "LICENSE") == terms(Path("/usr/share/common-licenses/GPL-2"))


def test_every_file_names_its_licence():
    files = [path for folder in ("daemon", "conf", "systemd", "tests") for path in (TREE / folder).rglob("*") if path.is_file()]
    mine = [path for path in files if path.suffix in (".c", ".h", ".py", ".sh", ".in", ".conf", ".catalog", ".5", ".8") or path.name in ("run", "set-up")]
    mine.append(TREE / "meson.build")
    assert len(mine) > 50
    assert [str(path) for path in mine if "SPDX-License-Identifier: GPL-2.0-or-later" not in path.read_text()[:400]] == []


def spool():
    """The folders that tmpfiles.d makes, with their modes."""
    text = (TREE / "systemd/thumbnaild.tmpfiles.conf").read_text()
    return dict(re.findall(r"^d +(/\S+) +:?(\d+) ", text, re.MULTILINE))


def test_folders_of_the_shipped_configuration_are_made():
    named = set(re.findall(r'= "(/[^"]+)"', DEFAULT_CONFIGURATION))
    assert len(named) == 4 and named <= set(spool())
    writable = re.search(r"^ReadWritePaths=-(\S+)$", (TREE / "systemd/thumbnaild.service.in").read_text(), re.MULTILINE).group(1)
    assert all(path.startswith(f"{writable}/") for path in named), "one mount for all, or renames are copies"
    assert {key: spool()[f"{writable}/{key}"] for key in ("inbox", "outbox", "failed", "processed")} == {
        "inbox": "3770",  # sticky: members take nothing of each other's
        "outbox": "2755",
        "failed": "2770",  # members remove reasons, which are the daemon's
        "processed": "2770",
    }


@pytest.mark.parametrize("unit", ["thumbnaild.service", "thumbnaild@.service"])
def test_unit_is_locked_up(unit):
    scored = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=10", BUILD / unit)
    assert scored.returncode == 0, scored.stdout + scored.stderr
    assert not re.search(r"@[A-Z]+@", (BUILD / unit).read_text())


def test_everything_that_the_example_drop_in_shows_can_be_used(tmp_path):
    place = tmp_path / "thumbnaild.service.d"
    place.mkdir()
    example = (TREE / "conf/folders-elsewhere.conf").read_text()
    used = re.sub(r"^#(?=\w+=)", "", example, flags=re.MULTILINE)
    assert used.count("ReadWritePaths=") == example.count("#ReadWritePaths=") >= 3
    (place / "example.conf").write_text(used)
    shutil.copy2(BUILD / "thumbnaild.service", tmp_path)
    said = run("systemd-analyze", "verify", "--man=no", tmp_path / "thumbnaild.service")
    assert "example.conf" not in said.stdout + said.stderr, said.stderr
    (place / "example.conf").write_text("[Service]\nNoSuchKey=1\n")
    said = run("systemd-analyze", "verify", "--man=no", tmp_path / "thumbnaild.service")
    assert "example.conf" in said.stdout + said.stderr, "or nothing was checked"


def test_stop_of_the_unit_is_longer_than_the_daemons():
    unit = (TREE / "systemd/thumbnaild.service.in").read_text()
    default = int(re.search(r"c->stop_seconds = (\d+)", (TREE / "daemon/supervisor/config.c").read_text()).group(1))
    assert default < int(re.search(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE).group(1)) <= default + 15
