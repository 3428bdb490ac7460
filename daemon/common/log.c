/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log backend: encodes an event once, as one datagram for the journal or one line for stderr.  Keeps undelivered datagrams in
 * order, at most BUFFER_BYTES of them, and counts what repeats.  Never decides what is worth logging. */

#include "log.h"

#include "base.h"
#include "flood.h"

#include <assert.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define BUFFER_BYTES   (4U << 20)
#define CLOSE_MSEC     1000 /* for a journal that takes nothing at the end */
#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define IDENTIFIER     "thumbnaild"

static const struct {
        const char *name;
        const char *message_id;
        int priority;
} events[_EV_MAX] = {
#define X(symbol, name_, priority_, message_id_) \
        [EV_##symbol] = { .name = (name_), .message_id = (message_id_), .priority = (priority_) },
        LOG_EVENT_LIST(X)
#undef X
};

static struct {
        int fd; /* connected to the journal; -1: stderr only */
        bool lost;
        bool terminal;
        uint64_t shown; /* events that go to stderr besides */
        GQueue waiting; /* GBytes, oldest first */
        size_t waiting_bytes;
        uint64_t dropped, dropped_ever;
        uint64_t counts[_EV_MAX];
        struct flood *flood;
        void (*before)(void *);
        void (*after)(void *);
        void *userdata;
} backend = { .fd = -1, .waiting = G_QUEUE_INIT };

const char *log_event_name(enum log_event_id event)
{
        assert(event < _EV_MAX);
        return events[event].name;
}

/* Events that come as often as their cause does.  What is said of each file that was made or failed is never merged, so that whoever asks
 * the journal for a file finds it; nor which process is a worker, which readers of the other lines may want to know. */
static bool may_flood(enum log_event_id event)
{
        switch (event) {
        case EV_RETRY:
        case EV_WAITING:
        case EV_SKIPPED:
        case EV_RESCAN:
        case EV_POLLING:
        case EV_OVERFLOW:
        case EV_WORKER_LOST:
        case EV_WORKER_TIMEOUT:
        case EV_PAUSED:
        case EV_RESUMED:
        case EV_TROUBLE:
                return true;
        default:
                return false;
        }
}

/* Characters that could forge a line or reorder it on a terminal: C0, DEL, C1, and the bidirectional controls of UAX #9. */
static bool character_is_safe(gunichar c)
{
        return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0x61c && c != 0x200e && c != 0x200f && !(c >= 0x2028 && c <= 0x202e) &&
               !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff;
}

char *log_escape(const char *text)
{
        GString *out = g_string_sized_new(strlen(text) + 16);

        while (*text) {
                gunichar c = g_utf8_get_char_validated(text, -1);

                if (c == (gunichar)-1 || c == (gunichar)-2) {
                        g_string_append_printf(out, "\\x%02x", (unsigned char)*text++);
                        continue;
                }
                if (character_is_safe(c))
                        g_string_append_unichar(out, c);
                else if (c < 0x80)
                        g_string_append_printf(out, "\\x%02x", (unsigned)c);
                else
                        g_string_append_printf(out, "\\u{%04x}", (unsigned)c);
                text = g_utf8_next_char(text);
        }
        return g_string_free(out, FALSE);
}

int log_connect(void)
{
        static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };
        _cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int size = 8 << 20;

        if (fd < 0)
                return neg_errno();
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
                return neg_errno();
        if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        return fd_steal(&fd);
}

void log_open(int journal_fd)
{
        (void)fd_close(backend.fd);
        backend.fd = journal_fd;
        backend.lost = false;
        backend.terminal = isatty(STDERR_FILENO) == 1;
}

int log_reconnect(void)
{
        int fd = log_connect();

        if (fd < 0)
                return fd;
        log_open(fd);
        log_flush();
        return 0;
}

int log_fd(void)
{
        return backend.fd;
}

bool log_pending(void)
{
        return backend.fd >= 0 && !backend.lost && (backend.dropped > 0 || !g_queue_is_empty(&backend.waiting));
}

bool log_lost(void)
{
        return backend.lost;
}

void log_set_stderr_hooks(void (*before)(void *), void (*after)(void *), void *userdata)
{
        backend.before = before;
        backend.after = after;
        backend.userdata = userdata;
}

static void drop(uint64_t n)
{
        backend.dropped += n;
        backend.dropped_ever += n;
}

void log_add_dropped(uint64_t n)
{
        drop(n);
        log_flush();
}

uint64_t log_dropped(void)
{
        return backend.dropped_ever;
}

uint64_t log_count(enum log_event_id event)
{
        assert(event < _EV_MAX);
        return backend.counts[event];
}

/* Returns 1 when sent (or beyond sending), 0 when it has to wait. */
static int send_now(const void *data, size_t size)
{
        ssize_t n = send(backend.fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0)
                return 1;
        if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
                return 0;
        if (errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET || errno == EPIPE) {
                backend.lost = true;
                return 0;
        }
        drop(1);
        return 1;
}

