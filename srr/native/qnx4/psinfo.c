/*
 * psinfo.c - qnx_psinfo(): one process, or proxy, after the other.
 *
 * Two sources: /proc, for every process; and the rows of the waiting table, through srr_look(), for this user's.
 * The rows win: a process that spins while it awaits a reply runs, to Linux, and is REPLY-blocked.
 */
#define _GNU_SOURCE
#include <sys/psinfo.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"
#include "qnx4.h"
#include "srr.h"

#define ORDINARY_MOST 19
#define SUPERUSER_MOST 29
#define THREADS_MOST 1024 /* threads of a process that are in a Send; libsrr has no more slots */

static const int32_t changeable = _PPF_IMMORTAL | _PPF_INFORM | _PPF_FIXED | _PPF_PRIORITY_REC | _PPF_PRIORITY_FLOAT |
                                  _PPF_NOCLDSTOP | _PPF_SIGCATCH | _PPF_SIGMASKALL | _PPF_SERVER | _PPF_RDOS;

/* What stands behind a name in the text of /proc/<pid>/status. */
static unsigned long long status_number(const char *status, const char *name, int index, int base)
{
    const char *at = strstr(status, name);
    char *end = NULL;
    unsigned long long number = 0;
    if (!at)
        return 0;
    at += strlen(name);
    for (int i = 0; i <= index; i++, at = end)
        number = strtoull(at, &end, base);
    return number;
}

static void fill_ids(struct _psinfo *buf, const char *status)
{
    enum { REAL, EFFECTIVE };
    buf->ruid = (int16_t)status_number(status, "\nUid:", REAL, 10);
    buf->euid = (int16_t)status_number(status, "\nUid:", EFFECTIVE, 10);
    buf->rgid = (int16_t)status_number(status, "\nGid:", REAL, 10);
    buf->egid = (int16_t)status_number(status, "\nGid:", EFFECTIVE, 10);
    buf->umask = (uint16_t)status_number(status, "\nUmask:", 0, 8);
    buf->max_priority = status_number(status, "\nUid:", EFFECTIVE, 10) == 0 ? SUPERUSER_MOST : ORDINARY_MOST;
    buf->signal_ignore = (int32_t)status_number(status, "\nSigIgn:", 0, 16);
    buf->signal_mask = (int32_t)status_number(status, "\nSigBlk:", 0, 16);
    buf->signal_pending = (int32_t)status_number(status, "\nSigPnd:", 0, 16); /* the thread's, and the process's */
    buf->signal_pending |= (int32_t)status_number(status, "\nShdPnd:", 0, 16);
}

/* The program's path, or the end of it; of a process that may not be looked at, its short name. */
static void fill_name(char *name, size_t size, pid_t pid, const char *comm)
{
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/%d/exe", pid);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    const char *text = n > 0 ? path : comm;
    size_t length = strlen(text), kept = length < size ? length : size - 1;
    memcpy(name, text + length - kept, kept); /* *name is zeros */
}

/* In the order of their numbers: the first child, and the father's next one. */
struct family {
    pid_t self, father, son, brother;
};

static void look_for_family(void *arg, pid_t pid)
{
    struct family *family = arg;
    struct proc_stat stat;
    bool maybe_son = family->son == 0 || pid < family->son;
    bool maybe_brother = pid > family->self && (family->brother == 0 || pid < family->brother);
    if ((!maybe_son && !maybe_brother) || !proc_stat(pid, &stat))
        return;
    if (maybe_son && stat.father == family->self)
        family->son = pid;
    if (maybe_brother && stat.father == family->father && family->father != 0)
        family->brother = pid;
}

static uint32_t seconds_since_1970(unsigned long long ticks_since_boot)
{
    struct timespec now, boot;
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    long long booted_ms = (now.tv_sec - boot.tv_sec) * 1000LL + (now.tv_nsec - boot.tv_nsec) / 1000000;
    long long started_ms = (long long)(ticks_since_boot * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK));
    return (uint32_t)((booted_ms + started_ms) / 1000);
}

