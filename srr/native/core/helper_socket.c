/*
 * helper_socket.c - see helper_socket.h.
 *
 * The helper is trusted as far as its socket is: it lies in a folder that only root or this user can write, and root
 * or this
 * user listens there. What it sends is checked for form all the same.
 */
#define _GNU_SOURCE
#include "helper_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pair.h"

void helper_path(char *buffer, size_t size)
{
    const char *set = getenv("SRR_HELPER");
    int n = snprintf(buffer, size, "%s", set ? set : HELPER_SOCKET);
    if ((size_t)n >= size)
        *buffer = 0;
}

/* The folder, if nobody but root or this user could put a socket of his own there. */
static int open_folder(const char *path)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    char folder[256];
    if (!slash)
        return -ENOSYS;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path) + 1, path);
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) && (st.st_mode & 022) == 0)
        return fd;
    close(fd);
    return -EACCES;
}

static int check_listener(int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        return -errno;
    return who.uid == 0 || who.uid == geteuid() ? 0 : -EACCES;
}

int helper_open(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int r, folder = open_folder(path);
    if (folder < 0)
        return folder;
    /* Through the folder that was checked: its name may lead elsewhere by now. The first thread may have ended. */
    r = snprintf(address.sun_path, sizeof address.sun_path, "/proc/thread-self/fd/%d%s", folder, strrchr(path, '/'));
    bool fits = (size_t)r < sizeof address.sun_path;
    int fd = fits ? socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    r = fd < 0 ? -EMFILE : connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? check_listener(fd) : -errno;
    close(folder);
    if (r == 0)
        return fd_keep(fd);
    if (fd >= 0)
        close(fd);
    return r;
}

int helper_send(int fd, const struct request *request, int descriptor)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)request, sizeof *request};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    }
    ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
    return n == sizeof *request ? 0 : n < 0 ? -errno : -EPROTO;
}

/* What came with a datagram, kept. Returns how many. */
static int take_descriptors(struct msghdr *message, int fds[FDS_MAX])
{
    int n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) && n < FDS_MAX; i++) {
            memcpy(&fds[n], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            fds[n] = fd_keep(fds[n]);
            n++;
        }
    }
    return n;
}

int helper_receive(int fd, struct answer *ret_answer, int fds[FDS_MAX])
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec part = {ret_answer, sizeof *ret_answer};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    int count = take_descriptors(&message, fds);
    if (n == sizeof *ret_answer && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && ret_answer->magic == HELPER_MAGIC)
        return count;
    while (count > 0)
        fd_drop(fds[--count]);
    return n == 0 ? -EPIPE : -EPROTO;
}
