/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The set of parts: which there have to be, hearing what they say, and what they are all together. */

#include "parts.h"

#include "base.h"
#include "grouping.h"
#include "load.h"
#include "log.h"
#include "part.h"
#include "process.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>

#define MESSAGE_BYTES    16384
#define MESSAGES_AT_ONCE 64U

struct parts {
        struct part_common common;
        const struct parts_hooks *hooks;
        void *userdata;
        GPtrArray *all;
        GPtrArray *inboxes; /* char *, owned: what the last plan has marked */
        unsigned shares;
        int notify_fd, failure;
        sd_event_source *notify, *timer;
        struct numbers past; /* of processes that are no more: what they have done and told */
};

static struct part *nth(const struct parts *p, guint i)
{
        return (struct part *)p->all->pdata[i];
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static void arm(struct parts *p, uint64_t usec)
{
        if (usec == 0)
                return;
        if (!p->timer) {
                (void)sd_event_add_time(p->common.event, &p->timer, CLOCK_MONOTONIC, usec, 0, on_timer, p);
                return;
        }
        (void)sd_event_source_set_time(p->timer, usec);
        (void)sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}

static void look_at_all(struct parts *p)
{
        uint64_t next = 0;

        for (guint i = 0; i < p->all->len; i++) {
                uint64_t usec = part_look(nth(p, i), part_now_usec(&p->common));

                if (usec > 0 && (next == 0 || usec < next))
                        next = usec;
        }
        arm(p, next);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct parts *p = (struct parts *)userdata;

        look_at_all(p);
        p->hooks->changed(p->userdata);
        return 0;
}

static struct part *by_pid(const struct parts *p, int pid)
{
        for (guint i = 0; i < p->all->len; i++)
                if (nth(p, i)->pid == pid && pid > 0)
                        return nth(p, i);
        return NULL;
}

static int on_notify(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct parts *p = (struct parts *)userdata;
        bool again = false;

        for (unsigned i = 0; i < MESSAGES_AT_ONCE; i++) { /* anybody may send here: not for ever */
                char text[MESSAGE_BYTES], control[CMSG_SPACE(sizeof(struct ucred))];
                struct iovec iov = { text, sizeof text - 1 };
                struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
                ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
                const struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
                struct ucred sender = { 0 };
                struct part *part;

                if (n < 0)
                        break;
                if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
                        memcpy(&sender, CMSG_DATA(c), sizeof sender);
                part = by_pid(p, sender.pid);
                if (!part || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                        continue;
                text[n] = '\0';
                again |= part_hear(part, text);
        }
        if (again) /* it may be missed again */
                look_at_all(p);
        p->hooks->changed(p->userdata);
        return 0;
}

/* Returns 0 or a negative errno. */
static int listen_to_parts(struct parts *p)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t length = sizeof address;
        const int on = 1;
        int r;

        p->common.config_fd = memfd_create("thumbnaild", MFD_CLOEXEC);
        p->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (p->common.config_fd < 0 || p->notify_fd < 0 || setsockopt(p->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
            bind(p->notify_fd, (struct sockaddr *)&address, sizeof address.sun_family) < 0 || /* the kernel finds a name */
            getsockname(p->notify_fd, (struct sockaddr *)&address, &length) < 0)
                return neg_errno();
        p->common.notify_path =
                g_strdup_printf("@%.*s", (int)(length - offsetof(struct sockaddr_un, sun_path) - 1), address.sun_path + 1);
        r = sd_event_add_io(p->common.event, &p->notify, p->notify_fd, EPOLLIN, on_notify, p);
        if (r >= 0) /* ahead of the timer that misses them */
                r = sd_event_source_set_priority(p->notify, SD_EVENT_PRIORITY_NORMAL - 5);
        return r < 0 ? r : 0;
}

static void on_ended(struct part *part, const siginfo_t *si, void *userdata)
{
        struct parts *p = (struct parts *)userdata;
        g_autofree char *how = process_describe_end(si);
        bool for_ever =
                si->si_code == CLD_EXITED && (si->si_status == EX_CONFIG || si->si_status == EX_SOFTWARE || si->si_status == EX_OSERR);

        status_add(&p->past.status, &part->numbers.status);
        tally_add_told(&p->past.tally, &part->numbers.tally);
        part->numbers = (struct numbers){ 0 };
        part->pid = 0;
        part->child = sd_event_source_disable_unref(part->child);
        if (part->wanted && !p->common.stopping) {
                if (!part->settled && for_ever)
                        p->failure = si->si_status;
                part_start_later(part, how);
                look_at_all(p);
                p->hooks->changed(p->userdata);
        } else if (p->common.stopping) {
                p->hooks->changed(p->userdata);
        } else {
                part_resume(part); /* by us, or by another part */
                (void)g_ptr_array_remove(p->all, part);
                p->hooks->moved(p->userdata);
        }
}

/* ---- which ones */

static bool serves_exactly(const struct part *part, const struct group *g)
{
        for (guint i = 0; i < g->folders->len; i++)
                if (!part_serves(part, ((const struct folder_config *)g->folders->pdata[i])->inbox))
                        return false;
        return part->inboxes->len == g->folders->len;
}

static struct part *part_for(struct parts *p, const struct group *g)
{
        struct part *part;

        for (guint i = 0; i < p->all->len; i++)
                if (serves_exactly(nth(p, i), g))
                        return nth(p, i);
        part = part_new(&p->common);
        for (guint i = 0; i < g->folders->len; i++)
                g_ptr_array_add(part->inboxes, g_strdup(((const struct folder_config *)g->folders->pdata[i])->inbox));
        g_ptr_array_add(p->all, part);
        return part;
}

/* One that runs still serves it; a folder stays elsewhere until that has ended. */
static const struct part *running_with(const struct parts *p, const char *inbox)
{
        for (guint i = 0; i < p->all->len; i++)
                if (nth(p, i)->pid > 0 && part_serves(nth(p, i), inbox))
                        return nth(p, i);
        return NULL;
}

bool parts_plan(struct parts *p, struct config *config)
{
        _cleanup_(mounts_freep) struct mounts *mounts = mounts_read();
        g_autoptr(GPtrArray) groups = grouping_plan(config, mounts), before = p->inboxes;
        unsigned here = 0, shares = p->shares;
        bool changed = false;

        p->common.config = config;
        p->inboxes = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < p->all->len; i++)
                nth(p, i)->wanted = false;
        for (guint i = 0; i < groups->len; i++) {
                const struct group *g = (const struct group *)groups->pdata[i];
                struct part *part = part_for(p, g);

                part->wanted = true;
                g_free(part->remote);
                part->remote = g_strdup(g->remote);
                for (guint k = 0; k < g->folders->len; k++)
                        g_ptr_array_add(p->inboxes, g_strdup(((const struct folder_config *)g->folders->pdata[k])->inbox));
        }
        for (guint i = 0; i < config->folders->len; i++) {
                struct folder_config *f = (struct folder_config *)config->folders->pdata[i];
                bool elsewhere =
                        g_ptr_array_find_with_equal_func(p->inboxes, f->inbox, g_str_equal, NULL) || running_with(p, f->inbox);

                changed |= f->elsewhere != elsewhere;
                f->elsewhere = elsewhere;
                here += !elsewhere;
        }
        p->shares = groups->len + (here > 0);
        config_share(config, p->shares);
        return changed || p->shares != shares || before->len != p->inboxes->len;
}

static bool may_start(const struct parts *p, const struct part *part)
{
        for (guint i = 0; i < part->inboxes->len; i++)
                if (running_with(p, (const char *)part->inboxes->pdata[i]))
                        return false;
        return true;
}

static bool is_configured(const struct config *config, const char *inbox)
{
        for (guint i = 0; i < config->folders->len; i++)
                if (strcmp(((const struct folder_config *)config->folders->pdata[i])->inbox, inbox) == 0)
                        return true;
        return false;
}

/* Its folders are served by somebody else from now on, or by nobody. */
static void leave(const struct parts *p, struct part *part)
{
        if (is_configured(p->common.config, (const char *)part->inboxes->pdata[0]))
                part_pause(part, REASON_VANISHED,
                           g_strdup_printf("%s is not there any more, or other folders go with this one now; it goes on in a moment",
                                           part->remote));
        part_end(part);
}

void parts_apply(struct parts *p, const struct config *config, bool reload)
{
        int r = p->all->len == 0 || p->common.config_fd >= 0 ? 0 : listen_to_parts(p);

        p->common.config = config;
        if (r >= 0 && p->all->len > 0)
                r = load_write_part(p->common.config_fd, p->shares, config->text);
        if (r < 0)
                log_event(EV_TROUBLE, NO_FIELDS, "What serves shares cannot be told its configuration: %s", g_strerror(-r));
        for (guint i = p->all->len; i-- > 0;) {
                struct part *part = nth(p, i);

                if (part->wanted && part->pid > 0 && reload)
                        (void)kill(part->pid, SIGHUP);
                else if (!part->wanted && part->pid > 0)
                        leave(p, part);
                else if (!part->wanted)
                        (void)g_ptr_array_remove_index(p->all, i);
        }
        for (guint i = 0; i < p->all->len; i++)
                if (nth(p, i)->wanted && nth(p, i)->pid == 0 && nth(p, i)->again_usec == 0 && may_start(p, nth(p, i)))
                        part_start(nth(p, i));
        look_at_all(p);
}

/* ---- what is asked of them */

bool parts_settled(const struct parts *p)
{
        for (guint i = 0; i < p->all->len; i++)
                if (nth(p, i)->wanted && !nth(p, i)->settled)
                        return false;
        return true;
}

int parts_failure(const struct parts *p)
{
        return p->failure;
}

bool parts_known(const struct parts *p)
{
        for (guint i = 0; i < p->all->len; i++)
                if (!nth(p, i)->ready || nth(p, i)->paused)
                        return false;
        return true;
}

unsigned parts_count(const struct parts *p)
{
        return p->all->len;
}

unsigned parts_folders(const struct parts *p)
{
        return p->inboxes->len;
}

unsigned parts_usable(const struct parts *p)
{
        unsigned n = 0;

        for (guint i = 0; i < p->all->len; i++)
                n += nth(p, i)->paused ? 0 : nth(p, i)->numbers.usable;
        return n;
}

void parts_add_status(const struct parts *p, struct status *status)
{
        status_add(status, &p->past.status);
        for (guint i = 0; i < p->all->len; i++)
                status_add(status, &nth(p, i)->numbers.status);
}

void parts_add_view(const struct parts *p, struct status_view *v)
{
        for (guint i = 0; i < p->all->len; i++) {
                const struct part *part = nth(p, i);
                const struct status_view *of = &part->numbers.view;

                v->busy += of->busy;
                v->workers += of->workers;
                v->waiting += of->waiting;
                v->ready += of->ready;
                v->scanning |= of->scanning;
                v->paused += part->paused ? part->inboxes->len : of->paused;
                if (part->paused || of->paused > 0)
                        v->paused_why = part->paused ? part->paused : part->why ? part->why : (const char *)part->inboxes->pdata[0];
        }
}

void parts_add_tally(const struct parts *p, struct tally *tally)
{
        tally_add_told(tally, &p->past.tally);
        for (guint i = 0; i < p->all->len; i++)
                tally_add(tally, &nth(p, i)->numbers.tally);
}

void parts_foreach(const struct parts *p, void (*f)(const char *inbox, bool paused, void *userdata), void *userdata)
{
        for (guint i = 0; i < p->all->len; i++)
                for (guint k = 0; k < nth(p, i)->inboxes->len; k++)
                        f((const char *)nth(p, i)->inboxes->pdata[k],
                          nth(p, i)->paused || nth(p, i)->numbers.usable < nth(p, i)->inboxes->len, userdata);
}

const struct wire_hello *parts_hello(const struct parts *p)
{
        for (guint i = 0; i < p->all->len; i++)
                if (nth(p, i)->numbers.hello.version > 0)
                        return &nth(p, i)->numbers.hello;
        return NULL;
}

bool parts_own(const struct parts *p, int pid)
{
        return by_pid(p, pid) != NULL;
}

/* ---- life */

static void free_part(void *data)
{
        part_free((struct part *)data);
}

struct parts *parts_new(sd_event *event, const struct options *options, const struct parts_hooks *hooks, void *userdata)
{
        struct parts *p = g_new0(struct parts, 1);

