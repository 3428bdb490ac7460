# SPDX-License-Identifier: GPL-2.0-or-later
"""A writer in a storm: does what users, programs and sync tools do to an inbox, at random, in the way of others who do the same.
Run as a program: storm.py INBOX ASIDE PICTURES SEED OPERATIONS."""

import os
import random
import shutil
import sys
from pathlib import Path


class Writer:
    def __init__(self, inbox, aside, pictures, seed):
        self.inbox, self.aside = inbox, aside
        self.pictures = [path.read_bytes() for path in sorted(pictures.iterdir())]
        self.random = random.Random(seed)
        self.name = f"w{seed}"
        self.made = 0

    # Choosing: names are few, so that writers meet

    def folder(self):
        """One of the tree as it is now, down to three levels."""
        at = self.inbox
        for _ in range(self.random.randrange(4)):
            below = sorted(entry for entry in at.iterdir() if entry.is_dir())
            if not below:
                break
            at = self.random.choice(below)
        return at

    def tree(self):
        """One that can go: not the inbox itself."""
        at = self.folder()
        if at == self.inbox:
            raise FileNotFoundError
        return at

    def file(self):
        here = sorted(entry for entry in self.folder().iterdir() if not entry.is_dir() and not entry.name.startswith("."))
        return self.random.choice(here) if here else self.place()

    def place(self):
        return self.folder() / f"p{self.random.randrange(12)}.jpg"

    def new_folder(self):
        return self.folder() / f"d{self.random.randrange(5)}"

    def staged(self):
        self.made += 1
        return self.aside / f"{self.name}-{self.made}"

    def picture(self):
        return self.random.choice(self.pictures)

    # Doing

    def write(self):
        self.place().write_bytes(self.picture())

    def write_in_pieces(self):
        data, done = self.picture(), 0
        with open(self.place(), "wb", buffering=0) as file:
            while done < len(data):
                done += file.write(data[done : done + 200])

    def deliver(self):
        staged = self.staged()
        staged.write_bytes(self.picture())
        os.rename(staged, self.place())

    def deliver_from_here(self):
        place = self.place()
        hidden = place.with_name(f".{self.name}.part")
        hidden.write_bytes(self.picture())
        os.rename(hidden, place)

    def link(self):
        """As programs do that must not overwrite.  Two names never last: of a change by the other one nobody is told."""
        staged = self.staged()
        staged.write_bytes(self.picture())
        try:
            os.link(staged, self.place())
        finally:
            staged.unlink()

    def delete(self):
        self.file().unlink()

    def rename(self):
        os.rename(self.file(), self.place())

    def move_out_and_back(self):
        staged, file = self.staged(), self.file()
        os.rename(file, staged)
        os.rename(staged, file if self.random.random() < 0.5 else self.place())

    def touch(self):
        os.utime(self.file())

    def make_folder(self):
        self.new_folder().mkdir()

    def make_tree(self):
        """At once, as mkdir -p and a copy do."""
        at = self.new_folder()
        (at / "deep" / "er").mkdir(parents=True)
        for folder in (at, at / "deep", at / "deep" / "er"):
            (folder / "q.jpg").write_bytes(self.picture())

    def deliver_tree(self):
        staged = self.staged()
        (staged / "in").mkdir(parents=True)
        for i in range(3):
            (staged / f"p{i}.jpg").write_bytes(self.picture())
            (staged / "in" / f"p{i}.jpg").write_bytes(self.picture())
        os.rename(staged, self.new_folder())

    def move_tree(self):
        os.rename(self.tree(), self.new_folder())

    def copy_tree(self):
        staged = self.staged()
        shutil.copytree(self.tree(), staged)
        for folder, _, files in os.walk(staged):  # what somebody was just writing is no picture, and would stay none
            for file in files:
                Path(folder, file).write_bytes(self.picture())
        shutil.copytree(staged, self.new_folder())  # not from where it goes: that may be within, and never end

    def exchange_trees(self):
        a, b, staged = self.tree(), self.tree(), self.staged()
        os.rename(a, staged)
        os.rename(b, a)
        os.rename(staged, b)

    def move_tree_out(self):
        os.rename(self.tree(), self.staged())

    def delete_tree(self):
        shutil.rmtree(self.tree())

    OFTEN = (write, write_in_pieces, deliver, deliver_from_here, delete, rename)
    SELDOM = (link, move_out_and_back, touch, make_folder, make_tree, deliver_tree, move_tree, exchange_trees, move_tree_out, delete_tree)
    RARE = (copy_tree,)

    def act(self):
        doing = self.random.choice(self.OFTEN * 4 + self.SELDOM * 2 + self.RARE)
        try:
            doing(self)
        except (OSError, shutil.Error):
            pass  # somebody else was here first


def main():
    inbox, aside, pictures = (Path(argument) for argument in sys.argv[1:4])
    writer = Writer(inbox, aside, pictures, int(sys.argv[4]))
    for _ in range(int(sys.argv[5])):
        writer.act()


if __name__ == "__main__":
    main()
