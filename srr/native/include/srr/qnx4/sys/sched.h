/*
 * <sys/sched.h>: priorities, from 1, the lowest, to 29. Those of ordinary users are 1 to 19, and 10 is what a
 * program begins with.
 *
 * On Linux they are: 1 to 19, nice values 9 to -9; 20 to 29, SCHED_RR at 1 to 10. A lower nice value counts as
 * 19, a higher one as 1. Raising a priority above 10 needs RLIMIT_NICE, RLIMIT_RTPRIO or CAP_SYS_NICE, and so
 * does coming back from a lower one.
 */
#ifndef __SCHED_H_INCLUDED
#define __SCHED_H_INCLUDED

#include <sched.h>

#include <sys/types.h>

/* Algorithms: SCHED_FIFO, SCHED_RR, SCHED_OTHER with Linux's values (QNX4: 0, 1, 2). */
#define SCHED_FAIR SCHED_OTHER

/* The range of each (headers). 0 belonged to the idle process. */
#define PRIO_FIFO_MIN 0
#define PRIO_FIFO_MAX 29
#define PRIO_RR_MIN 0
#define PRIO_RR_MAX 29
#define PRIO_OTHER_MIN 0
#define PRIO_OTHER_MAX 29
#define PRIO_USER_DFLT 10

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The priority of process pid (0: of this thread). Does not block. Returns it, or -1: ESRCH, there is no such
 * process; EINVAL, pid is negative. Source: Library Reference, getprio().
 */
extern int getprio(pid_t pid);

/*
 * Set it. Does not block. Returns the one before, or -1:
 *   EINVAL  prio is not in 1 to 29, or pid is negative
 *   EPERM   the kernel does not let us: see above
 *   ESRCH   there is no such process
 * Source: Library Reference, setprio().
 */
extern int setprio(pid_t pid, int prio);

/*
 * Priority and algorithm at once, of process pid (0: this thread) on the node of proc_pid (PROC_PID or 0). -1
 * for alg or prio: leave it as it is. Does not block. Returns what was before, the algorithm if ret_alg is not
 * 0, else the priority, or -1: errors of setprio(), and EHOSTUNREACH, proc_pid is another's. SCHED_FIFO and
 * SCHED_RR below priority 20 stay SCHED_OTHER on Linux, and from 20 on SCHED_OTHER becomes SCHED_RR: the
 * priority decides. Source: Library Reference, qnx_scheduler(); the last sentence is ours.
 */
extern int qnx_scheduler(pid_t proc_pid, pid_t pid, int alg, int prio, int ret_alg);

#ifdef __cplusplus
}
#endif
#endif