        p->common = (struct part_common){ .event = event, .options = options, .config_fd = -1, .ended = on_ended, .userdata = p };
        p->hooks = hooks;
        p->userdata = userdata;
        p->all = g_ptr_array_new_with_free_func(free_part);
        p->inboxes = g_ptr_array_new_with_free_func(g_free);
        p->notify_fd = -1;
        return p;
}

void parts_free(struct parts *p)
{
        if (!p)
                return;
        parts_kill(p);
        (void)sd_event_source_disable_unref(p->notify);
        (void)sd_event_source_disable_unref(p->timer);
        g_ptr_array_unref(p->all);
        g_ptr_array_unref(p->inboxes);
        (void)fd_close(p->common.config_fd);
        (void)fd_close(p->notify_fd);
        g_free(p->common.notify_path);
        g_free(p);
}

void parts_stop(struct parts *p)
{
        p->common.stopping = true;
        for (guint i = 0; i < p->all->len; i++)
                if (nth(p, i)->pid > 0)
                        part_end(nth(p, i));
                else
                        nth(p, i)->again_usec = 0;
        look_at_all(p);
}

void parts_kill(struct parts *p)
{
        for (guint i = 0; i < p->all->len; i++)
                if (nth(p, i)->pid > 0)
                        part_kill(nth(p, i));
}

bool parts_over(const struct parts *p)
{
        for (guint i = 0; i < p->all->len; i++) {
                const struct part *part = nth(p, i);

                if (part->pid > 0 && (part->killed_usec == 0 || part_now_usec(&p->common) < part->killed_usec + PART_KILLED_USEC))
                        return false;
        }
        return true;
}
