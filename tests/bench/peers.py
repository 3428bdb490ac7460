# SPDX-License-Identifier: GPL-2.0-or-later
"""Those we are compared with, each from its start to its end: the real programs, and libjpeg-turbo alone as the limit;
and the least that a supervisor can take."""

import subprocess
from pathlib import Path

import account
from daemon import BUILD, ENVIRONMENT
from ours import Cost

PEERS = Path(__file__).resolve().parents[3] / "shared" / "peers"
SCRATCH = Path("/var/cache/thumbnaild-bench")  # sharp stays there for the next time
MODULES = SCRATCH / "node_modules"
FLOOR, FLOOR_FILES = BUILD / "bench-floor", BUILD / "bench-floor-files"
QUALITY = 80  # the daemon's default


def install():
    """What no Debian package has, and what is built for the occasion."""
    if not (MODULES / "sharp").is_dir():
        SCRATCH.mkdir(mode=0o755, exist_ok=True)
        # 0.35 needs a Node.js that Debian 12 does not have.
        major = int(subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout[1:].split(".")[0])
        subprocess.run(
            ["npm", "install", "--prefix", SCRATCH, "--no-save", "--no-audit", "--no-fund", "sharp@0.35" if major >= 20 else "sharp@0.34"],
            stdout=subprocess.DEVNULL,
            check=True,
        )
    subprocess.run(["ninja", "--quiet", "-C", BUILD, FLOOR.name, FLOOR_FILES.name], stdout=subprocess.DEVNULL, check=True)


class Peer:
    def __init__(self, name, *command, before_sizes=(), **environment):
        self.name = name
        self._command, self._before_sizes, self._environment = command, before_sizes, ENVIRONMENT | environment

    def run(self, ground, source, sizes):
        outbox = ground.fresh(self.name)
        command = [*self._command, source, outbox, *self._before_sizes, *map(str, sizes)]
        return Cost(*account.run(self.name, command, self._environment)), outbox


PILLOW = Peer("pillow", PEERS / "pillow_pool.py")
VIPSTHUMBNAIL = Peer("vipsthumbnail", PEERS / "vipsthumbnail.sh")
SHARP = Peer("sharp", "node", PEERS / "sharp.cjs", NODE_PATH=str(MODULES))
# With memory as cheap as ours: kept, and in huge pages.
MALLOC = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=268435456"
LIMIT = Peer("floor", FLOOR, before_sizes=[str(QUALITY)], GLIBC_TUNABLES=MALLOC)
# As the second, without what encoding takes away.
PNG_PEER = Peer("png", "/bin/sh", "-c", 'find "$1" -type f -print0 | xargs -0 vipsthumbnail --size "$3" -o "$2/%s.$3.png"', "sh")
REAL = (PILLOW, VIPSTHUMBNAIL, SHARP)
