/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State table and memory of jobs. */

#include "job.h"

#include "base.h"

#include <assert.h>

#define NO 0xff

static const uint8_t next_state[_JOB_STATE_MAX][_JOB_INPUT_MAX] = {
        /*                START        HOLD         DUE         RENDERED     AGAIN        CHANGED     STORED    REFUSE */
        [JOB_QUEUED] = { JOB_RUNNING, JOB_WAITING, NO, NO, JOB_WAITING, NO, JOB_MADE, JOB_FAILED },
        [JOB_WAITING] = { NO, JOB_WAITING, JOB_QUEUED, NO, NO, NO, NO, NO },
        [JOB_RUNNING] = { NO, NO, NO, JOB_STORING, JOB_WAITING, JOB_QUEUED, NO, JOB_FAILED },
        [JOB_STORING] = { NO, NO, NO, NO, JOB_WAITING, JOB_QUEUED, JOB_MADE, JOB_FAILED },
        [JOB_MADE] = { NO, NO, NO, NO, NO, NO, NO, NO },
        [JOB_FAILED] = { NO, NO, NO, NO, NO, NO, NO, NO },
};

int job_next_state(enum job_state state, enum job_input input)
{
        assert(state < _JOB_STATE_MAX && input < _JOB_INPUT_MAX);
        return next_state[state][input] == NO ? -EPROTO : next_state[state][input];
}

void job_step(struct job *job, enum job_input input)
{
        int next = job_next_state(job->state, input);

        assert(next >= 0);
        job->state = (enum job_state)next;
}

struct job *job_new(struct folder *folder, const char *file, uint64_t id)
{
        struct job *job = g_new0(struct job, 1);

        job->folder = folder;
        job->file = g_strdup(file);
        job->id = id;
        job->link.data = job;
        job->input_fd = -1;
        job->slot = -1;
        return job;
}

/* By one call, if it can be had. */
static void close_from_to(int first, int last)
{
        if (first < last && close_range((unsigned)first, (unsigned)last, 0) == 0)
                return;
        for (int fd = first; fd <= last; fd++)
                (void)fd_close(fd);
}

void job_drop_work(struct job *job)
{
        int last = job->input_fd;

        for (unsigned i = 0; i < job->n_outputs; i++) {
                if (last >= 0 && job->outputs[i].fd == last + 1) /* opened one after the other, as they mostly are */
                        last++;
                else
                        (void)fd_close(job->outputs[i].fd);
                g_free(job->outputs[i].name);
        }
        close_from_to(job->input_fd, last);
        job->input_fd = -1;
        g_clear_pointer(&job->outputs, g_free);
        job->n_outputs = 0;
}

void job_free(struct job *job)
{
        if (!job)
                return;
        assert(!job->due && !job->link.next && !job->link.prev);
        job_drop_work(job);
        g_free(job->file);
        g_free(job);
}

uint64_t job_retry_delay_usec(unsigned retries, uint32_t random)
{
        uint64_t delay = UINT64_C(1000000) << MIN(retries, 9U);

        delay = MIN(delay, UINT64_C(300000000));
        return delay - delay / 4 * random / UINT32_MAX;
}
