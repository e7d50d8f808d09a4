/*
 * worker.c - see worker.h.
 *
 * The kernel sees to it that only memory of this user is touched. Two checks are left for us, against mistaking one
 * process of the user for another:
 *
 *     losing                                           ours
 *     worker: the lender lives                         worker: reads into its own memory
 *     lender dies; its pid goes to another of          worker: lives the lender still, and holds the lock on
 *     the user's processes, or it execs                        its life file? Then it did so all the time that
 *     worker: reads into the window: the                       we read: a pid is not given away while its process
 *     receiver sees the wrong process's memory                 lives, and exec gives up the lock before it lets
 *                                                              anybody read the new memory
 *                                                      worker: copies into the window
 *
 * A write can not be looked at afterwards: it is checked right before. What then is left can hit only a process of the
 * same user that the lender itself could have written into.
 *
 * The window is mapped, not written with pwrite(): that takes the file's lock, which the receiver can hold for as long
 * as it likes (by a write() of its own, out of memory that a FUSE server never fills), and not even SIGKILL would end
 * it.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel.h"

#define STEP (64u << 10) /* the worker's own memory: stays in the cache */

const struct allowed worker_calls[] = {
    {SYS_process_vm_readv, -1, 0},
    {SYS_process_vm_writev, -1, 0},
    {SYS_recvmsg, -1, 0},
    {SYS_sendmsg, -1, 0},
    {SYS_getsockopt, 1, SOL_SOCKET},
    {SYS_fcntl, 1, F_GETLK},
#ifdef SYS_poll
    {SYS_poll, -1, 0},
#endif
    {SYS_ppoll, -1, 0},
    {SYS_mmap, 2, PROT_READ | PROT_WRITE},
    {SYS_munmap, -1, 0},
    {SYS_close, -1, 0},
    {SYS_exit_group, -1, 0},
};
const size_t worker_calls_count = sizeof worker_calls / sizeof worker_calls[0];

/* Of the last order that had descriptors. */
static struct {
    pid_t pid;
    int pidfd, life;
    char *window;
} lender = {.pidfd = -1, .life = -1};
static char own[STEP];

static void forget_lender(void)
{
    if (lender.window)
        munmap(lender.window, WINDOW_SIZE);
    kernel_close(lender.pidfd);
    kernel_close(lender.life);
    lender.window = NULL;
    lender.pidfd = lender.life = -1;
}

/* Takes the descriptors over. */
static int meet_lender(const int fds[ORDER_FDS], uint64_t window_at)
{
    struct ucred who;
    socklen_t who_size = sizeof who, pidfd_size = sizeof lender.pidfd;
    forget_lender();
    void *window = mmap(NULL, WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[ORDER_PAIR], (off_t)window_at);
    int r = window == MAP_FAILED ? -errno : 0;
    lender.window = window == MAP_FAILED ? NULL : window;
    if (getsockopt(fds[ORDER_CONNECTION], SOL_SOCKET, SO_PEERCRED, &who, &who_size) != 0 ||
        getsockopt(fds[ORDER_CONNECTION], SOL_SOCKET, SO_PEERPIDFD, &lender.pidfd, &pidfd_size) != 0)
        r = -ESRCH;
    lender.life = fds[ORDER_LIFE];
    lender.pid = who.pid;
    close(fds[ORDER_PAIR]);
    close(fds[ORDER_CONNECTION]);
    if (r < 0)
        forget_lender();
    return r;
}

static bool is_still_there(void)
{
    return !kernel_is_dead(lender.pidfd) && kernel_life_is_held(lender.life, lender.pid);
}

/*
 * The number of one whose first thread has ended leads to no memory, though it lives: not by us, then. One that is
 * just dying has no memory either, a moment before its pidfd says so.
 */
static ssize_t why_not(void)
{
    int error = errno;
    struct pollfd dead = {.fd = lender.pidfd, .events = POLLIN};
    return error == ESRCH && poll(&dead, 1, 20) == 0 ? -EPERM : -error;
}

/* Bytes moved, fewer: the rest of it is bad memory; or -errno. */
static ssize_t read_step(char *to, uint64_t address, size_t size)
{
    const struct iovec here = {own, size}, there = {(void *)(uintptr_t)address, size};
    ssize_t n = process_vm_readv(lender.pid, &here, 1, &there, 1, 0);
    if (n < 0)
        return why_not();
    if (!is_still_there())
        return -ESRCH;
    memcpy(to, own, (size_t)n);
    return n;
}

static ssize_t write_step(char *from, uint64_t address, size_t size)
{
    const struct iovec here = {from, size}, there = {(void *)(uintptr_t)address, size};
    if (!is_still_there())
        return -ESRCH;
    ssize_t n = process_vm_writev(lender.pid, &here, 1, &there, 1, 0);
    return n < 0 ? why_not() : n;
}

static int move(const struct order *order, uint64_t *moved)
{
    if (order->part_count > LEASE_PARTS || !lender.window)
        return -EINVAL;
    for (const struct stretch_of *part = order->parts; part < order->parts + order->part_count; part++) {
        if (part->length > WINDOW_SIZE - *moved)
            return -EINVAL;
        for (uint64_t done = 0; done < part->length;) {
            size_t size = part->length - done < STEP ? (size_t)(part->length - done) : STEP;
            ssize_t n = (order->is_out ? write_step : read_step)(lender.window + *moved, part->address + done, size);
            if (n < 0)
                return (int)n;
            done += (uint64_t)n;
            *moved += (uint64_t)n;
            if ((size_t)n < size)
                return -EFAULT;
        }
    }
    return 0;
}

_Noreturn void worker_run(int socket)
{
    for (;;) {
        struct order order;
        int fds[ORDER_FDS];
        unsigned fd_count = ORDER_FDS;
        struct report report = {0};
        int r = datagram_receive(socket, &order, sizeof order, fds, &fd_count, 0);
        if (r < 0)
            _exit(0); /* the broker has gone, or no longer wants us */
        if (fd_count == ORDER_FDS)
            r = meet_lender(fds, order.window_at);
        if (r == 0)
            r = move(&order, &report.moved);
        report.error = -r;
        if (datagram_send(socket, &report, sizeof report, NULL, 0) < 0)
            _exit(0);
    }
}
