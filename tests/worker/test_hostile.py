# SPDX-License-Identifier: GPL-2.0-or-later
"""Every hostile file ends in made or a reason, within a deadline, and no worker dies of it with the loaders that are the default."""

import collections

from conftest import sweep
from worker import CORPUS, REASONS, TRUSTED, spec

ROOT = CORPUS / "hostile"
DEADLY = {}  # file: signal, for the default loaders


def test_every_file_ends():
    names = sorted(str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file())
    results = sweep(names, lambda w, n: w.render(ROOT / n, spec(), seconds=20, loaders=TRUSTED, memory_bytes=512 << 20).reason,
                    memory_bytes=512 << 20)
    lost = {n: r for n, r in results.items() if isinstance(r, Exception)}
    print(len(names), "files:", dict(collections.Counter(r for r in results.values() if isinstance(r, str))))
    assert len(names) > 4500
    assert {n: getattr(r, "status", "deadline") for n, r in lost.items()} == DEADLY
    assert set(results.values()) <= set(REASONS)
