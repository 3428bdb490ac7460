/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gives a fuzz target the inputs that it is named, files and folders, one after another: so every build, by whatever compiler, sees what
 * fuzzing has found worth keeping.  Says how many there were; none is a failure. */

#include "fuzz.h"

#include <glib.h>
#include <stdio.h>

static unsigned replay(const char *path)
{
        g_autofree char *data = NULL;
        const char *name;
        unsigned n = 0;
        size_t size;

        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
                g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

                while (dir && (name = g_dir_read_name(dir))) {
                        g_autofree char *below = g_build_filename(path, name, NULL);

                        n += replay(below);
                }
                return n;
        }
        if (!g_file_get_contents(path, &data, &size, NULL))
                return 0;
        (void)LLVMFuzzerTestOneInput((const uint8_t *)data, size);
        return 1;
}

int main(int argc, char **argv)
{
        unsigned n = 0;

        if (LLVMFuzzerInitialize)
                (void)LLVMFuzzerInitialize(&argc, &argv);
        for (int i = 1; i < argc; i++)
                n += replay(argv[i]);
        (void)printf("%u inputs\n", n);
        return n > 0 ? 0 : 1;
}
