# SPDX-License-Identifier: GPL-2.0-or-later
"""A day of the service: it is installed, started, used, reconfigured, hurt, and stopped."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from helpers import *

CONTRACT_FIELDS = "EVENT FILE INBOX USEC LATENCY_USEC OUTPUTS WIDTH HEIGHT BYTES FORMAT OWNER WORKER WORKER_PID ATTEMPT".split()

TWO_PRESETS = """
thumbnails = ( { name = "256"; width = 256; height = 256; }, { name = "card"; width = 640; height = 360; format = "webp"; } );
folders = ( { inbox = "%s"; outbox = "%s"; } );
""" % (INBOX, OUTBOX)


@check
def installed():
    """sysusers.d and tmpfiles.d were applied by the boot; the configuration that is installed is a good one."""
    run("thumbnaild", "--check-config")
    run("getent", "passwd", "thumbnaild")
    run("useradd", "-M", "-U", "-G", "thumbnaild", "alice")
    run("useradd", "-M", "-U", "bob")
    run("systemctl", "daemon-reload")
    run("journalctl", "--update-catalog")
    assert os.path.realpath(show("FragmentPath")) == "/usr/lib/systemd/system/thumbnaild.service"
    assert show("ActiveState") == "inactive"
    return run("ls", "-ld", INBOX, OUTBOX)


@check
def units_are_well_formed():
    said = run("systemd-analyze", "verify", "--man=no", SERVICE, "thumbnaild@other.service")
    assert "thumbnaild" not in said, said


@check
def starts():
    began = time.monotonic()
    run("systemctl", "start", SERVICE)
    took = time.monotonic() - began
    assert show("ActiveState") == "active"
    assert records("ready"), "READY means ready"
    supervisor = Path(f"/proc/{show('MainPID')}")
    assert supervisor.owner() == "thumbnaild"
    assert workers()
    return f"READY after {took:.2f} s; {records('ready')[0]['MESSAGE']}"


@check
def an_ordinary_user_drops_photos():
    for photo in photos():
        drop(photo.name, photo)
    wait_event("made", count=len(photos()))
    assert sorted(thumbnails()) == sorted(f"{photo.name}.256.jpg" for photo in photos())


@check
def somebody_else_reads_the_thumbnails():
    run("id", user="bob")
    for name in thumbnails():
        run("cat", "--", OUTBOX / name, user="bob")
    run("touch", OUTBOX / "forged", status=None, user="bob")
    run("touch", INBOX / "uninvited", status=None, user="bob")
    run("rm", "--", OUTBOX / photos()[0].name, status=None, user="alice")


@check
def thumbnails_are_pictures():
    from PIL import Image

    for photo in photos():
        with Image.open(OUTBOX / f"{photo.name}.256.jpg") as picture:
            picture.load()
            assert picture.format == "JPEG" and max(picture.size) == 256, f"{photo}: {picture.format} {picture.size}"
        assert (OUTBOX / f"{photo.name}.256.jpg").stat().st_mtime_ns == (INBOX / photo.name).stat().st_mtime_ns


@check
def one_made_per_file_by_a_worker():
    made = records("made")
    assert sorted(record["THUMBNAILD_FILE"] for record in made) == sorted(photo.name for photo in photos())
    alice = run("id", "-u", "alice").strip()
    pids = set(map(str, workers()))
    for record in made:
        missing = [field for field in CONTRACT_FIELDS if f"THUMBNAILD_{field}" not in record]
        assert not missing, f"{missing} not in {record}"
        assert record["_PID"] == record["THUMBNAILD_WORKER_PID"] and record["_PID"] in pids, record
        assert record["_SYSTEMD_UNIT"] == SERVICE and record["_EXE"].endswith("/thumbnail-worker"), record
        assert record["THUMBNAILD_INBOX"] == str(INBOX) and record["THUMBNAILD_OWNER"] == alice, record
        assert record["SYSLOG_IDENTIFIER"] == "thumbnaild" and record["MESSAGE_ID"]
    assert show("MainPID") not in {record["_PID"] for record in made}
    return "; ".join(f"{key}={made[0][key]}" for key in sorted(made[0]) if key.startswith("THUMBNAILD_"))


@check
def the_journal_explains():
    """A real explanation has a line `░░ Subject`; a bare `--` also begins "-- No entries --"."""
    said = run("journalctl", "-x", "-t", "thumbnaild", "--no-pager")
    assert any(line.startswith("░░ Subject") and photos()[0].name in line for line in said.splitlines()), said[:3000]
    unexplained = {record["THUMBNAILD_EVENT"] for record in records()} - set(explained(said))
    assert not unexplained, unexplained
    return next(line for line in said.splitlines() if line.startswith("░░ Subject"))


def explained(said):
    """The events whose entries are followed by an explanation."""
    by_message = {record["MESSAGE"]: record["THUMBNAILD_EVENT"] for record in records()}
    lines = said.splitlines()
    for line, following in zip(lines, lines[1:]):
        message = line.split(": ", 1)[-1]
        if message in by_message and following.startswith("░░ Subject"):
            yield by_message[message]


@check
def the_status_line_moves():
    pattern = rf'Status: "(\d+)/(\d+) workers? busy.* {len(photos())} made'
    return wait_for(lambda: re.search(pattern, run("systemctl", "status", "--no-pager", "--lines=0", SERVICE)), pattern).group(0)


@check
def metrics_are_where_collectors_read_them():
    metrics = METRICS / "thumbnaild.prom"
    wait_for(lambda: f'thumbnaild_made_total{{daemon="thumbnaild"}} {len(photos())}\n' in metrics.read_text(), "the number of photos")
    run("promtool", "check", "metrics", stdin=metrics.open("rb"))
    assert run("cat", metrics, user="bob") == metrics.read_text()


@check
def processes_are_confined():
    for pid in (int(show("MainPID")), *workers()):
        status = Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status, status
        # The supervisor has CAP_FOWNER and CAP_LEASE and nothing else; workers have nothing.
        granted = "0000000010000008" if pid == int(show("MainPID")) else "0000000000000000"
        assert all(f"{kind}:\t{granted}" in status for kind in ("CapPrm", "CapEff", "CapAmb")), status
        assert run("stat", "-c", "%U", f"/proc/{pid}").strip() == "thumbnaild"
    scored = run("systemd-analyze", "security", "--no-pager", SERVICE)
    (score,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", scored)
    assert float(score) <= 1.0, scored
    return f"systemd-analyze security: {score}"


@check
def an_open_file_of_another_user_is_waited_for():
    """Asking for a lease on somebody else's file needs CAP_LEASE, and a unit that leaves it to us."""
    writer = subprocess.Popen(
        ["setpriv", "--reuid=alice", "--regid=alice", "--init-groups", "--", "sh", "-c", f"exec >{INBOX}/open.jpg; cat {photos()[0]}; read x"],
        stdin=subprocess.PIPE,
    )
    waiting = wait_event("waiting", "open.jpg")
    assert waiting[0]["THUMBNAILD_REASON"] == "being-written", waiting
    assert not records("made", "open.jpg")
    writer.communicate(b"\n", timeout=PATIENCE)
    wait_event("made", "open.jpg")


