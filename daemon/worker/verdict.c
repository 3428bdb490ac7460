/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects complaints in fixed buffers, so that it works when memory is gone.  Decides reasons from words only where a library
 * gives nothing else than words. */

#include "verdict.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

static struct {
        GMutex lock;
        char text[512];
} complaints;

/* Cut @text to one printable line without a trailing full stop or space. */
static void tidy(char *text)
{
        size_t length;

        for (char *p = text; *p; p++)
                if ((unsigned char)*p < ' ')
                        *p = ' ';
        for (length = strlen(text); length > 0 && (text[length - 1] == ' ' || text[length - 1] == '.'); length--)
                text[length - 1] = '\0';
}

bool verdict_fail(struct verdict *v, enum reason reason, const char *format, ...)
{
        va_list ap;

        if (v->reason != REASON_NONE)
                return false;
        v->reason = reason;
        va_start(ap, format);
        (void)vsnprintf(v->text, sizeof v->text, format, ap);
        va_end(ap);
        tidy(v->text);
        return false;
}

void verdict_warn(struct verdict *v, const char *format, ...)
{
        va_list ap;

        if (v->warning[0])
                return;
        va_start(ap, format);
        (void)vsnprintf(v->warning, sizeof v->warning, format, ap);
        va_end(ap);
        tidy(v->warning);
}

static bool says(const char *text, const char *const *words)
{
        for (; *words; words++)
                if (strcasestr(text, *words))
                        return true;
        return false;
}

/* What libraries say of good pictures, and what only repeats in other words that something failed. */
static bool is_noise(const char *piece)
{
        static const char *const noise[] = {
                "bad seek to", "nclx", "Unknown field with tag", "resolution unit", "error in tile", NULL
        };

        return *piece == '\0' || says(piece, noise);
}

/* Add one complaint to a list of them, unless it is noise, is already there, or does not fit. */
static void add_piece(char *list, size_t size, const char *piece)
{
        size_t used = strlen(list);

        if (!is_noise(piece) && !strstr(list, piece) && used + 8 < size)
                (void)snprintf(list + used, size - used, "%s%s", used ? "; " : "", piece);
}

static GLogWriterOutput collect(GLogLevelFlags level, const GLogField *fields, gsize n_fields, void *userdata)
{
        if (!(level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)))
                return G_LOG_WRITER_HANDLED;
        g_mutex_lock(&complaints.lock);
        for (gsize i = 0; i < n_fields; i++)
                if (strcmp(fields[i].key, "MESSAGE") == 0 && fields[i].length < 0)
                        add_piece(complaints.text, sizeof complaints.text, (const char *)fields[i].value);
        g_mutex_unlock(&complaints.lock);
        return G_LOG_WRITER_HANDLED;
}

void verdict_install_log_writer(void)
{
        g_log_set_writer_func(collect, NULL, NULL);
}

void verdict_clear_complaints(void)
{
        vips_error_clear();
        g_mutex_lock(&complaints.lock);
        complaints.text[0] = '\0';
        g_mutex_unlock(&complaints.lock);
}

const char *verdict_complaints(void)
{
        static char line[1024];
        char said[2048], *rest = NULL;

        line[0] = '\0';
        (void)snprintf(said, sizeof said, "%s", vips_error_buffer());
        for (char *piece = strtok_r(said, "\n", &rest); piece; piece = strtok_r(NULL, "\n", &rest))
                add_piece(line, sizeof line, piece);
        g_mutex_lock(&complaints.lock);
        add_piece(line, sizeof line, complaints.text);
        g_mutex_unlock(&complaints.lock);
        tidy(line);
        return line;
}

bool verdict_fail_vips(struct verdict *v, bool end_missing)
{
        /* what only sounds like memory: sizes that a header claims and no sound file has */
        static const char *const claims[] = { "chunk data is too large", "(0 elements", "bad dimensions", NULL };
        static const char *const process[] = { "unsupported jpeg", NULL }; /* said of its header: wherever it ends */
        static const char *const large[] = { "security limit", "exceeds the maximum", "too many tiles", NULL };
        static const char *const memory[] = { "out of memory",
                                              "insufficient memory",
                                              "memory allocation",
                                              "unable to allocate",
                                              "failed to allocate",
                                              "can't allocate",
                                              NULL };
        static const char *const early[] = { "truncat",
                                             "end of file",
                                             "end of data",
                                             "end of gif",
                                             "end of stream",
                                             "premature",
                                             "unexpected end",
                                             "unexpected eof",
                                             "not enough data",
                                             "not enough bytes",
                                             "read error at scanline",
                                             "read error on",
                                             "short read",
                                             "end-of-file",
                                             NULL };
        static const char *const unable[] = { "unsupported", "not supported",  "unimplemented",  "not implemented",
                                              "no decod",    "not configured", "unknown loader", NULL };
        const char *said = verdict_complaints();
        enum reason reason = REASON_CORRUPT;

        if (says(said, claims))
                reason = end_missing ? REASON_TRUNCATED : REASON_CORRUPT;
        else if (says(said, process))
                reason = REASON_UNSUPPORTED;
        else if (says(said, large))
                reason = REASON_TOO_LARGE;
        else if (says(said, memory))
                reason = REASON_OUT_OF_MEMORY;
        else if (end_missing || says(said, early))
                reason = REASON_TRUNCATED;
        else if (says(said, unable))
                reason = REASON_UNSUPPORTED;
        return verdict_fail(v, reason, "%s", *said ? said : "the decoder gave no reason");
}
