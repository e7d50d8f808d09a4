/*
 * priority.h - QNX4's priorities on Linux: see srr_priority() in srr.h.
 */
#ifndef SRR_PRIORITY_H
#define SRR_PRIORITY_H

#include <stdbool.h>
#include <sys/types.h>

#define PRIORITY_LEAST 1
#define PRIORITY_MOST 29

/* Of a thread (0: the calling one), or -ESRCH. Two system calls. */
int priority_of(pid_t tid);

/* 0, -ESRCH, -EINVAL, -EPERM. */
int priority_set(pid_t tid, int priority);

/* Does the kernel let this process raise itself to that priority? */
bool may_rise_to(int priority);

/* The calling thread takes that priority (0: none), if it may come back to its own. */
void priority_float(int priority);

/* That process, whose priority floats, takes the calling thread's if it is higher, as far as the kernel lets us. */
void priority_lend(pid_t pid);

#endif
