/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects text. */

#include "findings.h"

#include "log.h"

#include <glib.h>
#include <stdio.h>

struct findings {
        char *verdict; /* or NULL */
        GString *lines;
};

struct findings *findings_new(void)
{
        struct findings *f = g_new0(struct findings, 1);

        f->lines = g_string_new(NULL);
        return f;
}

void findings_free(struct findings *f)
{
        if (!f)
                return;
        g_free(f->verdict);
        (void)g_string_free(f->lines, TRUE);
        g_free(f);
}

void findings_conclude(struct findings *f, const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        if (f->verdict)
                return;
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        f->verdict = log_escape(text);
}

bool findings_concluded(const struct findings *f)
{
        return f->verdict != NULL;
}

void findings_say(struct findings *f, const char *subject, const char *format, ...)
{
        g_autofree char *text = NULL, *escaped = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        escaped = log_escape(text);
        g_string_append_printf(f->lines, "  %-11s %s\n", subject, escaped);
}

void findings_print(const struct findings *f, const char *name)
{
        g_autofree char *escaped = log_escape(name);

        (void)printf("%s\n%s.\n\n%s", escaped, f->verdict, f->lines->str);
}
