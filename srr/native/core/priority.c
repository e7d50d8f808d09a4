/* priority.c - see priority.h. */
#define _GNU_SOURCE
#include "priority.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "srr.h"

#define ORDINARY_MOST 19 /* above, QNX4 wanted the superuser; here a real-time class */
#define NICE_ZERO 10     /* where QNX4 started its programs, and Linux does */

int priority_of(pid_t tid)
{
    struct sched_param param;
    int policy = sched_getscheduler(tid);
    if (policy < 0)
        return -ESRCH;
    policy &= ~SCHED_RESET_ON_FORK;
    if (policy == SCHED_RR || policy == SCHED_FIFO) {
        if (sched_getparam(tid, &param) != 0)
            return -ESRCH;
        int above = ORDINARY_MOST + param.sched_priority;
        return above < PRIORITY_MOST ? above : PRIORITY_MOST;
    }
    errno = 0;
    int nice_value = getpriority(PRIO_PROCESS, (id_t)tid);
    if (nice_value == -1 && errno != 0)
        return -ESRCH;
    int priority = NICE_ZERO - nice_value;
    return priority < PRIORITY_LEAST ? PRIORITY_LEAST : priority > ORDINARY_MOST ? ORDINARY_MOST : priority;
}

static int refusal(void) { return errno == EACCES || errno == EPERM ? -EPERM : -errno; }

int priority_set(pid_t tid, int priority)
{
    if (priority < PRIORITY_LEAST || priority > PRIORITY_MOST)
        return -EINVAL;
    int now = priority_of(tid);
    if (now < 0)
        return now;
    struct sched_param param = {.sched_priority = priority > ORDINARY_MOST ? priority - ORDINARY_MOST : 0};
    if (priority > ORDINARY_MOST)
        return sched_setscheduler(tid, SCHED_RR, &param) == 0 ? 0 : refusal();
    if (now > ORDINARY_MOST && sched_setscheduler(tid, SCHED_OTHER, &param) != 0)
        return refusal();
    return setpriority(PRIO_PROCESS, (id_t)tid, NICE_ZERO - priority) == 0 ? 0 : refusal();
}

static bool has_capability(unsigned which)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
    return syscall(SYS_capget, &header, data) == 0 && (data[which / 32].effective >> which % 32 & 1) != 0;
}

bool may_rise_to(int priority)
{
    struct rlimit limit;
    if (has_capability(CAP_SYS_NICE))
        return true;
    if (priority > ORDINARY_MOST)
        return getrlimit(RLIMIT_RTPRIO, &limit) == 0 && limit.rlim_cur >= (rlim_t)(priority - ORDINARY_MOST);
    /* The limit is 20 - the lowest nice value. */
    return getrlimit(RLIMIT_NICE, &limit) == 0 && limit.rlim_cur >= (rlim_t)(20 - (NICE_ZERO - priority));
}

void priority_float(int priority)
{
    int now = priority_of(0);
    if (priority != 0 && priority != now && (priority > now || may_rise_to(now)))
        priority_set(0, priority); /* as far as the kernel lets us */
}

void priority_lend(pid_t pid)
{
    int mine = priority_of(0);
    if (mine > priority_of(pid))
        priority_set(pid, mine);
}

int srr_priority(pid_t tid)
{
    return tid < 0 ? -ESRCH : priority_of(tid);
}

int srr_set_priority(pid_t tid, int priority)
{
    int before = srr_priority(tid);
    int r = before < 0 ? before : priority_set(tid, priority);
    return r < 0 ? r : before;
}
