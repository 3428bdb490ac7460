# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands between a client and its server: gate.py BYTES FIFO COMMAND...  Passes so many bytes of what the client sends on to the
command, then waits until somebody has opened and closed the FIFO, then passes the rest.  Knows nothing of what it carries."""

import contextlib
import os
import subprocess
import sys
import threading

PIECE = 32768


def carry(server, left, fifo):
    with contextlib.suppress(BrokenPipeError):
        while piece := os.read(0, PIECE):
            for part in (piece[:left], piece[left:]):
                server.write(part)
                server.flush()
                if 0 < left <= len(part):
                    open(fifo, "rb").close()
                left = max(0, left - len(part))
        server.close()


command = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE)
threading.Thread(target=carry, args=(command.stdin, int(sys.argv[1]), sys.argv[2]), daemon=True).start()
os._exit(command.wait())  # the client waits for that, and sends nothing more
