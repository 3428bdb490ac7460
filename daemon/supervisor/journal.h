/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* The log and the event loop: what the journal does not take now is sent when it does, and a journal whose socket was made anew is
 * connected to again. */

#include <systemd/sd-event.h>

struct journal {
        sd_event *event; /* borrowed */
        sd_event_source *writable, *retry;
        void (*reconnected)(void *userdata);
        void *userdata;
};

/* @reconnected is called when there is another journal than before.  Returns 0 or a negative errno. */
int journal_open(struct journal *journal, sd_event *event, void (*reconnected)(void *userdata), void *userdata);
void journal_close(struct journal *journal); /* also after a failed start */

/* After every turn of the loop. */
void journal_mind(struct journal *journal);
