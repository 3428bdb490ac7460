/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adding up. */

#include "tally.h"

void tally_add_told(struct tally *t, const struct tally *other)
{
        for (enum log_event_id e = 0; e < _EV_MAX; e++)
                t->events[e] += other->events[e];
        t->dropped += other->dropped;
}

void tally_add(struct tally *t, const struct tally *other)
{
        tally_add_told(t, other);
        t->workers_wanted += other->workers_wanted;
        t->taking += other->taking;
        t->watches += other->watches;
        for (unsigned i = 0; i < _JOB_STATE_MAX; i++)
                t->jobs[i] += other->jobs[i];
        for (unsigned i = 0; i < _REASON_MAX; i++)
                t->waiting_by[i] += other->waiting_by[i];
        if (other->oldest_usec > 0)
                t->oldest_usec = t->oldest_usec > 0 ? MIN(t->oldest_usec, other->oldest_usec) : other->oldest_usec;
}
