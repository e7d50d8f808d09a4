/*
 * listen.c - see listen.h.
 *
 * Whoever can put a socket where ours should be is believed by everybody. So the folder, and every folder above it,
 * must be writable by root and by whom we serve only (or be sticky, above): looked at through one descriptor and its
 * "..", so that no symbolic link and no rename leads elsewhere in between.
 */
#define _GNU_SOURCE
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define FIRST_INHERITED 3
#define FOLDER_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static _Noreturn void fail(int status, const char *what, const char *path, const char *advice)
{
    log_line(3, "%s: %s. %s", path, what, advice);
    exit(status);
}

int listen_inherited(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    if (!pid || !fds || atoi(pid) != getpid())
        return -1;
    int type = 0, listens = 0, on = 1;
    socklen_t size = sizeof type, listens_size = sizeof listens;
    if (atoi(fds) != 1 || getsockopt(FIRST_INHERITED, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        getsockopt(FIRST_INHERITED, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) != 0 ||
        type != SOCK_SEQPACKET || !listens ||
        setsockopt(FIRST_INHERITED, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
        fcntl(FIRST_INHERITED, F_SETFL, O_NONBLOCK) != 0 || fcntl(FIRST_INHERITED, F_SETFD, FD_CLOEXEC) != 0)
        fail(EXIT_CANNOT, "not one listening SOCK_SEQPACKET socket", "LISTEN_FDS",
             "Use srr-helper.socket (ListenSequentialPacket=)");
    return FIRST_INHERITED;
}

/* Nobody but root and we can put something else there. */
static bool is_trusted(int folder)
{
    struct stat now, above;
    bool is_first = true, is_top, is_good;
    int at = dup(folder);
    do {
        int up = openat(at, "..", FOLDER_FLAGS);
        is_good = up >= 0 && fstat(at, &now) == 0 && fstat(up, &above) == 0 &&
                  (now.st_uid == 0 || now.st_uid == geteuid()) &&
                  ((now.st_mode & 022) == 0 || (!is_first && (now.st_mode & S_ISVTX) != 0));
        is_top = is_good && now.st_ino == above.st_ino && now.st_dev == above.st_dev;
        is_first = false;
        close(at);
        at = up;
    } while (is_good && !is_top);
    if (at >= 0)
        close(at);
    return is_good;
}

static int open_folder(const char *folder)
{
    if (mkdir(folder, geteuid() == 0 ? 0755 : 0700) != 0 && errno != EEXIST)
        fail(EXIT_CANNOT, strerror(errno), folder, "Make that folder, or name another --socket");
    int fd = open(folder, FOLDER_FLAGS);
    if (fd < 0)
        fail(EXIT_CANNOT, "not a folder that can be trusted: no symbolic link may lead to it", folder,
             "Name it by its own path");
    if (!is_trusted(fd))
        fail(EXIT_CANNOT, "somebody else could put a socket of his own there", folder,
             "It, and all above it, must be root's or yours, and writable by nobody else");
    return fd;
}

/* Held until we end. */
static void lock(int folder, const char *name, const char *path)
{
    char file[sizeof((struct sockaddr_un *)0)->sun_path + 8];
    snprintf(file, sizeof file, "%s.lock", name);
    int fd = openat(folder, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        fail(EXIT_CANNOT, strerror(errno), path, "Its lock file (PATH.lock) can not be opened");
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        fail(EXIT_ANOTHER, "another srr-helper serves it", path, "Stop that one first");
}

/* What an earlier one left behind goes; what somebody listens at, or what is no socket, stays. */
static void clear(int folder, const char *name, const struct sockaddr_un *address)
{
    struct stat there;
    if (fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (!S_ISSOCK(there.st_mode))
        fail(EXIT_CANNOT, "there is something that is not a socket", address->sun_path, "Remove it");
    int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 || errno != ECONNREFUSED)
        fail(EXIT_ANOTHER, "somebody listens there", address->sun_path,
             "Stop that one (systemctl stop srr-helper.socket?), or name another --socket");
    close(probe);
    unlinkat(folder, name, 0);
}

int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *slash = strrchr(path, '/');
    int on = 1;
    if (*path != '/' || !slash[1] || slash == path || strlen(path) >= sizeof address.sun_path)
        fail(EXIT_USAGE, "not a path for a socket", path,
             "It begins with /, is below a folder, and has at most 107 bytes");
    memcpy(address.sun_path, path, strlen(path));
    char above[sizeof address.sun_path] = {0};
    memcpy(above, path, (size_t)(slash - path));
    int folder = open_folder(above);
    lock(folder, slash + 1, path);
    clear(folder, slash + 1, &address);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0111); /* everybody may connect */
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, SOMAXCONN) != 0)
        fail(EXIT_CANNOT, strerror(errno), path, "No socket can be had there");
    umask(mask);
    close(folder);
    return listener;
}

uint32_t listener_uid(int listener)
{
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(listener, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 ? who.uid : UINT32_MAX;
}
