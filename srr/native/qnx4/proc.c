/* proc.c - see proc.h. */
#define _GNU_SOURCE
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int refusal(void) { return errno == ENOENT ? -ESRCH : errno == EPERM ? -EACCES : -errno; }

int proc_read(pid_t pid, const char *file, char *text, size_t size)
{
    char path[64];
    size_t got = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refusal();
    for (ssize_t n = 1; n > 0 && got < size - 1; got += n > 0 ? (size_t)n : 0) {
        n = read(fd, text + got, size - 1 - got);
        if (n < 0) {
            int r = refusal();
            close(fd);
            return r;
        }
    }
    close(fd);
    text[got] = 0;
    return (int)got;
}

bool proc_stat(pid_t pid, struct proc_stat *ret_stat)
{
    char text[1024];
    struct proc_stat stat = {.state = 0};
    if (proc_read(pid, "stat", text, sizeof text) <= 0)
        return false;
    char *open = strchr(text, '('), *close = strrchr(text, ')'); /* the name between them may contain both */
    if (!open || !close || close < open)
        return false;
    snprintf(stat.comm, sizeof stat.comm, "%.*s", (int)(close - open - 1), open + 1);
    if (sscanf(close + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu %*d %*d %ld %*d %llu",
               &stat.state, &stat.father, &stat.group, &stat.session, &stat.user, &stat.system, &stat.children_user,
               &stat.children_system, &stat.threads, &stat.start) != 10)
        return false;
    *ret_stat = stat;
    return true;
}

unsigned long long proc_start(pid_t pid)
{
    struct proc_stat stat;
    return proc_stat(pid, &stat) ? stat.start : 0;
}

int proc_each(pid_t pid, const char *name, void (*each)(void *arg, pid_t number), void *arg)
{
    char path[64] = "/proc";
    struct dirent *entry;
    if (name)
        snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    DIR *dir = opendir(path);
    if (!dir)
        return refusal();
    int own = dirfd(dir); /* if it is our descriptors that are listed */
    while ((entry = readdir(dir))) {
        char *end;
        long number = strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == 0 && !(pid == getpid() && name && strcmp(name, "fd") == 0 && number == own))
            each(arg, (pid_t)number);
    }
    closedir(dir);
    return 0;
}
