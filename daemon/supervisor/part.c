/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process, what it says, and how long it has said nothing. */

#include "part.h"

#include "log.h"
#include "process.h"

#include <string.h>
#include <sys/wait.h>

#define AGAIN_MAX_USEC UINT64_C(60000000)
/* For whoever looks after the share: with no path of it, on which the command would hang, too. */
#define SHOW_SHARES "findmnt -l -o TARGET,SOURCE,FSTYPE; journalctl -k -n 50"

static uint64_t patience_usec(const struct part_common *common)
{
        return (uint64_t)common->config->answer_seconds * 1000000;
}

uint64_t part_now_usec(const struct part_common *common)
{
        uint64_t now = 0;

        (void)sd_event_now(common->event, CLOCK_MONOTONIC, &now);
        return now;
}

bool part_serves(const struct part *part, const char *inbox)
{
        return g_ptr_array_find_with_equal_func(part->inboxes, inbox, g_str_equal, NULL);
}

void part_kill(struct part *part)
{
        if (kill(-part->pid, SIGKILL) < 0) /* it is not so far yet that it heads a group */
                (void)kill(part->pid, SIGKILL);
        part->killed_usec = part_now_usec(part->common);
}

/* ---- paused and resumed */

void part_pause(struct part *part, enum reason reason, char *why)
{
        bool told = part->paused != NULL;

        g_free(part->paused);
        part->paused = why;
        part->settled = true;
        for (guint i = 0; i < part->inboxes->len && !told; i++)
                log_event(EV_PAUSED,
                          FIELDS(F_STR(INBOX, (const char *)part->inboxes->pdata[i]), F_STR(REASON, reason_token(reason)),
                                 F_STR(REMEDY, SHOW_SHARES)),
                          "%s is paused: %s", (const char *)part->inboxes->pdata[i], why);
}

void part_resume(struct part *part)
{
        if (!part->paused)
                return;
        g_clear_pointer(&part->paused, g_free);
        for (guint i = 0; i < part->inboxes->len; i++)
                log_event(EV_RESUMED, FIELDS(F_STR(INBOX, (const char *)part->inboxes->pdata[i])), "%s is served again",
                          (const char *)part->inboxes->pdata[i]);
}

void part_end(struct part *part)
{
        if (part->killed_usec > 0)
                return;
        if (part->silent)
                part_kill(part);
        else if (!part->asked) /* to be asked twice means at once */
                (void)kill(part->pid, SIGTERM);
        part->asked = true;
}

/* ---- processes */

static char **arguments_of(const struct part *part)
{
        const struct options *o = part->common->options;
        GPtrArray *all = g_ptr_array_new();

        for (char *const *a = o->argv; *a; a++)
                g_ptr_array_add(all, g_strdup(*a));
        g_ptr_array_add(all, g_strdup("--part"));
        g_ptr_array_add(all, g_strdup_printf("%d", PROCESS_PART_FD));
        for (guint i = 0; i < part->inboxes->len && !o->inbox; i++) {
                g_ptr_array_add(all, g_strdup("--only"));
                g_ptr_array_add(all, g_strdup((const char *)part->inboxes->pdata[i]));
        }
        g_ptr_array_add(all, NULL);
        return (char **)g_ptr_array_free(all, FALSE);
}

/* It pings at a quarter to three eighths of our patience. */
static char **environment_of(const struct part *part)
{
        g_autofree char *watchdog = g_strdup_printf("%" PRIu64, patience_usec(part->common) / 2);
        char **envp = g_environ_unsetenv(g_get_environ(), "WATCHDOG_PID");

        envp = g_environ_setenv(envp, "WATCHDOG_USEC", watchdog, TRUE);
        return g_environ_setenv(envp, "NOTIFY_SOCKET", part->common->notify_path, TRUE);
}

static int on_part(sd_event_source *source, const siginfo_t *si, void *userdata)
{
        struct part *part = (struct part *)userdata;

        part->common->ended(part, si, part->common->userdata);
        return 0;
}

