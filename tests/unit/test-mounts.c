/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths through made-up tables of mounts, over a real tree of folders and links below a temporary one. */

#include "base.h"
#include "mounts.h"

#include <glib.h>
#include <glib/gstdio.h>

static const char *base; /* the temporary folder */

/* The table of a machine whose root is ext4, with more @lines; %s there is the temporary folder. */
static struct mounts *table(const char *const *lines)
{
        g_autoptr(GString) text = g_string_new("20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n");

        for (; *lines; lines++) {
                g_auto(GStrv) parts = g_strsplit(*lines, "%s", -1);
                g_autofree char *line = g_strjoinv(base, parts);

                g_string_append_printf(text, "%s\n", line);
        }
        return mounts_parse(text->str);
}

static void expect(const struct mounts *mounts, const char *path, const char *visible, const char *inside, const char *remote)
{
        g_autofree char *full = g_strconcat(base, path, NULL), *full_visible = g_strconcat(base, visible, NULL),
                        *full_inside = inside[0] == '@' ? g_strconcat("8:1", base, inside + 1, NULL) : g_strdup(inside);
        struct place place;

        mounts_locate(mounts, full, &place);
        g_assert_cmpstr(place.visible, ==, full_visible);
        g_assert_cmpstr(place.inside, ==, full_inside);
        g_assert_cmpstr(place.remote, ==, remote);
        place_done(&place);
}

static void test_local(void)
{
        _cleanup_(mounts_freep) struct mounts *m =
                table((const char *const[]){ "30 20 8:2 /sub %s/disk rw - ext4 /dev/sdb1 rw", NULL });

        expect(m, "/a/b", "/a/b", "@/a/b", NULL);
        expect(m, "//a/./c/../b/", "/a/b", "@/a/b", NULL);
        expect(m, "/disk", "/disk", "8:2/sub", NULL);
        expect(m, "/disk/x", "/disk/x", "8:2/sub/x", NULL);
        expect(m, "/diskette", "/diskette", "@/diskette", NULL);
        expect(m, "/link/x", "/a/b/x", "@/a/b/x", NULL);
        expect(m, "/loop", "/loop", "@/loop", NULL);
}

static void test_remote(void)
{
        _cleanup_(mounts_freep) struct mounts *m =
                table((const char *const[]){ "30 20 0:50 / %s/a/b rw shared:5 master:2 - nfs4 host:/a\\040b rw",
                                             "31 30 8:7 / %s/a/b/local rw - ext4 /dev/sdc1 rw", NULL });

        expect(m, "/a/b", "/a/b", "0:50", "nfs4 (host:/a b)");
        expect(m, "/link/x", "/a/b/x", "0:50/x", "nfs4 (host:/a b)");
        expect(m, "/a/b/local/x", "/a/b/local/x", "8:7/x", "nfs4 (host:/a b)"); /* reached through what may hang */
        expect(m, "/a/b/../c", "/a/c", "@/a/c", NULL);
        expect(m, "/a", "/a", "@/a", NULL);
}

/* The last mount counts, and what it hides does not. */
static void test_over_each_other(void)
{
        _cleanup_(mounts_freep) struct mounts *m = table(
                (const char *const[]){ "30 20 0:50 / %s/a/b rw - cifs //host/share rw", "31 20 8:3 / %s/a rw - xfs /dev/sdd1 rw",
                                       "32 31 0:51 / %s/a/c rw - autofs systemd-1 rw", "33 32 8:4 / %s/a/c rw - ext4 /dev/sde1 rw",
                                       "34 31 0:52 / %s/a/d rw - autofs systemd-1 rw", NULL });
        g_autofree char *a = g_strconcat(base, "/a", NULL), *hidden = g_strconcat(base, "/a/b", NULL);
        g_autofree char *remote = mounts_remote(m, a), *none = mounts_remote(m, hidden);

        expect(m, "/a/b", "/a/b", "8:3/b", NULL);
        expect(m, "/a/c/x", "/a/c/x", "8:4/x", NULL);
        expect(m, "/a/d", "/a/d", "0:52", "autofs (systemd-1)");
        g_assert_cmpstr(remote, ==, "autofs (systemd-1)");
        g_assert_null(none);
}

static void test_below(void)
{
        const char *const with[] = { "30 20 0:50 / %s/a/b rw - fuse.sshfs me@host:/ rw", NULL };
        _cleanup_(mounts_freep) struct mounts *m = table(with), *without = table(with + 1);
        g_autofree char *a = g_strconcat(base, "/a", NULL), *c = g_strconcat(base, "/a/c", NULL);
        g_autofree char *below = mounts_remote(m, a), *beside = mounts_remote(m, c);
        g_autofree char *one = mounts_below(m, a), *other = mounts_below(without, a), *elsewhere = mounts_below(m, c);

        g_assert_cmpstr(below, ==, "fuse.sshfs (me@host:/)");
        g_assert_null(beside);
        g_assert_cmpstr(one, !=, other);
        g_assert_cmpstr(elsewhere, ==, "");
}

static void test_types(void)
{
        static const char *const remote[] = { "nfs", "nfs4", "cifs", "smb3", "9p", "fuse", "fuse.sshfs", "virtiofs", "ceph", "afs" },
                                 *const local[] = { "ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuseblk", "zfs", "fusectl" };

        for (size_t i = 0; i < G_N_ELEMENTS(remote); i++)
                g_assert_true(mounts_type_is_remote(remote[i]));
        for (size_t i = 0; i < G_N_ELEMENTS(local); i++)
                g_assert_false(mounts_type_is_remote(local[i]));
}

static void test_nonsense(void)
{
        _cleanup_(mounts_freep) struct mounts *m = mounts_parse("1\n\nx y z\n5 5 0:1 / /x rw - nfs\n - \n");
        struct place place;

        mounts_locate(m, "/x/y", &place);
        g_assert_cmpstr(place.visible, ==, "/x/y");
        g_assert_null(place.inside);
        g_assert_null(place.remote);
        place_done(&place);
}

int main(int argc, char **argv)
{
        g_autofree char *folder = g_dir_make_tmp("test-mounts-XXXXXX", NULL), *link = NULL, *loop = NULL;
        int status;

        g_test_init(&argc, &argv, NULL);
        g_assert_nonnull(folder);
        base = folder;
        link = g_build_filename(folder, "link", NULL);
        loop = g_build_filename(folder, "loop", NULL);
        g_assert_cmpint(symlink("a/b", link), ==, 0);
        g_assert_cmpint(symlink("loop", loop), ==, 0);
        g_test_add_func("/mounts/local", test_local);
        g_test_add_func("/mounts/remote", test_remote);
        g_test_add_func("/mounts/over-each-other", test_over_each_other);
        g_test_add_func("/mounts/below", test_below);
        g_test_add_func("/mounts/types", test_types);
        g_test_add_func("/mounts/nonsense", test_nonsense);
        status = g_test_run();
        (void)g_unlink(link);
        (void)g_unlink(loop);
        (void)g_rmdir(folder);
        return status;
}