static void append_field(GString *out, const char *key, const char *value)
{
        size_t length = strlen(value);

        g_string_append(out, key);
        if (!memchr(value, '\n', length)) {
                g_string_append_printf(out, "=%s\n", value);
                return;
        }

        uint64_t little = GUINT64_TO_LE((uint64_t)length);

        g_string_append_c(out, '\n');
        g_string_append_len(out, (const char *)&little, sizeof little);
        g_string_append_len(out, value, (gssize)length);
        g_string_append_c(out, '\n');
}

/* All of a datagram but MESSAGE. */
static GString *encode(enum log_event_id event, const struct log_field *fields, size_t n_fields)
{
        GString *out = g_string_sized_new(512);

        g_string_append_printf(out, "PRIORITY=%d\nSYSLOG_IDENTIFIER=" IDENTIFIER "\nMESSAGE_ID=%s\nTHUMBNAILD_EVENT=%s\n",
                               events[event].priority, events[event].message_id, events[event].name);
        for (size_t i = 0; i < n_fields; i++) {
                char key[64], number[24];

                (void)snprintf(key, sizeof key, "THUMBNAILD_%s", fields[i].key);
                if (fields[i].is_number) {
                        (void)snprintf(number, sizeof number, "%" PRIu64, fields[i].num);
                        append_field(out, key, number);
                } else if (fields[i].str) {
                        append_field(out, key, fields[i].str);
                }
                if (fields[i].str && strcmp(fields[i].key, "FILE") == 0) { /* `journalctl -x` shows fields as they are */
                        g_autofree char *safe = log_escape(fields[i].str);

                        append_field(out, "THUMBNAILD_NAME", safe);
                }
        }
        return out;
}

/* A full pipe or a stopped terminal must not stop us, unless somebody waits for us in a script.  What can be asked is whether there is
 * room for PIPE_BUF bytes, which another of our processes may take first; O_NONBLOCK would be theirs who share the open file, too. */
static bool stderr_takes(void)
{
        return backend.shown || poll(&(struct pollfd){ .fd = STDERR_FILENO, .events = POLLOUT }, 1, 0) > 0;
}

static void to_stderr(enum log_event_id event, const char *sentence)
{
        /* On a terminal, whatever stands in the line goes first: another process of ours may have drawn its progress there. */
        g_autofree char *line = g_strdup_printf("%s%s: %s\n", backend.terminal ? "\r\033[K" : "", events[event].name, sentence);
        size_t length = strlen(line), done = 0;

        if (backend.before)
                backend.before(backend.userdata);
        while (done < length && stderr_takes()) {
                ssize_t n = write(STDERR_FILENO, line + done, MIN(length - done, PIPE_BUF));

                if (n <= 0 && errno != EINTR)
                        break;
                if (n > 0)
                        done += (size_t)n;
        }
        if (done < length && backend.fd < 0)
                drop(1);
        if (backend.after)
                backend.after(backend.userdata);
}

/* What was dropped is said when nothing else waits, and if that does not go out either, later. */
static void tell_dropped(void)
{
        uint64_t dropped = backend.dropped;

        if (dropped == 0 || (backend.fd < 0 && !stderr_takes()))
                return;
        backend.dropped = 0;
        log_event(EV_DROPPED, FIELDS(F_NUM(COUNT, dropped)), "%" PRIu64 " lines of the log were dropped because nobody took them",
                  dropped);
        if (g_queue_is_empty(&backend.waiting))
                return;
        g_bytes_unref((GBytes *)g_queue_pop_head(&backend.waiting));
        backend.waiting_bytes = 0;
        backend.dropped = dropped;
}

void log_flush(void)
{
        while (!g_queue_is_empty(&backend.waiting)) {
                GBytes *bytes = (GBytes *)g_queue_peek_head(&backend.waiting);
                size_t size;
                const void *data = g_bytes_get_data(bytes, &size);

                if (!send_now(data, size))
                        return;
                (void)g_queue_pop_head(&backend.waiting);
                backend.waiting_bytes -= size;
                g_bytes_unref(bytes);
        }
        tell_dropped();
}

static void to_journal(GString *datagram)
{
        size_t size = datagram->len;
        GBytes *bytes = g_string_free_to_bytes(datagram);

        if (g_queue_is_empty(&backend.waiting) && send_now(g_bytes_get_data(bytes, NULL), size)) {
                g_bytes_unref(bytes);
                return;
        }
        if (backend.waiting_bytes + size > BUFFER_BYTES) {
                drop(1);
                g_bytes_unref(bytes);
                return;
        }
        backend.waiting_bytes += size;
        g_queue_push_tail(&backend.waiting, bytes);
}

