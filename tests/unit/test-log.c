/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sentences cannot be forged by file names, fields are exact, and a journal that does not listen blocks nothing. */

#include "log.h"

#include "base.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>

static void test_escape(void)
{
        static const struct {
                const char *raw, *safe;
        } rows[] = {
                { "plain name.jpg", "plain name.jpg" },
                { "new\nline\r\t\x1b[31m", "new\\x0aline\\x0d\\x09\\x1b[31m" },
                { "not \xff utf8 \xc3", "not \\xff utf8 \\xc3" },
                { "b\u202eidi\u2066", "b\\u{202e}idi\\u{2066}" },
                { "\xc2\x85nel \u2028ls \x7f", "\\u{0085}nel \\u{2028}ls \\x7f" },
                { "Grüße 写真 🙂", "Grüße 写真 🙂" },
                { "back\\slash", "back\\slash" },
                { "", "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *safe = log_escape(rows[i].raw);

                g_assert_cmpstr(safe, ==, rows[i].safe);
        }
}

/* The value of @key in the datagram, as journald would take it, or NULL. */
static char *field(const char *data, size_t size, const char *key)
{
        const char *at = data, *end = data + size;
        size_t n = strlen(key);

        while (at < end) {
                const char *line = memchr(at, '\n', (size_t)(end - at));

                g_assert_nonnull(line);
                if (memchr(at, '=', (size_t)(line - at))) {
                        if (strncmp(at, key, n) == 0 && at[n] == '=')
                                return g_strndup(at + n + 1, (gsize)(line - at) - n - 1);
                        at = line + 1;
                } else {
                        uint64_t length;

                        memcpy(&length, line + 1, sizeof length);
                        length = GUINT64_FROM_LE(length);
                        if ((size_t)(line - at) == n && strncmp(at, key, n) == 0)
                                return g_strndup(line + 1 + sizeof length, length);
                        at = line + 1 + sizeof length + length + 1;
                }
        }
        return NULL;
}

static void test_fields(void)
{
        static const char name[] = "new\nline \xff=.jpg";
        char data[4096];
        int s[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s), ==, 0);
        log_open(s[0]);
        log_event(EV_MADE, FIELDS(F_STR(FILE, name), F_NUM(USEC, UINT64_MAX), F_STR(WARNING, NULL)), "Made %s", name);

        ssize_t size = recv(s[1], data, sizeof data, 0);
        g_autofree char *file = field(data, (size_t)size, "THUMBNAILD_FILE"), *usec = field(data, (size_t)size, "THUMBNAILD_USEC");
        g_autofree char *message = field(data, (size_t)size, "MESSAGE"), *event = field(data, (size_t)size, "THUMBNAILD_EVENT");
        g_autofree char *identifier = field(data, (size_t)size, "SYSLOG_IDENTIFIER"), *id = field(data, (size_t)size, "MESSAGE_ID");

        g_assert_cmpstr(file, ==, name);
        g_assert_cmpstr(usec, ==, "18446744073709551615");
        g_assert_cmpstr(message, ==, "Made new\\x0aline \\xff=.jpg");
        g_assert_cmpstr(event, ==, "made");
        g_assert_cmpstr(identifier, ==, "thumbnaild");
        g_assert_cmpuint(strlen(id), ==, 32);
        g_assert_null(field(data, (size_t)size, "THUMBNAILD_WARNING"));
        (void)log_close();
        (void)close(s[1]);
}

/* Nobody reads: nothing blocks, what fits is kept in order, the rest is counted and said. */
static void test_stopped_journal(void)
{
        const unsigned sent = 20000;
        char data[4096];
        g_autofree char *filler = g_strnfill(1000, 'x');
        uint64_t received = 0, dropped = 0, next = 0;
        int s[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s), ==, 0);
        log_open(s[0]);
        for (unsigned i = 0; i < sent; i++)
                log_event(EV_MADE, FIELDS(F_NUM(USEC, i), F_STR(FILE, filler)), "Made it");
        g_assert_true(log_pending());
        while (log_pending() || received + dropped < sent) {
                ssize_t size = recv(s[1], data, sizeof data, MSG_DONTWAIT);

                if (size < 0) {
                        g_assert_cmpint(errno, ==, EAGAIN);
                        log_flush();
                        continue;
                }
                g_autofree char *usec = field(data, (size_t)size, "THUMBNAILD_USEC"),
                                *count = field(data, (size_t)size, "THUMBNAILD_COUNT");

                if (count) {
                        dropped += g_ascii_strtoull(count, NULL, 10);
                        continue;
                }
                g_assert_cmpuint(g_ascii_strtoull(usec, NULL, 10), ==, next);
                next++;
                received++;
        }
        g_assert_cmpuint(dropped, >, 0);
        g_assert_cmpuint(received, >, 1000);
        (void)log_close();
        (void)close(s[1]);
}

