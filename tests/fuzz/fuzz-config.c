/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a configuration: refused with a sentence, or usable. */

#include "config.h"
#include "fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_autoptr(GString) errors = g_string_new(NULL);
        struct config *config;
        char path[64];
        int fd = memfd_create("configuration", MFD_CLOEXEC);

        if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
                (void)close(fd);
                return 0;
        }
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        config = config_load(path, errors);
        (void)close(fd);
        assert(!config == (errors->len > 0));
        if (config)
                assert(config->folders->len > 0 && config->presets->len > 0);
        config_free(config);
        return 0;
}