static void fill_proc(struct _psinfo *buf, const struct proc_stat *stat, const char *status)
{
    struct family family = {.self = buf->pid, .father = stat->father};
    proc_each(0, NULL, look_for_family, &family);
    buf->un.proc.father = stat->father;
    buf->un.proc.son = family.son;
    buf->un.proc.brother = family.brother;
    buf->un.proc.debugger = (pid_t)status_number(status, "\nTracerPid:", 0, 10);
    fill_name(buf->un.proc.name, sizeof buf->un.proc.name, buf->pid, stat->comm);
    buf->un.proc.start_time = seconds_since_1970(stat->start);
    buf->un.proc.times.tms_utime = (int32_t)stat->user;
    buf->un.proc.times.tms_stime = (int32_t)stat->system;
    buf->un.proc.times.tms_cutime = (int32_t)stat->children_user;
    buf->un.proc.times.tms_cstime = (int32_t)stat->children_system;
}

static void set_state(struct _psinfo *buf, int state, pid_t on)
{
    buf->state = (char)state;
    buf->blocked_on = on;
}

/* What Linux knows: whether it runs, and whether it waits for a child. */
static void fill_linux_state(struct _psinfo *buf, char state)
{
    char where[64];
    switch (state) {
    case 'R':
        set_state(buf, STATE_READY, 0);
        return;
    case 'Z':
    case 'X':
        set_state(buf, STATE_DEAD, 0);
        return;
    case 'T':
    case 't':
        set_state(buf, STATE_HELD, 0);
        return;
    }
    if (proc_read(buf->pid, "wchan", where, sizeof where) > 0 && strncmp(where, "do_wait", strlen("do_wait")) == 0)
        set_state(buf, STATE_WAIT_BLOCKED, 0);
    else
        set_state(buf, STATE_REPLY_BLOCKED, PROC_PID);
}

/* What the rows say, if the process has any that we may read. One that is stopped is HELD, whatever it waits for. */
static void fill_ipc_state(struct _psinfo *buf)
{
    static const char states[] = {[SRR_SEND_BLOCKED] = STATE_SEND_BLOCKED,
                                  [SRR_RECEIVE_BLOCKED] = STATE_RECEIVE_BLOCKED,
                                  [SRR_REPLY_BLOCKED] = STATE_REPLY_BLOCKED,
                                  [SRR_SIGNAL_BLOCKED] = STATE_SIGNAL_BLOCKED};
    struct srr_process_view process;
    struct srr_thread_view threads[THREADS_MOST];
    int state = 0;
    pid_t on = 0;
    if (buf->state == STATE_DEAD || srr_look(buf->pid, &process, threads, THREADS_MOST) < 0)
        return;
    buf->flags |= (int32_t)process.flags & changeable;
    if (process.receivers > 0) {
        state = STATE_RECEIVE_BLOCKED;
        on = process.receive_from;
    }
    for (uint32_t i = 0; i < process.threads; i++)
        if (threads[i].tid == buf->pid && threads[i].blocked < sizeof states) {
            state = states[threads[i].blocked];
            on = threads[i].on;
        }
    if (state != 0)
        set_state(buf, buf->state == STATE_HELD ? STATE_HELD : state, on);
}