@check
def what_a_strict_umask_leaves_is_readable_through_the_folders_acl():
    """FTP servers, and programs with umask 077."""
    run("sh", "-c", f"umask 077; cat {photos()[0]} >{INBOX}/umask.jpg", user="alice")
    wait_event("made", "umask.jpg")


@check
def a_private_file_waits_until_it_is_opened_up():
    """Moved in from the same file system it brings its own mode, and no ACL."""
    home = Path("/srv/alice")
    run("install", "-d", "-o", "alice", home)
    run("sh", "-c", f"umask 077; cat {photos()[0]} >{home}/private.jpg; mv {home}/private.jpg {INBOX}", user="alice")
    waiting = wait_event("waiting", "private.jpg")
    assert waiting[-1]["THUMBNAILD_REASON"] == "unreadable", waiting
    run("chmod", "o+r", INBOX / "private.jpg", user="alice")
    wait_event("made", "private.jpg")


@check
def what_an_ftp_server_leaves_waits_with_the_fix_and_is_made_by_it():
    """A server that makes files with mode 0600 itself: that limits the access list which the folder gives them."""
    path = INBOX / "ftp.jpg"
    code = "import os, sys; fd = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT, 0o600); os.write(fd, open(sys.argv[1], 'rb').read())"
    run("python3", "-c", code, photos()[0], path, user="alice")
    assert wait_event("waiting", "ftp.jpg")[-1]["THUMBNAILD_REASON"] == "unreadable"
    fixes = set()
    for user in (None, "alice"):
        said = run("thumbnaild", "--explain", path, user=user)
        assert "\nWaiting: unreadable, and made as soon as user thumbnaild may read it.\n" in said, said
        fixes.add(re.search(rf"chmod g\+r {path}$", said, re.MULTILINE).group(0))
    assert "cannot be seen by you" in run("thumbnaild", "--explain", path, user="bob")
    run("sh", "-c", fixes.pop(), user="alice")
    wait_event("made", "ftp.jpg")
    assert not fixes and "\nUp to date: nothing is to be made.\n" in run("thumbnaild", "--explain", path)


