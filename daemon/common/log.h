/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Structured events: to the journal over one connected, non-blocking datagram socket in its native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/), to stderr as `EVENT: sentence` where there is no journal and whenever stderr is a
 * terminal.  Never blocks: what the journal cannot take now is kept in a bounded buffer, what does not fit is dropped, counted, and
 * reported as one `dropped` event when there is room again.  Events that repeat for the same cause (event, wording, reason, inbox) are
 * told in full a few times, then counted: one line with THUMBNAILD_COUNT and the fields of the last stands for all, see flood.h.  What
 * was made and what failed is always told.
 *
 * Why not sd_journal_sendv(): it blocks on a stopped journald, and needs sendmsg() with an address, which a confined worker must not
 * have.  The state is one per process, the only mutable global of the programs. */

#include "log-events.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

enum log_event_id {
#define X(symbol, name, priority, message_id) EV_##symbol,
        LOG_EVENT_LIST(X)
#undef X
                _EV_MAX,
};

/* A field THUMBNAILD_<key>: a string of any bytes but NUL (left out when NULL), or with @str NULL and @is_number a number. */
struct log_field {
        const char *key;
        const char *str;
        uint64_t num;
        bool is_number;
};

#define F_STR(key_, s) ((struct log_field){ .key = #key_, .str = (s) })
#define F_NUM(key_, n) ((struct log_field){ .key = #key_, .num = (uint64_t)(n), .is_number = true })

/* The journal's socket, connected and close-on-exec, for log_open() here or in a worker that inherits it.  Returns the descriptor,
 * owned by the caller, or a negative errno when there is no journal. */
int log_connect(void);

/* Log from now on to @journal_fd, consumed; with -1 to stderr alone.  Before the first call everything goes to stderr. */
void log_open(int journal_fd);

/* Send what is buffered, which waits for a journal that takes something, but not longer than a second for one that does not; release
 * everything.  Returns how many lines are lost with it. */
uint64_t log_close(void);

/* The descriptor to wait on for room (POLLOUT) while log_pending() says that something is still to be told; then call log_flush(). */
int log_fd(void);
bool log_pending(void);
void log_flush(void);

/* When to call log_tick(), which tells of what repeated: CLOCK_MONOTONIC, 0 for never. */
uint64_t log_due_usec(void);
void log_tick(void);

/* Tell it now, since an end is near. */
void log_settle(void);

/* @n lines more were dropped, by somebody who cannot tell it. */
void log_add_dropped(uint64_t n);

/* How many lines were dropped so far; how often this process had @event to tell, with a line of its own or not. */
uint64_t log_dropped(void);
uint64_t log_count(enum log_event_id event);

/* Whether the journal went away for good since log_open(): a connected datagram socket does not come back by itself. */
bool log_lost(void);

/* Connect to it again, and send what waits.  Returns 0, or a negative errno while there is none. */
int log_reconnect(void);

/* Called after something went to stderr, so that a progress bar can be drawn again; NULL for none.  @before is called ahead. */
void log_set_stderr_hooks(void (*before)(void *), void (*after)(void *), void *userdata);

/* Log @event with the sentence made from @format (plain, without full stop and newline; any bytes: control, bidirectional and
 * non-UTF-8 ones are escaped here) and @n_fields fields of exact bytes. */
void log_event_fields(enum log_event_id event, const struct log_field *fields, size_t n_fields, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* log_event(EV_MADE, FIELDS(F_STR(FILE, name), F_NUM(USEC, usec)), "Made %s", name); */
#define FIELDS(...) \
        (const struct log_field[]){ __VA_ARGS__ }, sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field)
#define NO_FIELDS             NULL, 0
#define log_event(event, ...) log_event_fields(event, __VA_ARGS__)

/* @text with control and bidirectional characters and bytes that are not UTF-8 escaped as \xNN or \u{NNNN}, backslash as it is.
 * Returns an owned string.  Pure. */
char *log_escape(const char *text);

/* Write these events (bits of 1 << log_event_id) to stderr as well, for whoever runs us in a script: not when stderr leads into the
 * journal, where they are already. */
void log_show(uint64_t events);

/* A line on stderr for whoever started us by hand and is told by an exit status only: nothing when log_event() writes there already, or
 * when stderr leads into the journal. */
void log_stderr(const char *format, ...) __attribute__((format(printf, 1, 2)));

const char *log_event_name(enum log_event_id event);
