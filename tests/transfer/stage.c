/* stage.c - see stage.h. */
#define _GNU_SOURCE
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker.h"
#include "layout.h"
#include "worker.h"

struct broker broker; /* kernel.c names it */
struct stage stage;
static enum mover mover;

_Noreturn void give_up(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, strerror(errno));
    exit(2);
}

int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void tell(int socket, char what) { CHECK(send(socket, &what, 1, MSG_NOSIGNAL) == 1); }

char hear(int socket)
{
    char what;
    if (recv(socket, &what, 1, 0) != 1)
        _exit(0); /* it is over */
    return what;
}

static void become(const struct role *role)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct some[2] = {{0, role->is_capable ? 1u << CAP_NET_RAW : 0, 0}};
    CHECK(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && setgroups(0, NULL) == 0);
    CHECK(setresgid(role->uid, role->uid, role->uid) == 0 && setresuid(role->uid, role->uid, role->uid) == 0);
    CHECK(syscall(SYS_capset, &header, some) == 0);
    CHECK(prctl(PR_SET_DUMPABLE, role->is_hidden ? 0 : 1, 0, 0, 0) == 0);
}

void map_memory(char what)
{
    CHECK(mmap(MEMORY, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MEMORY);
    memset(MEMORY, what, MEMORY_SIZE);
}

static _Noreturn void be_lender(const struct role *role, int talk)
{
    int ends[2], fds[ORDER_FDS];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK(dup2(talk, TALK) == TALK); /* without FD_CLOEXEC */
    if (role->prepare)
        role->prepare();
    else
        map_memory('m');
    become(role);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    fds[0] = ends[0];
    fds[1] = (int)syscall(SYS_memfd_create, "srr-life", MFD_CLOEXEC);
    CHECK(fcntl(fds[1], F_SETLK, &lock) == 0);
    fds[2] = open(role->is_hidden || role->is_capable ? "/dev/null" : "/proc/self/mem", O_RDONLY | O_CLOEXEC);
    CHECK(datagram_send(TALK, "m", 1, fds, 3) == 0);
    close(fds[2]);
    if (role->act)
        role->act();
    for (;;)
        switch (hear(TALK)) {
        case '?': tell(TALK, *(volatile char *)MEMORY); break; /* what is there now? */
        default: _exit(0);
        }
}

struct lender lender_start(const struct role *role)
{
    struct lender lender = {0};
    int ends[2], fds[3];
    unsigned count = 3;
    char byte;
    pid_t tid = role->pid;
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    struct clone_args how = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&lender.pidfd, .exit_signal = SIGCHLD,
                             .set_tid = tid ? (uintptr_t)&tid : 0, .set_tid_size = tid != 0};
    lender.pid = (pid_t)syscall(SYS_clone3, &how, sizeof how);
    if (lender.pid == 0) {
        close(ends[0]);
        be_lender(role, ends[1]);
    }
    CHECK(lender.pid > 0);
    close(ends[1]);
    lender.talk = ends[0];
    CHECK(datagram_receive(lender.talk, &byte, 1, fds, &count, 0) == 0 && count == 3);
    lender.connection = fds[0];
    lender.life = fds[1];
    lender.memory = fds[2];
    return lender;
}

void lender_end(struct lender *lender)
{
    CHECK(syscall(SYS_pidfd_send_signal, lender->pidfd, SIGKILL, NULL, 0) == 0);
    CHECK(waitpid(lender->pid, NULL, 0) == lender->pid);
}

void stage_open(enum mover which)
{
    int end;
    mover = which;
    stage.worker = -1;
    stage.pair = (int)syscall(SYS_memfd_create, "srr-pair", MFD_CLOEXEC);
    CHECK(ftruncate(stage.pair, PAIR_SIZE) == 0);
    off_t at = PAIR_SLOTS_AT + SLOT_WINDOW_AT;
    stage.window = mmap(NULL, WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, stage.pair, at);
    CHECK(stage.window != MAP_FAILED);
    memset(stage.window, 'w', WINDOW_SIZE);
    if (mover != WORKER)
        return;
    stage.spawner = spawner_start(&stage.spawner_pid, &end);
    CHECK(stage.spawner >= 0);
}

/* The first time, this process becomes what the broker is: another user, without any capability. */
int stage_worker(const struct lender *lender)
{
    struct report report;
    int fds[2];
    unsigned count = 2;
    if (geteuid() == 0) {
        CHECK(setgroups(0, NULL) == 0 && setresgid(SRR, SRR, SRR) == 0 && setresuid(SRR, SRR, SRR) == 0);
        CHECK(spawner_meet(stage.spawner) == 0);
    }
    CHECK(spawner_ask(stage.spawner, lender->connection) == 0);
    CHECK(datagram_receive(stage.spawner, &report, sizeof report, fds, &count, 0) == 0);
    if (report.error)
        return report.error;
    CHECK(count == 2);
    stage.worker = fds[0];
    stage.pidfd = fds[1];
    stage.worker_pid = report.pid;
    return 0;
}

void stage_order(const struct lender *lender, bool is_out, uint64_t length)
{
    const int fds[ORDER_FDS] = {stage.pair, lender->connection, lender->life};
    struct order order = {.is_out = is_out, .part_count = 1, .window_at = PAIR_SLOTS_AT + SLOT_WINDOW_AT};
    order.parts[0] = (struct stretch_of){(uintptr_t)MEMORY, length};
    if (stage.worker < 0)
        CHECK(stage_worker(lender) == 0);
    CHECK(datagram_send(stage.worker, &order, sizeof order, fds, ORDER_FDS) == 0);
}

struct outcome stage_report(void)
{
    struct report report;
    unsigned none = 0;
    CHECK(datagram_receive(stage.worker, &report, sizeof report, NULL, &none, 0) == 0);
    return (struct outcome){report.error, report.moved, *stage.window};
}

double stage_kill(void)
{
    int64_t began = now();
    struct pollfd dead = {.fd = stage.pidfd, .events = POLLIN};
    CHECK(syscall(SYS_pidfd_send_signal, stage.pidfd, SIGKILL, NULL, 0) == 0);
    if (poll(&dead, 1, 1000) != 1)
        return -1;
    close(stage.worker);
    close(stage.pidfd);
    stage.worker = -1;
    return (double)(now() - began) / 1e6;
}

/* Its pidfd tells of no death, its address space is the one that it opened, and its lock is held. */
static bool looks_the_same(const struct lender *lender)
{
    char byte;
    return !kernel_is_dead(lender->pidfd) && pread(lender->memory, &byte, 1, (off_t)(uintptr_t)MEMORY) == 1 &&
           kernel_life_is_held(lender->life, lender->pid);
}

struct outcome stage_move(const struct lender *lender, bool is_out, uint64_t length)
{
    if (mover == WORKER) {
        stage_order(lender, is_out, length);
        return stage_report();
    }
    if (mover == SAME_USER && geteuid() == 0)
        become(&(struct role){.uid = ALICE});
    struct iovec here = {stage.window, length}, there = {MEMORY, length};
    if (mover == PTRACE && !looks_the_same(lender))
        return (struct outcome){ESRCH, 0, *stage.window};
    ssize_t n = is_out ? process_vm_writev(lender->pid, &here, 1, &there, 1, 0)
                       : process_vm_readv(lender->pid, &here, 1, &there, 1, 0);
    int error = n < 0 ? errno : 0;
    if (mover == PTRACE && !error && !looks_the_same(lender))
        error = ESRCH;
    return (struct outcome){error, n < 0 ? 0 : (uint64_t)n, error == ESRCH ? 'w' : *stage.window};
}
