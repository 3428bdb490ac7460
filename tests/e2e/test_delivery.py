# SPDX-License-Identifier: GPL-2.0-or-later
"""However a file arrives: made exactly once for each version of it, never from a part, and soon.  The rows are in ways.py and
ways_of_trees.py."""

import pytest
import servers
import ways_of_trees  # noqa: F401  adds its rows
from delivery import Delivery, Post
from ways import WAYS

QUICK = [name for name, (_, settled) in WAYS.items() if not settled]
SETTLED = [name for name, (_, settled) in WAYS.items() if settled]


@pytest.fixture(scope="module")
def post(shared):
    post = Post(shared)
    post.ftp = servers.Ftp(post.watcher, shared.root)
    post.smb = servers.Smb(post.watcher, shared.root)
    yield post
    post.ftp.close()
    post.smb.close()


def delivered(post, name):
    way, settled = WAYS[name]
    delivery = Delivery(post, name, settled)
    delivery.deliver(way)
    return delivery


@pytest.fixture(scope="module")
def settled(post):
    """All of them one after the other, so that they are quiet together; what went wrong with one is its own test's failure."""
    found = {}
    for name in SETTLED:
        try:
            found[name] = delivered(post, name)
        except Exception as error:
            found[name] = error
    return found


@pytest.mark.parametrize("name", QUICK)
def test_arrives(post, name):
    delivered(post, name).check()


@pytest.mark.parametrize("name", SETTLED)
def test_arrives_with_pauses(settled, name):
    if isinstance(settled[name], Exception):
        raise settled[name]
    settled[name].check()


def test_nothing_was_made_later(post):
    """Nothing waits any more, so nothing more can come."""
    post.daemon.wait_status(r"^0/1 workers busy, 0 waiting")
    for delivery in post.deliveries:
        delivery.check_again()
