/*
 * proxy.h - proxies: see srr_proxy_attach() in srr.h.
 */
#ifndef SRR_PROXY_H
#define SRR_PROXY_H

#include "process.h"

/* Trigger it: the owner's pid, or -ESRCH: no such proxy, -EACCES: another user's. Never blocks. */
pid_t proxy_trigger(struct process *self, pid_t id);

#endif