/* Consumes @datagram. */
static void tell(enum log_event_id event, const char *sentence, GString *datagram)
{
        if (backend.fd < 0 && event != EV_DROPPED)
                tell_dropped();
        if (backend.fd < 0 || backend.lost || backend.terminal || (backend.shown >> event & 1))
                to_stderr(event, sentence);
        if (backend.fd < 0) {
                (void)g_string_free(datagram, TRUE);
                return;
        }
        append_field(datagram, "MESSAGE", sentence);
        if (event != EV_DROPPED)
                log_flush();
        to_journal(datagram);
}

/* ---- what repeats */

struct held {
        enum log_event_id event;
        char *sentence;
        GString *datagram;
};

static void free_held(void *data)
{
        struct held *h = (struct held *)data;

        if (h->datagram)
                (void)g_string_free(h->datagram, TRUE);
        g_free(h->sentence);
        g_free(h);
}

static uint64_t now_usec(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The same event, worded in the same place, for the same reason, in the same inbox. */
static char *cause_of(enum log_event_id event, const char *format, const struct log_field *fields, size_t n_fields)
{
        static const char *const distinctive[] = { "REASON", "INBOX", "SIGNAL" };
        GString *out = g_string_new(events[event].name);

        g_string_append_printf(out, "\n%s", format);
        for (size_t i = 0; i < n_fields; i++)
                for (size_t k = 0; k < G_N_ELEMENTS(distinctive); k++) {
                        if (strcmp(fields[i].key, distinctive[k]) != 0)
                                continue;
                        if (fields[i].is_number)
                                g_string_append_printf(out, "\n%" PRIu64, fields[i].num);
                        else
                                g_string_append_printf(out, "\n%s", fields[i].str ? fields[i].str : "");
                }
        return g_string_free(out, FALSE);
}

/* Returns whether the event was put by, to be counted; @sentence and @datagram are consumed then. */
static bool hold(enum log_event_id event, const char *cause, char *sentence, GString *datagram)
{
        const uint64_t now = now_usec();
        struct held *h;

        if (!backend.flood)
                backend.flood = flood_new(free_held);
        if (flood_admits(backend.flood, cause, now))
                return false;
        h = g_new0(struct held, 1);
        *h = (struct held){ event, sentence, datagram };
        flood_hold(backend.flood, cause, h, now);
        return true;
}

static void tell_held(uint64_t now)
{
        uint64_t count;
        struct held *h;

        while (backend.flood && (h = (struct held *)flood_next(backend.flood, now, &count)) != NULL) {
                g_autofree char *more = NULL;

                if (count > 1) {
                        more = g_strdup_printf("And %" PRIu64 " more like that, the last: %s", count, h->sentence);
                        g_string_append_printf(h->datagram, "THUMBNAILD_COUNT=%" PRIu64 "\n", count);
                }
                tell(h->event, more ? more : h->sentence, g_steal_pointer(&h->datagram));
                free_held(h);
        }
}

uint64_t log_due_usec(void)
{
        return backend.flood ? flood_due_usec(backend.flood) : 0;
}

void log_tick(void)
{
        tell_held(now_usec());
}

void log_settle(void)
{
        tell_held(UINT64_MAX);
}

void log_event_fields(enum log_event_id event, const struct log_field *fields, size_t n_fields, const char *format, ...)
{
        g_autofree char *raw = NULL, *sentence = NULL, *cause = NULL;
        GString *datagram;
        va_list ap;

        assert(event < _EV_MAX);
        backend.counts[event]++;
        va_start(ap, format);
        raw = g_strdup_vprintf(format, ap);
        va_end(ap);
        sentence = log_escape(raw);
        datagram = encode(event, fields, n_fields);
        if (may_flood(event))
                cause = cause_of(event, format, fields, n_fields);
        if (cause && hold(event, cause, sentence, datagram))
                sentence = NULL;
        else
                tell(event, sentence, datagram);
}

void log_show(uint64_t shown)
{
        backend.shown = getenv("JOURNAL_STREAM") ? 0 : shown;
}

void log_stderr(const char *format, ...)
{
        va_list ap;

        if (backend.fd < 0 || backend.terminal || getenv("JOURNAL_STREAM"))
                return;
        va_start(ap, format);
        g_autofree char *raw = g_strdup_vprintf(format, ap);
        va_end(ap);

        g_autofree char *safe = log_escape(raw);

        (void)fprintf(stderr, "thumbnaild: %s\n", safe);
}

uint64_t log_close(void)
{
        struct pollfd journal = { .fd = backend.fd, .events = POLLOUT };

        log_settle();
        g_clear_pointer(&backend.flood, flood_free);
        log_flush();
        while (log_pending() && poll(&journal, 1, CLOSE_MSEC) == 1)
                log_flush();

        uint64_t untold = backend.dropped + g_queue_get_length(&backend.waiting);

        g_queue_clear_full(&backend.waiting, (GDestroyNotify)g_bytes_unref);
        backend.waiting_bytes = 0;
        backend.dropped = 0;
        backend.fd = fd_close(backend.fd);
        return untold;
}
