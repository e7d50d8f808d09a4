/*
 * fd.c - <sys/fd.h>: descriptors that stand for a process.
 *
 * Such a descriptor is a sealed memfd whose content says for which one. So there is no table that could disagree with
 * what the program does to its descriptors: dup, dup2, fork, exec and close need no care, and other processes may look.
 */
#define _GNU_SOURCE
#include <sys/fd.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proc.h"
#include "qnx4.h"

#define MEMFD_NAME "srr-fd"
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define FLAGS_SHIFT 8 /* the documented place of _FD_CLOSE_ON_EXEC is the upper byte, the header's the lower one */

static const char magic[8] = "srr-fd1";

struct record {
    char magic[8];
    uint64_t started; /* the process's start: its number alone may become another's */
    int32_t pid;
    int32_t reserved;
};

static bool read_record(int fd, struct record *ret_record)
{
    return fcntl(fd, F_GET_SEALS) == SEALS && pread(fd, ret_record, sizeof *ret_record, 0) == sizeof *ret_record &&
           memcmp(ret_record->magic, magic, sizeof magic) == 0;
}

pid_t fd_process(int fd)
{
    struct record record;
    if (!read_record(fd, &record))
        return -EBADF;
    return proc_start(record.pid) == record.started ? record.pid : -ESRCH;
}

static int make(int from, const struct record *record, bool close_on_exec)
{
    int made = memfd_create(MEMFD_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made < 0)
        return -errno;
    int r = -ENOMEM;
    if (write(made, record, sizeof *record) == sizeof *record) {
        r = fcntl(made, F_ADD_SEALS, SEALS) == 0 ? fcntl(made, close_on_exec ? F_DUPFD_CLOEXEC : F_DUPFD, from) : -1;
        r = r < 0 ? -errno : r;
    }
    close(made);
    return r;
}

PUBLIC int qnx_fd_attach(pid_t owner_pid, int fd, nid_t nid, pid_t pid, pid_t vid, unsigned flags, unsigned handle)
{
    (void)handle;
    if (owner_pid != 0)
        return answer(-ENOSYS);
    if (!is_here(nid))
        return answer(-EHOSTUNREACH);
    if (vid != 0 && vid != pid)
        return answer(-EINVAL);
    struct record record = {.started = pid > 0 ? proc_start(pid) : 0, .pid = pid};
    memcpy(record.magic, magic, sizeof magic);
    if (record.started == 0)
        return answer(-ESRCH);
    return answer(make(fd, &record, ((flags | flags >> FLAGS_SHIFT) & _FD_CLOSE_ON_EXEC) != 0));
}

PUBLIC int qnx_fd_detach(int fd)
{
    struct record record;
    if (!read_record(fd, &record))
        return answer(-EBADF);
    return answer(close(fd) == 0 ? 0 : -errno);
}

/* The least number that is not below `at_least`. */
struct least {
    pid_t at_least, number; /* number -1: none yet */
};

static void take_least(void *arg, pid_t number)
{
    struct least *least = arg;
    if (number >= least->at_least && (least->number < 0 || number < least->number))
        least->number = number;
}

/* For whom that descriptor of process `pid` stands: PROC_PID, if it is an ordinary one. */
static pid_t stands_for(pid_t pid, int fd)
{
    char path[64], target[64] = "";
    struct record record;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, fd);
    if (readlink(path, target, sizeof target - 1) < 0 || !strstr(target, "/memfd:" MEMFD_NAME))
        return PROC_PID;
    int copy = open(path, O_RDONLY | O_CLOEXEC);
    if (copy < 0)
        return PROC_PID;
    bool ours = read_record(copy, &record);
    close(copy);
    return ours ? record.pid : PROC_PID;
}

static bool closes_on_exec(pid_t pid, int fd)
{
    char file[32], text[512], *at;
    unsigned flags = 0;
    snprintf(file, sizeof file, "fdinfo/%d", fd);
    if (proc_read(pid, file, text, sizeof text) > 0 && (at = strstr(text, "flags:")))
        sscanf(at, "flags: %o", &flags);
    return (flags & O_CLOEXEC) != 0;
}

PUBLIC int qnx_fd_query(pid_t proc_pid, pid_t pid, int fd, struct _fd_entry *buf)
{
    struct least least = {.at_least = fd, .number = -1};
    if (!is_proc(proc_pid) || pid < 0)
        return answer(-ESRCH);
    pid = pid == 0 ? getpid() : pid;
    int r = proc_each(pid, "fd", take_least, &least);
    if (r < 0)
        return answer(r);
    if (least.number < 0)
        return answer(-EINVAL);
    memset(buf, 0, sizeof *buf);
    buf->nid = THIS_NODE;
    buf->pid = buf->vid = stands_for(pid, least.number);
    buf->flags = closes_on_exec(pid, least.number) ? _FD_CLOSE_ON_EXEC : 0;
    return least.number;
}
