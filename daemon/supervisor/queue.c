/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lanes, clock and index of jobs. */

#include "queue.h"

#include <assert.h>
#include <string.h>

/* What one folder has; there for as long as the queue. */
struct share {
        GQueue jobs[_LANE_MAX];
        GList turn[_LANE_MAX]; /* in the queue's turns while there are any */
        unsigned count;        /* in lanes or not */
};

struct queue {
        GHashTable *by_file; /* struct job → itself, by folder and file */
        GHashTable *by_id;
        GHashTable *shares;        /* struct folder → struct share */
        GQueue turns[_LANE_MAX];   /* of struct share: whose turn is next */
        unsigned ready[_LANE_MAX]; /* jobs */
        GSequence *clock;          /* of WAITING jobs with a time, soonest first */
        uint64_t last_id;
        unsigned turn;
};

static guint job_hash(gconstpointer key)
{
        const struct job *job = (const struct job *)key;

        return g_str_hash(job->file) ^ g_direct_hash(job->folder);
}

static gboolean job_equal(gconstpointer a, gconstpointer b)
{
        const struct job *x = (const struct job *)a, *y = (const struct job *)b;

        return x->folder == y->folder && strcmp(x->file, y->file) == 0;
}

struct queue *queue_new(void)
{
        struct queue *q = g_new0(struct queue, 1);

        q->by_file = g_hash_table_new(job_hash, job_equal);
        q->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
        q->shares = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        q->clock = g_sequence_new(NULL);
        return q;
}

static void remove_one(struct job *job, void *userdata)
{
        queue_remove((struct queue *)userdata, job);
}

void queue_free(struct queue *queue)
{
        if (!queue)
                return;
        queue_foreach(queue, remove_one, queue);
        g_hash_table_unref(queue->by_file);
        g_hash_table_unref(queue->by_id);
        g_hash_table_unref(queue->shares);
        g_sequence_free(queue->clock);
        g_free(queue);
}

struct job *queue_find(const struct queue *queue, const struct folder *folder, const char *file)
{
        const struct job key = { .folder = (struct folder *)folder, .file = (char *)file };

        return (struct job *)g_hash_table_lookup(queue->by_file, &key);
}

struct job *queue_by_id(const struct queue *queue, uint64_t id)
{
        return (struct job *)g_hash_table_lookup(queue->by_id, &id);
}

static struct share *share_of(const struct queue *queue, const struct folder *folder)
{
        struct share *share = (struct share *)g_hash_table_lookup(queue->shares, folder);

        if (!share) {
                share = g_new0(struct share, 1);
                for (enum job_lane lane = 0; lane < _LANE_MAX; lane++)
                        share->turn[lane].data = share;
                (void)g_hash_table_insert(queue->shares, (void *)folder, share);
        }
        return share;
}

static bool is_in_lane(const struct queue *queue, const struct job *job)
{
        return job->link.prev || job->link.next || share_of(queue, job->folder)->jobs[job->lane].head == &job->link;
}

static void leave_lane(struct queue *queue, struct job *job)
{
        struct share *share = share_of(queue, job->folder);

        g_queue_unlink(share->jobs + job->lane, &job->link);
        if (g_queue_is_empty(share->jobs + job->lane))
                g_queue_unlink(queue->turns + job->lane, share->turn + job->lane);
        queue->ready[job->lane]--;
}

struct job *queue_add(struct queue *queue, struct folder *folder, const char *file, enum job_lane lane)
{
        struct share *share = share_of(queue, folder);
        bool alone = g_hash_table_size(queue->shares) == 1;
        struct job *job;

        if (g_hash_table_size(queue->by_file) >= QUEUE_JOBS_MAX || (!alone && share->count >= QUEUE_FOLDER_MAX))
                return NULL;
        share->count++;
        job = job_new(folder, file, ++queue->last_id);
        assert(!g_hash_table_contains(queue->by_file, job));
        (void)g_hash_table_add(queue->by_file, job);
        (void)g_hash_table_insert(queue->by_id, &job->id, job);
        queue_ready(queue, job, lane);
        return job;
}

static void leave_clock(struct job *job)
{
        if (job->due)
                g_sequence_remove(job->due);
        job->due = NULL;
}

void queue_ready(struct queue *queue, struct job *job, enum job_lane lane)
{
        struct share *share = share_of(queue, job->folder);

        assert(job->state == JOB_QUEUED && !is_in_lane(queue, job));
        leave_clock(job);
        job->lane = lane;
        if (g_queue_is_empty(share->jobs + lane))
                g_queue_push_tail_link(queue->turns + lane, share->turn + lane);
        g_queue_push_tail_link(share->jobs + lane, &job->link);
        queue->ready[lane]++;
}

