/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes as Base64 and back. */

#include "numbers.h"

#include <errno.h>
#include <string.h>

char *numbers_format(const struct numbers *numbers)
{
        struct numbers plain = *numbers;

        plain.view.paused_why = NULL;
        return g_base64_encode((const guchar *)&plain, sizeof plain);
}

int numbers_parse(const char *text, struct numbers *ret)
{
        g_autofree guchar *bytes = NULL;
        gsize length = 0;

        bytes = g_base64_decode(text, &length);
        if (length != sizeof *ret)
                return -EBADMSG;
        memcpy(ret, bytes, sizeof *ret);
        ret->view.paused_why = NULL;
        return 0;
}
