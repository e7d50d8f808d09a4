/*
 * spawner.c - makes workers; see worker.h.
 *
 * The only process of the helper with capabilities, so it does nothing else: it reads nothing but a descriptor, and
 * asks the kernel whose connection that is. A broker that somebody had taken over could have workers only for users who
 * have connected to it, and never one for root: setresuid() and setresgid() can be called here for ids of srr's only,
 * besides the real ones.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "worker.h"

#define FDS_MOST 3u
#define MY_CALLS 8u
enum { MY_SOCKET, MY_PIPE }; /* the spawner's descriptors; a worker keeps the second: spawner_start() */
/* Not clone3(): systemd's RestrictNamespaces= does without it, because no filter can look into its argument. */
#define CLONE_FLAGS (CLONE_PIDFD | SIGCHLD)
#if defined(__s390__)
#define CLONE_FLAGS_AT 1 /* the stack comes first there */
#else
#define CLONE_FLAGS_AT 0
#endif
#define CAPABILITIES (1u << CAP_SETUID | 1u << CAP_SETGID)

int datagram_send(int socket, const void *bytes, size_t size, const int *fds, unsigned fd_count)
{
    union {
        char bytes[CMSG_SPACE(FDS_MOST * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec all = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &all, .msg_iovlen = 1};
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int datagram_receive(int socket, void *bytes, size_t size, int *ret_fds, unsigned *fd_count, int flags)
{
    union {
        char bytes[CMSG_SPACE(FDS_MOST * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec all = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &all, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(FDS_MOST * sizeof(int))};
    ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
    if (n < 0)
        return -errno;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    unsigned came = c && c->cmsg_type == SCM_RIGHTS ? (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)) : 0;
    if ((size_t)n != size || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || (came != 0 && came != *fd_count))
        return -EBADMSG;
    if (came > 0)
        memcpy(ret_fds, CMSG_DATA(c), came * sizeof(int));
    *fd_count = came;
    return 0;
}

static int set_capabilities(uint32_t which)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct these[2] = {{which, which, 0}, {0, 0, 0}};
    return syscall(SYS_capset, &header, these) == 0 ? 0 : -errno;
}

/* In the child: gives up everything, in an order in which nothing is needed any more. */
static _Noreturn void become_worker(int socket, const struct ucred *whose, const struct ucred *srr)
{
    bool is_alone = close(MY_SOCKET) == 0 &&
                    (socket == 2 || syscall(SYS_close_range, 2u, (unsigned)socket - 1, 0u) == 0) &&
                    syscall(SYS_close_range, (unsigned)socket + 1, ~0u, 0u) == 0;
    /*
     * What was one moment ours and the next the user's is never his to trace: its other ids are srr's from the first.
     */
    if (is_alone && setresgid(whose->gid, srr->gid, srr->gid) == 0 &&
        setresuid(whose->uid, srr->uid, srr->uid) == 0 && set_capabilities(0) == 0 && confine_process() == 0 &&
        prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && confine_calls(worker_calls, worker_calls_count) == 0)
        worker_run(socket);
    _exit(1);
}

/* A user could want: a worker of another one (the kernel says whose connection it is), or of root (refused). */
static int spawn(int connection, const struct ucred *srr, int ret_fds[2], pid_t *ret_pid)
{
    struct ucred whose;
    socklen_t size = sizeof whose;
    int ends[2], pidfd = -1;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &whose, &size) != 0)
        return -errno;
    if (whose.uid == 0 || whose.uid == UINT32_MAX || whose.gid == UINT32_MAX)
        return -EPERM;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return -errno;
    const unsigned long first[2] = {CLONE_FLAGS_AT == 0 ? CLONE_FLAGS : 0, CLONE_FLAGS_AT == 1 ? CLONE_FLAGS : 0};
    pid_t pid = (pid_t)syscall(SYS_clone, first[0], first[1], &pidfd, NULL, NULL);
    if (pid == 0)
        become_worker(ends[1], &whose, srr);
    int error = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return -error;
    }
    ret_fds[0] = ends[0];
    ret_fds[1] = pidfd;
    *ret_pid = pid;
    return 0;
}

/* Becomes who has written to us, and keeps two capabilities. */
static int settle(int socket, struct ucred *ret_srr)
{
    union {
        char bytes[CMSG_SPACE(sizeof *ret_srr)];
        struct cmsghdr align;
    } control;
    char byte;
    int off = 0;
    struct iovec one = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &one, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
        return -EPIPE;
    memcpy(ret_srr, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof *ret_srr);
    setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &off, sizeof off);
    for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
        ;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    uid_t uid = ret_srr->uid;
    gid_t gid = ret_srr->gid;
    if (ret_srr->pid <= 0 || uid == 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0 ||
        setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0 ||
        set_capabilities(CAPABILITIES) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return -EPERM;
    signal(SIGCHLD, SIG_IGN); /* nobody waits for workers: their pidfds tell */
    return 0;
}

static _Noreturn void spawner_run(void)
{
    const int socket = MY_SOCKET;
    struct ucred srr;
    if (settle(socket, &srr) < 0)
        _exit(1);
    struct allowed calls[MY_CALLS + 16] = {
        {SYS_socketpair, -1, 0},
        {SYS_clone, CLONE_FLAGS_AT, CLONE_FLAGS},
        {SYS_close_range, -1, 0},
        {SYS_setresgid, 1, srr.gid},
        {SYS_setresuid, 1, srr.uid},
        {SYS_capset, -1, 0},
        {SYS_prctl, -1, 0},
        {SYS_prlimit64, -1, 0},
    };
    memcpy(calls + MY_CALLS, worker_calls, worker_calls_count * sizeof *calls);
    if (confine_calls(calls, MY_CALLS + worker_calls_count) < 0)
        _exit(1);
    for (;;) {
        char byte;
        int connection, fds[2];
        unsigned one = 1;
        struct report report = {0};
        if (datagram_receive(socket, &byte, 1, &connection, &one, 0) < 0 || one != 1)
            _exit(0); /* the broker has gone */
        int r = spawn(connection, &srr, fds, &report.pid);
        close(connection);
        report.error = -r;
        r = datagram_send(socket, &report, sizeof report, fds, r == 0 ? 2 : 0);
        if (report.error == 0) {
            close(fds[0]);
            close(fds[1]);
        }
        if (r < 0)
            _exit(0);
    }
}

int spawner_start(pid_t *ret_pid, int *ret_end)
{
    int ends[2], alive[2], on = 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return -errno;
    if (pipe2(alive, O_CLOEXEC) != 0)
        return -errno;
    /* Before anything is written: what was written earlier would be from 65534. */
    setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    pid_t pid = fork();
    if (pid == 0) {
        /* These two are above 2: main.c. */
        if (dup2(ends[1], MY_SOCKET) == MY_SOCKET && dup2(alive[1], MY_PIPE) == MY_PIPE &&
            syscall(SYS_close_range, 2u, ~0u, 0u) == 0)
            spawner_run();
        _exit(1);
    }
    int error = errno;
    close(ends[1]);
    close(alive[1]);
    if (pid < 0) {
        close(ends[0]);
        close(alive[0]);
        return -error;
    }
    *ret_pid = pid;
    *ret_end = alive[0];
    return ends[0];
}

int spawner_meet(int spawner) { return datagram_send(spawner, "", 1, NULL, 0); }

int spawner_ask(int spawner, int connection) { return datagram_send(spawner, "", 1, &connection, 1); }