/* False: there is no such process (any more). */
static bool fill_process(pid_t pid, struct _psinfo *buf)
{
    char status[4096];
    struct proc_stat stat;
    if (proc_read(pid, "status", status, sizeof status) <= 0 || !proc_stat(pid, &stat) ||
        status_number(status, "\nTgid:", 0, 10) != (unsigned long long)pid)
        return false;
    memset(buf, 0, sizeof *buf);
    buf->pid = pid;
    buf->pid_group = stat.group;
    buf->sid = (uint16_t)stat.session;
    buf->sid_nid = THIS_NODE;
    buf->flags = _PPF_32BIT | _PPF_FLAT | (stat.session == pid ? _PPF_SLEADER : 0);
    int priority = srr_priority(pid), policy = sched_getscheduler(pid);
    buf->priority = (char)(priority > 0 ? priority : 0);
    buf->sched_algorithm = (char)(policy > 0 ? policy & ~SCHED_RESET_ON_FORK : 0);
    fill_ids(buf, status);
    fill_proc(buf, &stat, status);
    bool lives_on = stat.state == 'Z' && stat.threads > 1; /* only its first thread has ended */
    fill_linux_state(buf, lives_on ? 'S' : stat.state);
    fill_ipc_state(buf);
    return true;
}

static bool fill_proxy(pid_t id, struct _psinfo *buf)
{
    struct srr_proxy_view proxy;
    if (srr_proxy_look(id, &proxy) < 0)
        return false;
    memset(buf, 0, sizeof *buf);
    buf->pid = id;
    set_state(buf, proxy.count > 0 ? STATE_SEND_BLOCKED : STATE_RECEIVE_BLOCKED, proxy.owner);
    buf->pid_group = getpgid(proxy.owner);
    buf->flags = _PPF_MID;
    buf->ruid = buf->euid = (int16_t)geteuid(); /* others' proxies are not found */
    buf->rgid = buf->egid = (int16_t)getegid();
    buf->priority = buf->max_priority = (char)proxy.priority;
    buf->sid = (uint16_t)getsid(proxy.owner);
    buf->sid_nid = THIS_NODE;
    buf->un.mproc.count = (uint16_t)proxy.count;
    return true;
}

/* What has the next number: a process, or, below it, a thread that may be a proxy's. */
struct next {
    pid_t at_least, process, thread; /* 0: none yet */
};

static void next_process(void *arg, pid_t pid)
{
    struct next *next = arg;
    if (pid >= next->at_least && (next->process == 0 || pid < next->process))
        next->process = pid;
}

static void next_thread(void *arg, pid_t tid)
{
    struct next *next = arg;
    pid_t best = next->thread != 0 ? next->thread : next->process;
    if (tid >= next->at_least && (best == 0 || tid < best))
        next->thread = tid;
}

/* Proxies' threads are in processes that use the library and have more than one thread; others are not asked. */
static void next_thread_of(void *arg, pid_t pid)
{
    struct srr_process_view view;
    struct proc_stat stat;
    if (proc_stat(pid, &stat) && stat.threads > 1 && srr_look(pid, &view, NULL, 0) == 0)
        proc_each(pid, "task", next_thread, arg);
}

/* The process or proxy with that number or the next higher one. */
static int fill_next(pid_t at_least, struct _psinfo *buf)
{
    while (!fill_process(at_least, buf) && !fill_proxy(at_least, buf)) {
        struct next next = {.at_least = at_least + 1};
        if (at_least == INT32_MAX)
            return -EINVAL;
        proc_each(0, NULL, next_process, &next);
        proc_each(0, NULL, next_thread_of, &next);
        at_least = next.thread != 0 ? next.thread : next.process;
        if (at_least == 0)
            return -EINVAL;
    }
    return 0;
}

PUBLIC pid_t qnx_psinfo(pid_t proc_pid, pid_t pid, struct _psinfo *buf, unsigned segindex, struct _seginfo *seg)
{
    struct _psinfo found;
    (void)segindex;
    if (!is_proc(proc_pid))
        return answer(-ESRCH);
    if (pid < 0)
        return answer(-EINVAL);
    if (!buf)
        return answer(-EFAULT);
    int r = fill_next(pid == 0 ? getpid() : pid, &found);
    if (r < 0)
        return answer(r);
    *buf = found;
    if (seg)
        memset(seg, 0, sizeof *seg);
    return found.pid;
}