void part_start_later(struct part *part, const char *how)
{
        const struct part_common *p = part->common;
        uint64_t delay = MIN(UINT64_C(1000000) << MIN(part->ends, 6U), AGAIN_MAX_USEC);

        part->ends++;
        part->again_usec = part_now_usec(p) + delay;
        part_pause(part, REASON_IO_ERROR,
                   g_strdup_printf("the process that serves it is gone: %s; it is started again in %.0f s", how, (double)delay / 1e6));
}

void part_start(struct part *part)
{
        const struct part_common *p = part->common;
        g_auto(GStrv) argv = arguments_of(part), envp = environment_of(part);
        int pid = 0, r = process_spawn_part(argv, envp, p->config_fd, &pid);

        part->again_usec = part->killed_usec = 0;
        part->ready = part->silent = part->asked = false;
        part->heard_usec = part_now_usec(p);
        if (r >= 0)
                r = sd_event_add_child(p->event, &part->child, pid, WEXITED, on_part, part);
        if (r < 0) {
                if (pid > 0)
                        (void)kill(pid, SIGKILL);
                part_start_later(part, g_strerror(-r));
                return;
        }
        part->pid = pid;
        for (guint i = 0; i < part->inboxes->len; i++)
                log_event(EV_ISOLATED, FIELDS(F_STR(INBOX, (const char *)part->inboxes->pdata[i]), F_NUM(PROCESS, pid)),
                          "%s lies on, or holds, %s: process %d serves it, so that nothing else waits when that does not answer",
                          (const char *)part->inboxes->pdata[i], part->remote, pid);
}

/* ---- what it says */

bool part_hear(struct part *part, const char *text)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        bool ready = false, was_silent;

        part->heard_usec = part_now_usec(part->common);
        for (char **line = lines; *line; line++) {
                if (g_str_has_prefix(*line, NUMBERS_FIELD "=")) {
                        (void)numbers_parse(*line + strlen(NUMBERS_FIELD "="), &part->numbers);
                } else if (g_str_has_prefix(*line, "X_THUMBNAILD_WHY=")) {
                        g_free(part->why);
                        part->why = g_strcompress(strchr(*line, '=') + 1);
                }
                ready |= strcmp(*line, "READY=1") == 0;
        }
        was_silent = part->silent;
        part->ready |= ready;
        part->settled |= ready;
        part->ends = part->ready ? 0 : part->ends;
        if (part->ready || (part->silent && part->ends == 0))
                part_resume(part);
        part->silent = false;
        return was_silent;
}

/* ---- time */

static void earlier(uint64_t *first, uint64_t usec)
{
        if (usec > 0 && (*first == 0 || usec < *first))
                *first = usec;
}

uint64_t part_look(struct part *part, uint64_t now)
{
        const struct part_common *p = part->common;
        uint64_t next = 0;

        if (part->pid == 0 && part->again_usec > 0 && part->again_usec <= now)
                part_start(part);
        if (part->pid == 0)
                earlier(&next, part->again_usec);
        if (part->killed_usec > 0)
                earlier(&next, part->killed_usec + PART_KILLED_USEC > now ? part->killed_usec + PART_KILLED_USEC : 0);
        if (part->pid == 0 || part->silent || part->killed_usec > 0)
                return next;
        if (now < part->heard_usec + patience_usec(p)) {
                earlier(&next, part->heard_usec + patience_usec(p));
                return next;
        }
        part->silent = true;
        part_pause(part, REASON_IO_ERROR,
                   g_strdup_printf("%s does not answer for %" PRIi64 " s; process %d, which serves it, waits for it, and everything "
                                   "else goes on",
                                   part->remote, p->config->answer_seconds, part->pid));
        if (!part->wanted || p->stopping) {
                part_kill(part);
                earlier(&next, now + PART_KILLED_USEC);
        }
        return next;
}

/* ---- life */

struct part *part_new(const struct part_common *common)
{
        struct part *part = g_new0(struct part, 1);

        part->common = common;
        part->inboxes = g_ptr_array_new_with_free_func(g_free);
        return part;
}

void part_free(struct part *part)
{
        if (!part)
                return;
        part->child = sd_event_source_disable_unref(part->child);
        g_ptr_array_unref(part->inboxes);
        g_free(part->remote);
        g_free(part->paused);
        g_free(part->why);
        g_free(part);
}
