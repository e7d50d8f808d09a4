/*
 * forbidden.c - srr-helper that makes a system call it may not make, as if somebody had taken it over
 * (-Wl,--wrap=epoll_ctl): when the first process connects, the one that was compiled in as FORBIDDEN.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    static int calls;
    if (++calls == 3) /* after the listener and the signals */
        (void)!(FORBIDDEN);
    return __real_epoll_ctl(epoll, what, fd, event);
}
