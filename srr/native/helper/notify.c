/* notify.c - see notify.h. */
#define _GNU_SOURCE
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager = -1;
static int64_t interval = -1, due;

void notify_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET"), *watchdog = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    size_t length = path ? strlen(path) : 0;
    if (length < 2 || length >= sizeof address.sun_path || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        address.sun_path[0] = 0; /* abstract */
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (*path == '/'));
    if (manager < 0 || connect(manager, (struct sockaddr *)&address, size) != 0) {
        if (manager >= 0)
            close(manager);
        manager = -1;
        return;
    }
    if (watchdog && (!pid || atoi(pid) == getpid()))
        interval = atoll(watchdog) * 1000 / 2;
    if (interval <= 0)
        interval = -1;
}

static void tell(const char *what)
{
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)what, .iov_len = strlen(what)};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (manager >= 0 && sendmsg(manager, &message, MSG_NOSIGNAL) < 0)
        return; /* it will notice */
}

void notify_ready(void) { tell("READY=1\nSTATUS=Introducing processes of different users"); }
void notify_stopping(void) { tell("STOPPING=1"); }

int64_t notify_patience(int64_t now) { return interval < 0 ? -1 : due > now ? due - now : 0; }

void notify_tick(int64_t now)
{
    if (interval < 0 || now < due)
        return;
    tell("WATCHDOG=1");
    due = now + interval;
}
