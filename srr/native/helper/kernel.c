/* kernel.c - see kernel.h. */
#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "broker.h"
#include "janitor.h"
#include "wait.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

int kernel_accept(int listener, struct guest *ret_guest)
{
    struct ucred who;
    struct guest guest = {.pidfd = -1};
    guest.socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (guest.socket < 0)
        return -errno;
    socklen_t who_size = sizeof who, pidfd_size = sizeof guest.pidfd;
    if (getsockopt(guest.socket, SOL_SOCKET, SO_PEERCRED, &who, &who_size) != 0 ||
        getsockopt(guest.socket, SOL_SOCKET, SO_PEERPIDFD, &guest.pidfd, &pidfd_size) != 0) {
        close(guest.socket);
        return -ECONNABORTED;
    }
    guest.pid = who.pid;
    guest.uid = who.uid;
    guest.gid = who.gid;
    *ret_guest = guest;
    return 0;
}

int kernel_look(int socket, struct delivery *ret_delivery)
{
    /* Room for who wrote it and for one descriptor; CMSG_SPACE would make it two. */
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct delivery *d = ret_delivery;
    struct iovec bytes = {.iov_base = &d->request, .iov_len = sizeof d->request};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(sizeof(struct ucred)) + CMSG_LEN(sizeof(int))};
    d->signed_by_kernel = false;
    d->fd = -1;
    ssize_t n = recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN ? -EAGAIN : 0; /* ECONNRESET and the like: the end, too */
    d->length = (size_t)n;
    d->cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred who;
            memcpy(&who, CMSG_DATA(c), sizeof who);
            d->pid = who.pid;
            d->uid = who.uid;
            d->signed_by_kernel = true;
        } else if (c->cmsg_type == SCM_RIGHTS) {
            memcpy(&d->fd, CMSG_DATA(c), sizeof d->fd);
        }
    }
    return n > 0 || d->fd >= 0 ? 1 : 0;
}

void kernel_take(int socket)
{
    struct msghdr nothing = {0};
    recvmsg(socket, &nothing, MSG_DONTWAIT);
}

int kernel_send(int socket, const struct answer *answer, const int *fds, unsigned fd_count)
{
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)answer, .iov_len = sizeof *answer};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

bool kernel_is_read(int socket)
{
    int bytes;
    return ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes == 0;
}

size_t kernel_groups(int socket, gid_t *groups, size_t room)
{
    socklen_t size = (socklen_t)(room * sizeof *groups);
    return getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0 ? size / sizeof *groups : 0;
}

bool kernel_is_dead(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

bool kernel_is_memfd(int fd) { return fcntl(fd, F_GET_SEALS) >= 0; }

bool kernel_is_fixed(int memfd)
{
    int fixed = F_SEAL_SHRINK | F_SEAL_GROW;
    return (fcntl(memfd, F_GET_SEALS) & fixed) == fixed;
}

bool kernel_life_is_held(int life, int32_t pid)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(life, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid == pid;
}

void kernel_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

void kernel_close_later(int fd) { janitor_close(fd); }
bool kernel_has_closed(int fd) { return janitor_has_closed(fd); }

void kernel_hang_up(int socket) { shutdown(socket, SHUT_RDWR); }

int kernel_watch(int socket, int pidfd, uint32_t index)
{
    struct epoll_event on_socket = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.u64 = EVENT_SOCKET | index};
    struct epoll_event on_death = {.events = EPOLLIN, .data.u64 = EVENT_DEATH | index};
    if (epoll_ctl(broker.epoll, EPOLL_CTL_ADD, socket, &on_socket) != 0 ||
        epoll_ctl(broker.epoll, EPOLL_CTL_ADD, pidfd, &on_death) != 0)
        return -errno;
    return 0;
}

/* Before they are closed: others may hold the pidfd's open file, and closing ours would not take it out. */
void kernel_unwatch(int socket, int pidfd)
{
    epoll_ctl(broker.epoll, EPOLL_CTL_DEL, socket, NULL);
    epoll_ctl(broker.epoll, EPOLL_CTL_DEL, pidfd, NULL);
}

uint64_t kernel_random(void)
{
    uint64_t random = 0;
    while (getrandom(&random, sizeof random, 0) != sizeof random)
        ;
    return random;
}

int64_t kernel_now(void) { return now_ns(); }

int64_t kernel_spent(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}
