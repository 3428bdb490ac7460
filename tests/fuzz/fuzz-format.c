/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first bytes of a file, which both programs look at, and its last ones. */

#include "format.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        size_t half = size / 2;
        uint8_t *head = (uint8_t *)malloc(half + 1),
                *tail = (uint8_t *)malloc(size - half + 1); /* of their own, so that the sanitizer sees every byte too far */

        if (head && tail) {
                memcpy(head, data, half);
                memcpy(tail, data + half, size - half);

                enum format f = format_sniff(head, half);

                for (unsigned any = FORMAT_NONE; any < _FORMAT_MAX; any++)
                        (void)format_end((enum format)any, size, head, half, tail, size - half);
                tail[size - half - (size > half ? 1 : 0)] = '\0';
                (void)format_picture_name((const char *)tail);
                if (f >= _FORMAT_MAX)
                        abort();
        }
        free(head);
        free(tail);
        return 0;
}
