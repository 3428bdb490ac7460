# SPDX-License-Identifier: GPL-2.0-or-later
"""A troupe: the real supervisor with a worker program that plays a part, see acting_worker.py."""

import os
import shutil
from pathlib import Path

import pictures
from daemon import PROGRAM

HERE = Path(__file__).resolve().parent


class Stage:
    """A folder that holds a copy of the supervisor and the actor in the place of its worker."""

    def __init__(self, folders, part=""):
        self.folder = folders.root / "stage"
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.program = self.folder / PROGRAM.name
        shutil.copy2(PROGRAM, self.program)
        (self.folder / "thumbnail.jpg").write_bytes(pictures.encoded(width=64, height=48))
        actor = self.folder / "thumbnail-worker"
        shutil.copy2(HERE / "acting_worker.py", actor)
        actor.chmod(0o755)
        self.cast(part)

    def cast(self, part):
        """The part of every worker that starts from now on; "" is an honest one."""
        fresh = self.folder / "part.new"
        fresh.write_text(part)
        os.rename(fresh, self.folder / "part")

    def use_the_real_worker(self):
        """From the next start of a worker on."""
        fresh = self.folder / "worker.new"
        shutil.copy2(PROGRAM.with_name("thumbnail-worker"), fresh)
        os.rename(fresh, self.folder / "thumbnail-worker")
