/* SPDX-License-Identifier: GPL-2.0-or-later */
/* thumbnaild(8): arguments and configuration, then supervisor_run(). */

#include "config.h"
#include "explain.h"
#include "load.h"
#include "log.h"
#include "options.h"
#include "supervisor.h"
#include "thumbnaild-build.h"

#include <stdio.h>
#include <sysexits.h>

/* The configuration that the options ask for, or NULL after saying on stderr what is wrong with it. */
static struct config *load(const struct options *o)
{
        g_autoptr(GString) errors = g_string_new(NULL);
        struct config *config = load_config(o, errors);

        if (config)
                return config;
        (void)fputs(errors->str, stderr);
        if (o->action == ACTION_SERVE) {
                g_strchomp(errors->str);
                log_event(EV_TROUBLE, NO_FIELDS, "The configuration is wrong: %s", errors->str);
        }
        return NULL;
}

int main(int argc, char **argv)
{
        struct options options;
        struct config *config;
        int status = options_parse(argc, argv, &options);

        if (status != 0)
                return status;
        if (options.action == ACTION_HELP) {
                options_help();
                return 0;
        }
        if (options.action == ACTION_VERSION) {
                (void)puts("thumbnaild " PACKAGE_VERSION);
                return 0;
        }
        if (options.action == ACTION_SERVE)
                log_open(log_connect());
        config = load(&options);
        if (!config)
                return EX_CONFIG;
        if (options.action == ACTION_CHECK_CONFIG) {
                (void)printf("%s: fine\n", config->path ? config->path : "command line");
                config_free(config);
                return 0;
        }
        if (options.action == ACTION_EXPLAIN) {
                status = explain(config, options.explain);
                config_free(config);
                return status;
        }
        status = supervisor_run(&options, config);
        (void)log_close();
        return status;
}
