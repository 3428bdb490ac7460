/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Every event that the two programs log: symbol, name (THUMBNAILD_EVENT), syslog priority, MESSAGE_ID.  A new event needs an entry
 * in systemd/thumbnaild.catalog; a test compares the two. */

#define LOG_EVENT_LIST(X) \
        X(STARTED, "started", LOG_INFO, "2df6940611c444bcaba109b35fb9650a") \
        X(READY, "ready", LOG_NOTICE, "f68342ff2ea84fd58f1c589743e8f956") \
        X(RELOADED, "reloaded", LOG_NOTICE, "67a727c9c88a43eb89e20296a1d219a5") \
        X(RELOAD_REFUSED, "reload-refused", LOG_ERR, "713d819965c94f678605492de7e8f1a3") \
        X(STOPPING, "stopping", LOG_INFO, "9330624d929c4feaad8349d073307127") \
        X(STOPPED, "stopped", LOG_NOTICE, "b9d84f8a38294e3494dd903758bdd402") \
        X(MADE, "made", LOG_INFO, "375f66d745154bc8a9191118adfbe71f") \
        X(REMOVED, "removed", LOG_INFO, "0a9e520714be419b85cd87d651777d19") \
        X(FAILED, "failed", LOG_WARNING, "6799b05b39124ee89df0529e360efa22") \
        X(RETRY, "retry", LOG_NOTICE, "774e2e572b2547ef90da705f2e500058") \
        X(WAITING, "waiting", LOG_NOTICE, "edc8b4cee5b242899a3843f578e2470b") \
        X(SKIPPED, "skipped", LOG_INFO, "8c4ba68050a24d6ab4384031873da2d9") \
        X(PROGRESS, "progress", LOG_INFO, "c2a949d99b624edd8d3ccccc0bc3fcc8") \
        X(RESCAN, "rescan", LOG_INFO, "4b9be250696e40439ef75a6216d861c7") \
        X(POLLING, "polling", LOG_NOTICE, "97e2ae1638684f338ed1527e59f64734") \
        X(ISOLATED, "isolated", LOG_NOTICE, "9f72dc35612541b7a7096dea8177e5d9") \
        X(OVERFLOW, "overflow", LOG_WARNING, "972cf8a347b544feab4ee2e85b693566") \
        X(WORKER_STARTED, "worker-started", LOG_INFO, "1bdbd31ad5524acca901fbda96a215de") \
        X(WORKER_RETIRED, "worker-retired", LOG_INFO, "fe2f5318d98d4909ad46064576b5fd53") \
        X(WORKER_LOST, "worker-lost", LOG_WARNING, "6f4def0a04a743e8854c9114d1a81912") \
        X(WORKER_TIMEOUT, "worker-timeout", LOG_WARNING, "7bb524bc72ab421491bdaf381de2758f") \
        X(PAUSED, "paused", LOG_ERR, "e728f51f2bcc416ca4566b9bd5b1bf49") \
        X(RESUMED, "resumed", LOG_NOTICE, "71a876958b4b4eca8aae84ff6ca5ffc1") \
        X(DROPPED, "dropped", LOG_WARNING, "f07f44438d9f4dd5bf8c4cee6f1519bf") \
        X(TROUBLE, "trouble", LOG_ERR, "c7413dc09eea41958c8bade8d16575bc")
