/* proc.h - what /proc tells about a process. */
#ifndef SRR_QNX4_PROC_H
#define SRR_QNX4_PROC_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/types.h>

/* /proc/<pid>/stat. Times are clock ticks; `start` is counted from boot. */
struct proc_stat {
    char comm[64]; /* the program's short name */
    char state;
    pid_t father, group, session;
    unsigned long long user, system, children_user, children_system, start;
    long threads;
};

/* Read a file of /proc/<pid>/ as text, at most size - 1 bytes of it. -ESRCH: there is no such process; -EACCES. */
int proc_read(pid_t pid, const char *file, char *text, size_t size);

/* False: there is no such process. A thread that is not the first of its process has such a file, too. */
bool proc_stat(pid_t pid, struct proc_stat *ret_stat);

/* When the process started, which tells it from a later one with its number. 0: there is none. */
unsigned long long proc_start(pid_t pid);

/*
 * Call `each` with each number that names an entry of the folder /proc/<pid>/<name>, or of /proc if name is 0.
 * -ESRCH: there is no such process; -EACCES; -ENOMEM.
 */
int proc_each(pid_t pid, const char *name, void (*each)(void *arg, pid_t number), void *arg);

#endif