/* Returns how many lines of @event lie there, and of the last one COUNT and MESSAGE. */
static unsigned count_lines(int fd, const char *event, char **ret_count, char **ret_message)
{
        unsigned n = 0;
        char data[4096];
        ssize_t size;

        while ((size = recv(fd, data, sizeof data, MSG_DONTWAIT)) > 0) {
                g_autofree char *found = field(data, (size_t)size, "THUMBNAILD_EVENT");

                g_free(*ret_count);
                g_free(*ret_message);
                *ret_count = field(data, (size_t)size, "THUMBNAILD_COUNT");
                *ret_message = field(data, (size_t)size, "MESSAGE");
                n += g_strcmp0(found, event) == 0;
        }
        return n;
}

static void send_many(enum log_event_id event, const char *inbox, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                log_event(event, FIELDS(F_STR(REASON, "unreadable"), F_STR(INBOX, inbox), F_NUM(USEC, i)), "%u waits", i);
}

/* The same cause again and again is one line with a count; what was made or failed has a line each. */
static void test_repetition(void)
{
        g_autofree char *count = NULL, *message = NULL;
        int s[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s), ==, 0);
        log_open(s[0]);
        send_many(EV_FAILED, "/a", 100);
        g_assert_cmpuint(count_lines(s[1], "failed", &count, &message), ==, 100);
        send_many(EV_WAITING, "/a", 100);
        send_many(EV_WAITING, "/b", 5); /* another cause */
        g_assert_cmpuint(count_lines(s[1], "waiting", &count, &message), ==, 25);
        g_assert_null(count);
        g_assert_cmpuint(log_due_usec(), >, 0);
        log_tick(); /* not yet */
        g_assert_cmpuint(count_lines(s[1], "waiting", &count, &message), ==, 0);
        log_settle();
        g_assert_cmpuint(count_lines(s[1], "waiting", &count, &message), ==, 1);
        g_assert_cmpstr(count, ==, "80");
        g_assert_cmpstr(message, ==, "And 80 more like that, the last: 99 waits");
        g_assert_cmpuint(log_due_usec(), ==, 0);
        send_many(EV_WAITING, "/a", 1); /* one is told as it is */
        (void)log_close();
        g_assert_cmpuint(count_lines(s[1], "waiting", &count, &message), ==, 1);
        g_assert_null(count);
        g_assert_cmpstr(message, ==, "0 waits");
        (void)close(s[1]);
}

/* What is lost at the end is counted, with what others could not tell. */
static void test_end_without_a_reader(void)
{
        const unsigned sent = 20000;
        g_autofree char *filler = g_strnfill(1000, 'x'), *count = NULL, *message = NULL;
        uint64_t untold;
        int s[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s), ==, 0);
        log_open(s[0]);
        for (unsigned i = 0; i < sent; i++)
                log_event(EV_MADE, FIELDS(F_STR(FILE, filler)), "Made it");
        log_add_dropped(7);
        untold = log_close();
        g_assert_cmpuint(untold + count_lines(s[1], "made", &count, &message), ==, sent + 7);
        (void)close(s[1]);

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s), ==, 0);
        log_open(s[0]);
        log_add_dropped(5); /* there is room: said at once */
        g_assert_cmpuint(count_lines(s[1], "dropped", &count, &message), ==, 1);
        g_assert_cmpstr(count, ==, "5");
        g_assert_cmpuint(log_close(), ==, 0);
        (void)close(s[1]);
}

static void test_lost_journal(void)
{
        int s[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s), ==, 0);
        log_open(s[0]);
        (void)close(s[1]);
        g_assert_false(log_lost());
        log_event(EV_MADE, NO_FIELDS, "Made it");
        g_assert_true(log_lost());
        g_assert_false(log_pending()); /* whoever waits for room would turn in circles */
        (void)log_close();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/log/escape", test_escape);
        g_test_add_func("/log/fields", test_fields);
        g_test_add_func("/log/stopped-journal", test_stopped_journal);
        g_test_add_func("/log/repetition", test_repetition);
        g_test_add_func("/log/end-without-a-reader", test_end_without_a_reader);
        g_test_add_func("/log/lost-journal", test_lost_journal);
        return g_test_run();
}
