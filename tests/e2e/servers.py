# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers that people upload to, on ports of their own on the loopback, with a configuration of the tests' own and no trace elsewhere.
Their packages would start services on this machine, so tests/run unpacks them beside the build instead."""

import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

from daemon import BUILD

STATE = Path("/run/thumbnaild-test-servers")  # on the tests' own /run; short, for sockets are made there


def program(name):
    """Of a package that is installed, or unpacked by tests/run."""
    unpacked = BUILD / "servers" / "usr" / "sbin" / name
    found = unpacked if unpacked.exists() else shutil.which(name, path="/usr/sbin:/usr/bin")
    assert found, f"no {name} in {unpacked.parent} or installed: run tests/run once"
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process that listens on `port` once the constructor returns."""

    def __init__(self, watcher, name, command):
        self.watcher = watcher
        self.log = STATE / f"{name}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        watcher.wait(self._listens, f"{name} listening", evidence=lambda: self.log.read_text(errors="replace"))

    def _listens(self):
        assert self._process.poll() is None, self.log.read_text(errors="replace")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self):
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()


class Ftp(Server):
    """vsftpd; everybody may upload, rename and resume, and files get its usual mode, 0600 of another user."""

    def __init__(self, watcher, root):
        self.port = free_port()
        (STATE / "empty").mkdir(parents=True, exist_ok=True)
        configuration = STATE / "vsftpd.conf"
        settings = {
            "listen": "YES",
            "listen_address": "127.0.0.1",
            "listen_port": self.port,
            "background": "NO",
            "anonymous_enable": "YES",
            "local_enable": "NO",
            "no_anon_password": "YES",
            "anon_root": root,
            "ftp_username": "daemon",  # needs a home that exists
            "write_enable": "YES",
            "anon_upload_enable": "YES",
            "anon_other_write_enable": "YES",
            "secure_chroot_dir": STATE / "empty",
            "seccomp_sandbox": "NO",
            "isolate": "NO",
            "isolate_network": "NO",
        }
        configuration.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        super().__init__(watcher, "vsftpd", [program("vsftpd"), configuration])

    def url(self, path):
        return f"ftp://127.0.0.1:{self.port}/{path}"


class Smb(Server):
    """smbd, which asks the kernel for leases of its own on what its clients have open."""

    def __init__(self, watcher, root):
        self.port = free_port()
        for folder in ("private", "lock", "state", "cache", "pid", "rpc"):
            (STATE / folder).mkdir(parents=True, exist_ok=True)
        configuration = STATE / "smb.conf"
        configuration.write_text(
            f"""[global]
            server role = standalone server
            interfaces = lo
            bind interfaces only = yes
            smb ports = {self.port}
            disable netbios = yes
            load printers = no
            disable spoolss = yes
            map to guest = Bad User
            kernel oplocks = yes
            log level = 1
            private dir = {STATE}/private
            lock directory = {STATE}/lock
            state directory = {STATE}/state
            cache directory = {STATE}/cache
            pid directory = {STATE}/pid
            ncalrpc dir = {STATE}/rpc
            [inbox]
            path = {root}
            guest ok = yes
            read only = no
            force user = root
            """
        )
        super().__init__(watcher, "smbd", [program("smbd"), "--foreground", "--no-process-group", "--debug-stdout", f"--configfile={configuration}"])

    def client(self, port, *commands):
        return ["smbclient", "//127.0.0.1/inbox", f"--port={port}", "--no-pass", "--user=guest", "--command=" + "; ".join(commands)]


class Held:
    """A port that leads to another; so many bytes of what a client sends there are passed on, and the rest after go()."""

    def __init__(self, port, left):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._to, self._left = port, left
        self._reached, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, name="held", daemon=True)
        self._thread.start()

    def _serve(self):
        client, _ = self._listening.accept()
        with client, socket.create_connection(("127.0.0.1", self._to)) as server:
            back = threading.Thread(target=self._carry, args=(server, client), daemon=True)
            back.start()
            while self._left > 0 and (piece := client.recv(min(65536, self._left))):
                server.sendall(piece)
                self._left -= len(piece)
            self._reached.set()
            self._go.wait()
            self._carry(client, server)
            back.join()

    @staticmethod
    def _carry(source, target):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)

    def wait(self, watcher):
        watcher.wait(self._reached.is_set, "half of it passed on")

    def go(self):
        self._go.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listening.close()


class Web:
    """Serves one file, by halves: the second when `go` is set."""

    def __init__(self, data):
        self.go = threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2])
                self.wfile.flush()
                web.go.wait()
                self.wfile.write(data[len(data) // 2 :])

            def log_message(self, *_):
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/a.png"
        self._thread = threading.Thread(target=self._server.handle_request, name="web", daemon=True)
        self._thread.start()

    def close(self):
        self.go.set()
        self._thread.join()
        self._server.server_close()