@check
def bad_input_is_named_and_kept():
    """An empty file may be an upload that goes on: it stays.  A text that calls itself a picture is hopeless: see the next check."""
    run("sh", "-c", f"cd {INBOX}; echo text >text.jpg; mkfifo pipe.jpg; ln -s /etc/shadow link.jpg; : >empty.png", user="alice")
    wait_for(
        lambda: {"text.jpg", "pipe.jpg", "link.jpg", "empty.png"} <= {r["THUMBNAILD_FILE"] for r in records() if "THUMBNAILD_REASON" in r},
        "four reasons",
    )
    reasons = {r["THUMBNAILD_FILE"]: r["THUMBNAILD_REASON"] for r in records() if "THUMBNAILD_REASON" in r}
    assert reasons["text.jpg"] == "unsupported" and reasons["pipe.jpg"] == reasons["link.jpg"] == "not-regular", reasons
    assert all(os.path.lexists(INBOX / name) for name in ("pipe.jpg", "link.jpg", "empty.png"))
    wait_event("failed", "empty.png")
    run("rm", "-f", *(INBOX / name for name in ("pipe.jpg", "link.jpg", "empty.png")), user="alice")


@check
def a_failed_picture_is_set_apart_and_tried_again():
    """By the configuration that is installed; another member of the group sees why, and asks for another try."""
    run("useradd", "-M", "-U", "-G", "thumbnaild", "carol")
    apart, why = FAILED / "text.jpg", FAILED / "text.jpg.why.txt"
    wait_for(lambda: apart.exists() and why.exists() and not (INBOX / "text.jpg").exists(), "text.jpg among the failed")
    assert run("stat", "-c", "%a %U %G", why).split() == ["640", "thumbnaild", "thumbnaild"]
    assert run("head", "-n", "1", why, user="carol") == "unsupported\n"
    run("cat", why, status=None, user="bob")
    run("ls", FAILED, status=None, user="bob")
    run("sh", "-c", f"umask 077; mkdir {INBOX}/sub; echo text >{INBOX}/sub/deep.jpg", user="alice")
    deep = FAILED / "sub" / "deep.jpg.why.txt"
    wait_for(deep.exists, "a reason below a folder")
    for reason, name in ((why, "text.jpg"), (deep, "sub/deep.jpg")):
        before = len(records("failed", name))
        run("rm", "-f", reason, user="carol")
        wait_event("failed", name, count=before + 1)
        wait_for(reason.exists, "the reason again")
    wait_for(lambda: not (INBOX / "text.jpg").exists() and not (INBOX / "sub" / "deep.jpg").exists(), "both set apart again")
    run("rm", "-rf", *FAILED.iterdir(), user="carol")
    run("rm", "-r", INBOX / "sub", status=None, user="carol")
    run("rm", "-r", INBOX / "sub", user="alice")
    return run("ls", "-ld", FAILED)


@check
def reload_makes_only_what_is_missing():
    before, supervisor = thumbnails(), show("MainPID")
    made = len(records("made"))
    CONFIGURATION.write_text(TWO_PRESETS)
    run("systemctl", "reload", SERVICE)
    wait_event("reloaded")
    wait_event("made", count=made + len(before))
    after = thumbnails()
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == sorted(name.replace(".256.jpg", ".card.webp") for name in before)
    assert all(record["THUMBNAILD_OUTPUTS"] == "1" for record in records("made"))
    assert show("MainPID") == supervisor and show("ActiveState") == "active"


