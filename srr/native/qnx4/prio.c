/* prio.c - <sys/sched.h>: priorities, by those of libsrr. */
#define _GNU_SOURCE
#include <sys/sched.h>

#include "qnx4.h"
#include "srr.h"

#define REAL_TIME_LEAST 20 /* from here on a priority is one of Linux's real-time priorities */

PUBLIC int getprio(pid_t pid)
{
    return answer(pid < 0 ? -EINVAL : srr_priority(pid));
}

PUBLIC int setprio(pid_t pid, int prio)
{
    return answer(pid < 0 ? -EINVAL : srr_set_priority(pid, prio));
}

static int algorithm(pid_t pid)
{
    int r = sched_getscheduler(pid);
    return r < 0 ? -errno : r & ~SCHED_RESET_ON_FORK;
}

/* Linux orders by priority first: one below the real-time ones has no choice of algorithms. */
static int set_algorithm(pid_t pid, int alg)
{
    struct sched_param param;
    int now = algorithm(pid), priority = srr_priority(pid);
    if (now < 0 || priority < 0)
        return now < 0 ? now : priority;
    if (priority < REAL_TIME_LEAST || alg == now || alg == SCHED_OTHER)
        return 0;
    if (sched_getparam(pid, &param) != 0 || sched_setscheduler(pid, alg, &param) != 0)
        return -errno;
    return 0;
}

PUBLIC int qnx_scheduler(pid_t proc_pid, pid_t pid, int alg, int prio, int ret_alg)
{
    if (!is_proc(proc_pid))
        return answer(-EHOSTUNREACH);
    if (pid < 0 || (alg != -1 && alg != SCHED_FIFO && alg != SCHED_RR && alg != SCHED_OTHER))
        return answer(-EINVAL);
    int before = ret_alg ? algorithm(pid) : srr_priority(pid), r = before;
    if (r >= 0 && prio != -1)
        r = srr_set_priority(pid, prio);
    if (r >= 0 && alg != -1)
        r = set_algorithm(pid, alg);
    return r < 0 ? answer(r) : before;
}
