# SPDX-License-Identifier: GPL-2.0-or-later
"""A staged installation in a booted systemd: boots this machine's own /usr as a throw-away system with the installation laid over it,
runs a script of inside/ there, and reports each of its checks as a test of its own."""

import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
INSIDE = HERE / "inside"
BUILD = Path(os.environ["THUMBNAILD_BUILD"]).resolve()
SHARED = HERE.parents[2] / "shared"
PHOTOS, SMALL = SHARED / "corpus" / "photos", SHARED / "corpus" / "seed1000"
SECONDS = 240  # for one script; they take some thirty
SCRIPTS = ("checks", "faults", "flood", "documents", "latency")

UNIT = """\
[Unit]
Description=Checks of thumbnaild
After=multi-user.target dbus.service
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -B /test/%s.py /share
ExecStopPost=/bin/systemctl --no-block poweroff
TimeoutStartSec=%d
"""
# Room for all that is said, however small /run is.
JOURNAL = """\
[Journal]
RuntimeMaxUse=1G
RuntimeKeepFree=1M
"""

# nspawn's own filter makes Landlock EPERM.
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"


def checks():
    """Script and name of everything that will be done, in that order."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(INSIDE))
    for script in SCRIPTS:
        importlib.import_module(script)
    return [(check.__module__, check.__name__) for check in importlib.import_module("helpers").CHECKS]


@pytest.fixture(scope="session")
def staged(tmp_path_factory):
    """What a package would hold."""
    assert os.geteuid() == 0, "a booted system needs root: run tests/run"
    root = tmp_path_factory.mktemp("staged")
    subprocess.run(
        ["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], env=os.environ | {"DESTDIR": str(root)}, check=True, timeout=60
    )
    return root


@pytest.fixture(scope="session")
def booted(staged, tmp_path_factory):
    """The results of a script, by name; each has a system of its own."""
    return functools.cache(lambda script: boot(script, staged, tmp_path_factory))


def boot(script, staged, tmp_path_factory):
    assert shutil.which("systemd-nspawn"), "no systemd-nspawn: package systemd-container"
    root = tmp_path_factory.mktemp(script)
    tmp_path_factory.getbasetemp().chmod(0o755)  # others than root read what is shared
    root.chmod(0o755)
    share, unit = root / "share", root / "checks.service"
    share.mkdir(mode=0o755)
    unit.write_text(UNIT % (script, SECONDS - 20))
    journal = root / "00-tests.conf"
    journal.write_text(JOURNAL)
    shutil.copytree(PHOTOS, share / "photos", copy_function=shutil.copyfile)
    # The first boot of a machine enables what is installed; the checks want to see it start.
    preset = root / "00-tests.preset"
    preset.write_text("disable thumbnaild*\ndisable prometheus*\n")
    (share / "photos").chmod(0o755)
    shutil.copyfile(min(SMALL.iterdir()), share / "small.jpg")
    shutil.copytree(staged, share / "upgrade", symlinks=True)  # the same once more, as new files
    shutil.copytree(staged / "etc/thumbnaild", root / "etc")
    shutil.copy2(BUILD / "fast-worker", share)
    command = [
        *("systemd-nspawn", "-D", "/", "--volatile=yes", "--register=no", "--keep-unit", f"--machine=thumbnaild-test-{os.getpid()}"),
        *(f"--system-call-filter={LANDLOCK}", f"--overlay=/usr:{staged}/usr::/usr"),
        "--tmpfs=/usr/local",  # an installation on this machine is not the one that is tested
        *(f"--bind={share}:/share", f"--bind-ro={INSIDE}:/test", f"--bind-ro={SHARED}/peers:/peers"),
        f"--bind-ro={unit}:/etc/systemd/system/checks.service",
        *(f"--bind-ro={preset}:/etc/systemd/system-preset/{preset.name}", f"--bind={root}/etc:/etc/thumbnaild"),
        f"--bind-ro={journal}:/etc/systemd/journald.conf.d/{journal.name}",
        *("--console=pipe", "-b", "systemd.firstboot=no", "systemd.wants=checks.service"),
    ]
    with (root / "console").open("wb") as console:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, timeout=SECONDS)

    results, log = share / "results", share / "journal"
    if not results.exists():
        pytest.fail(f"nothing was checked; the console says:\n{(root / 'console').read_text(errors='replace')[-5000:]}")
    found = {result["name"]: result for result in map(json.loads, results.read_text().splitlines())}
    print(log.read_text(errors="replace") if log.exists() else "no journal was written: the checks did not come to their end")
    return found


def test_what_is_staged(staged):
    """Everything below the prefix or the configuration's folder, nothing elsewhere."""
    files = {str(path.relative_to(staged)) for path in staged.rglob("*") if not path.is_dir()}
    assert {
        "usr/sbin/thumbnaild",
        "usr/libexec/thumbnaild/thumbnail-worker",
        "usr/lib/systemd/system/thumbnaild.service",
        "usr/lib/systemd/system/thumbnaild@.service",
        "usr/lib/systemd/catalog/thumbnaild.catalog",
        "usr/lib/sysusers.d/thumbnaild.conf",
        "usr/lib/tmpfiles.d/thumbnaild.conf",
        "etc/thumbnaild/thumbnaild.conf",
    } <= files
    assert all(name.startswith(("usr/", "etc/thumbnaild/")) for name in files), files
    for name in files:
        assert str(BUILD).encode() not in (staged / name).read_bytes() or name.endswith(("thumbnaild", "thumbnail-worker")), name


def test_uninstall_leaves_the_configuration_alone(tmp_path):
    """What meson has installed it removes, but not what may be somebody's work."""
    subprocess.run(
        ["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], env=os.environ | {"DESTDIR": str(tmp_path)}, check=True, timeout=60
    )
    configuration = tmp_path / "etc/thumbnaild/thumbnaild.conf"
    configuration.write_text("mine\n")
    subprocess.run(
        ["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], env=os.environ | {"DESTDIR": str(tmp_path)}, check=True, timeout=60
    )
    assert configuration.read_text() == "mine\n", "installing again neither"
    subprocess.run(["ninja", "-C", BUILD, "uninstall"], stdout=subprocess.DEVNULL, check=True, timeout=60)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [configuration]


@pytest.mark.parametrize("script, name", checks())
def test_booted(booted, script, name, capsys):
    results = booted(script)
    assert name in results, "it was not come to: see the one before"
    said, seconds = results[name]["text"].strip(), results[name]["seconds"]
    assert results[name]["passed"], said
    with capsys.disabled():
        print(f"\n{name} ({seconds} s)" + (f": {said}" if said else ""), end="")