@check
def reload_with_a_broken_configuration_fails():
    supervisor = show("MainPID")
    CONFIGURATION.write_text("wrokers = 1;\n" + TWO_PRESETS)
    run("systemctl", "reload", SERVICE, status=None)
    assert show("ActiveState") == "active" and show("MainPID") == supervisor
    os.kill(int(supervisor), signal.SIGHUP)  # past the check of the unit, as an impatient administrator may
    refused = wait_event("reload-refused")
    assert f"{CONFIGURATION}:1:" in refused[0]["MESSAGE"] and "'workers'" in refused[0]["MESSAGE"], refused
    drop("after-refusal.jpg", photos()[0])
    assert wait_event("made", "after-refusal.jpg")[0]["THUMBNAILD_OUTPUTS"] == "2"
    CONFIGURATION.write_text(TWO_PRESETS)
    run("systemctl", "reload", SERVICE)
    wait_event("reloaded", count=2)


@check
def a_killed_worker_is_replaced():
    before = workers()
    os.kill(before[0], signal.SIGKILL)
    lost = wait_event("worker-lost")
    assert lost[0]["THUMBNAILD_WORKER_PID"] == str(before[0]), lost
    wait_for(lambda: len(workers()) == len(before), "a new worker")
    drop("after-loss.jpg", photos()[0])
    wait_event("made", "after-loss.jpg")
    assert show("NRestarts") == "0"


@check
def restart_makes_nothing_again():
    before, made = thumbnails(), len(records("made"))
    run("systemctl", "restart", SERVICE)
    drop("after-restart.jpg", photos()[0])
    wait_event("made", "after-restart.jpg")
    assert len(records("made")) == made + 1
    assert {name: state for name, state in thumbnails().items() if name in before} == before


@check
def a_hanging_supervisor_is_restarted_and_completes():
    drop_in = Path("/run/systemd/system/thumbnaild.service.d/quick.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nWatchdogSec=2s\nRestartSec=100ms\nTimeoutAbortSec=2s\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", SERVICE)
    supervisor = int(show("MainPID"))
    os.kill(supervisor, signal.SIGSTOP)
    for i in range(3):
        drop(f"backlog-{i}.jpg", photos()[i])
    for i in range(3):
        wait_event("made", f"backlog-{i}.jpg")
    assert int(show("MainPID")) != supervisor and show("ActiveState") == "active"
    assert int(show("NRestarts")) >= 1
    return f"restarts: {show('NRestarts')}"


# How a member sends a folder: whatever mode it gets on the way, the daemon takes originals out of it.
SENT = {
    "mkdir": "mkdir {to} && cp {source}/a.jpg {to}",
    "group-writable": "cp -r {source} {to} && chmod -R g+rwX {to}",
    "cp-r": "cp -r {source} {to}",
    "cp-a": "cp -a {source} {to}",
    "tar": "mkdir {to} && tar -C {source} -c . | tar -C {to} -x -p",
    "rsync": "rsync -r {source}/ {to}",
    "rsync-a": "rsync -a {source}/ {to}",
    "mv": "cp -r {source} {source}-2 && chmod 755 {source}-2 && chmod 644 {source}-2/a.jpg && mv {source}-2 {to}",
    "closed": "cp -r {source} {to} && chmod 555 {to}",
}