struct job *queue_take(struct queue *queue, unsigned busy)
{
        enum job_lane lane = LANE_FRESH;
        struct share *share;
        struct job *job;

        if (queue->ready[LANE_ALONE] > 0) {
                if (busy > 0)
                        return NULL;
                lane = LANE_ALONE;
        } else if (queue->ready[LANE_FRESH] == 0 || (queue->ready[LANE_BACKLOG] > 0 && ++queue->turn % 4 == 0)) {
                lane = LANE_BACKLOG;
        }
        if (busy == 0 && queue_ready_count(queue) == queue->ready[LANE_SUSPECT])
                lane = LANE_SUSPECT;
        if (queue->ready[lane] == 0)
                return NULL;
        share = (struct share *)g_queue_peek_head(queue->turns + lane);
        job = (struct job *)g_queue_peek_head(share->jobs + lane);
        leave_lane(queue, job);
        if (!g_queue_is_empty(share->jobs + lane)) { /* the others first */
                g_queue_unlink(queue->turns + lane, share->turn + lane);
                g_queue_push_tail_link(queue->turns + lane, share->turn + lane);
        }
        return job;
}

void queue_untake(struct queue *queue, struct job *job)
{
        struct share *share = share_of(queue, job->folder);

        assert(job->state == JOB_QUEUED && !is_in_lane(queue, job));
        if (!g_queue_is_empty(share->jobs + job->lane))
                g_queue_unlink(queue->turns + job->lane, share->turn + job->lane);
        g_queue_push_head_link(queue->turns + job->lane, share->turn + job->lane);
        g_queue_push_head_link(share->jobs + job->lane, &job->link);
        queue->ready[job->lane]++;
}

void queue_unlane(struct queue *queue, struct job *job)
{
        assert(is_in_lane(queue, job));
        leave_lane(queue, job);
}

static gint compare_due(gconstpointer a, gconstpointer b, gpointer userdata)
{
        const struct job *x = (const struct job *)a, *y = (const struct job *)b;

        return (x->due_usec > y->due_usec) - (x->due_usec < y->due_usec);
}

void queue_wait(struct queue *queue, struct job *job, uint64_t due_usec)
{
        assert(job->state == JOB_WAITING && !is_in_lane(queue, job));
        leave_clock(job);
        job->due_usec = due_usec;
        if (due_usec > 0)
                job->due = g_sequence_insert_sorted(queue->clock, job, compare_due, NULL);
}

uint64_t queue_tick(struct queue *queue, uint64_t now_usec)
{
        for (;;) {
                GSequenceIter *first = g_sequence_get_begin_iter(queue->clock);
                struct job *job;

                if (g_sequence_iter_is_end(first))
                        return 0;
                job = (struct job *)g_sequence_get(first);
                if (job->due_usec > now_usec)
                        return job->due_usec;
                job_step(job, JOB_DUE);
                queue_ready(queue, job, job->lane);
        }
}

void queue_remove(struct queue *queue, struct job *job)
{
        if (is_in_lane(queue, job))
                leave_lane(queue, job);
        share_of(queue, job->folder)->count--;
        leave_clock(job);
        (void)g_hash_table_remove(queue->by_id, &job->id);
        (void)g_hash_table_remove(queue->by_file, job);
        job_free(job);
}

void queue_foreach(struct queue *queue, void (*f)(struct job *, void *), void *userdata)
{
        g_autoptr(GList) all = g_hash_table_get_keys(queue->by_file);

        for (GList *l = all; l; l = l->next)
                f((struct job *)l->data, userdata);
}

unsigned queue_backlog_of(const struct queue *queue, const struct folder *folder)
{
        return share_of(queue, folder)->jobs[LANE_BACKLOG].length;
}

unsigned queue_count_of(const struct queue *queue, const struct folder *folder)
{
        return share_of(queue, folder)->count;
}

bool queue_can_give(const struct queue *queue, unsigned busy)
{
        unsigned ordinary = queue->ready[LANE_FRESH] + queue->ready[LANE_BACKLOG];

        return busy == 0 ? queue_ready_count(queue) > 0 : ordinary > 0 && queue->ready[LANE_ALONE] == 0;
}

unsigned queue_ready_count(const struct queue *queue)
{
        unsigned n = 0;

        for (enum job_lane lane = 0; lane < _LANE_MAX; lane++)
                n += queue->ready[lane];
        return n;
}

unsigned queue_count(const struct queue *queue)
{
        return g_hash_table_size(queue->by_file);
}