@check
def originals_are_taken_out_of_folders_of_members():
    place = SPOOL / "outside"
    run("install", "-d", "-o", "alice", place)
    for fate in ("delete", "move"):
        processed = f'processed = "{SPOOL}/processed";' if fate == "move" else ""
        CONFIGURATION.write_text(f'folders = ( {{ inbox = "{INBOX}"; outbox = "{OUTBOX}"; originals = "{fate}"; {processed} }} );\n')
        reloads = len(records("reloaded"))
        run("systemctl", "reload", SERVICE)
        wait_event("reloaded", count=reloads + 1)
        for mask in ("022", "077"):
            for name, command in SENT.items():
                source, to = place / f"{fate}-{mask}-{name}", INBOX / f"{fate}-{mask}-{name}"
                run("install", "-d", "-o", "alice", "-m", "755", source)
                run("install", "-m", "644", photos()[1], source / "a.jpg")
                run("sh", "-c", f"umask {mask}; " + command.format(source=source, to=to), user="alice")
        for mask in ("022", "077"):
            for name in SENT:
                file = f"{fate}-{mask}-{name}/a.jpg"
                wait_event("made", file)
                wait_for(lambda: not (INBOX / file).exists(), f"{file} to be taken away")
                assert fate == "delete" or (SPOOL / "processed" / file).exists(), file
        assert not [r for r in records("waiting") if r["THUMBNAILD_FILE"].startswith(fate) and r["THUMBNAILD_REASON"] == "not-removable"]
    CONFIGURATION.write_text(TWO_PRESETS)
    run("systemctl", "reload", SERVICE)
    return f"{len(SENT)} ways, umask 022 and 077, delete and move"


@check
def an_upgrade_under_a_backlog():
    """New files take the names of the old ones, as package managers do it, then the service is restarted."""
    folder, count, made = INBOX / "upgrade", 60, len(records("made"))
    run("install", "-d", "-o", "alice", folder)
    run("sh", "-c", f'i=0; while [ $i -lt {count} ]; do cp {photos()[0]} {folder}/$i.jpg; i=$((i + 1)); done', user="alice")
    wait_event("made", count=made + 2)
    old, program = show("MainPID"), Path(f"/proc/{show('MainPID')}/exe")
    run("cp", "-a", "--remove-destination", "/share/upgrade/usr/.", "/usr/")
    assert os.readlink(program).endswith(" (deleted)")
    before = len(records("made"))
    run("systemctl", "daemon-reload")
    run("systemctl", "try-restart", SERVICE)
    assert before < made + count, "it was no backlog"
    wait_for(lambda: all((OUTBOX / "upgrade" / f"{i}.jpg.256.jpg").exists() for i in range(count)), "all of them")
    wait_event("made", count=made + count)
    assert show("MainPID") != old and os.readlink(f"/proc/{show('MainPID')}/exe") == "/usr/sbin/thumbnaild"
    files = [record["THUMBNAILD_FILE"] for record in records("made") if record["THUMBNAILD_FILE"].startswith("upgrade/")]
    assert sorted(files) == sorted(f"upgrade/{i}.jpg" for i in range(count)), "each once"
    assert show("NRestarts") in ("0", "1") and not records("trouble")
    return f"{before - made} of {count} were made before, the rest after"


@check
def stops_cleanly():
    began = time.monotonic()
    run("systemctl", "stop", SERVICE)
    took = time.monotonic() - began
    assert took < 40 and (show("ActiveState"), show("Result")) == ("inactive", "success"), f"{took} {show('Result')}"
    assert processes() == {} and list(METRICS.iterdir()) == []
    assert records("stopped")
    return f"stopped in {took:.2f} s"


@check
def an_instance_of_the_template():
    second = SPOOL / "second"
    run("install", "-d", "-o", "thumbnaild", "-g", "thumbnaild", second, second / "in")
    CONFIGURATION.with_name("second.conf").write_text(f'folders = ( {{ inbox = "{second}/in"; outbox = "{second}/out"; }} );\n')
    run("systemctl", "start", "thumbnaild@second.service")
    run("cp", photos()[0], second / "in" / "a.jpg")
    (made,) = wait_event("made", "a.jpg")
    assert made["_SYSTEMD_UNIT"] == "thumbnaild@second.service"
    assert (second / "out" / "a.jpg.256.jpg").exists()
    wait_for(lambda: [path.name for path in METRICS.iterdir()] == ["second.prom"], "metrics of its own")
    run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "thumbnaild@second.service")
    wait_for(lambda: list(METRICS.iterdir()) == [], "no metrics of a dead daemon")
    run("systemctl", "stop", "thumbnaild@second.service")
    assert processes() == {}


@check
def nothing_unexpected_was_said():
    odd = [record["MESSAGE"] for record in records() if record.get("THUMBNAILD_EVENT") in ("trouble", "dropped", "overflow", "paused")]
    assert not odd, odd
    assert all("MESSAGE_ID" in record for record in records()), "a line of ours that is no event"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
