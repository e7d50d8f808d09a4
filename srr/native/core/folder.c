/* folder.c - see folder.h. */
#define _GNU_SOURCE
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "signals.h"
#include "wait.h"

#define ROWS_FILE ".rows" /* touched when a process has made its rows: an event for those that wait */

/* Ours, a folder, and nobody else's to write. */
static bool is_private(const struct stat *st)
{
    return S_ISDIR(st->st_mode) && st->st_uid == geteuid() && (st->st_mode & 022) == 0;
}

int folder_path(char *buffer, size_t size)
{
    const char *set = getenv("SRR_RUNTIME_DIR");
    unsigned uid = (unsigned)geteuid();
    struct stat st;
    char parent[64];
    int n;
    snprintf(parent, sizeof parent, "/run/user/%u", uid);
    if (set && *set)
        n = snprintf(buffer, size, "%s", set);
    else if (lstat(parent, &st) == 0 && is_private(&st))
        n = snprintf(buffer, size, "%s/srr", parent);
    else
        n = snprintf(buffer, size, "/tmp/srr-%u", uid);
    if (n < 0 || (size_t)n >= size || n >= FOLDER_MAX)
        return -EACCES;
    return 0;
}

int folder_open(void)
{
    char path[FOLDER_MAX];
    struct stat st;
    int r = folder_path(path, sizeof path);
    if (r < 0)
        return r;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return -EACCES;
    int fd = open(path, O_DIRECTORY | O_NOFOLLOW | O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -EACCES;
    if (fstat(fd, &st) != 0 || !is_private(&st)) {
        close(fd);
        return -EACCES;
    }
    return fd;
}

void folder_tell_rows(void)
{
    char path[FOLDER_MAX + sizeof ROWS_FILE + 1];
    if (folder_path(path, FOLDER_MAX) == 0) {
        strcat(path, "/" ROWS_FILE);
        /* It is there only if somebody has ever waited. */
        utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
    }
}

int folder_watch(bool names)
{
    char path[FOLDER_MAX + sizeof ROWS_FILE + 1];
    int folder = folder_open();
    if (folder < 0)
        return -1;
    int rows = openat(folder, ROWS_FILE, O_CREAT | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0600);
    if (rows >= 0)
        close(rows);
    close(folder);
    int news = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (news < 0 || folder_path(path, FOLDER_MAX) != 0)
        return news; /* none left for this user: the caller looks at each slice's end all the same */
    if (!names)
        strcat(path, "/" ROWS_FILE);
    if (inotify_add_watch(news, path, names ? IN_CREATE | IN_MOVED_TO : IN_ATTRIB) < 0) {
        close(news);
        return -1;
    }
    return news;
}

int folder_sleep(int news, int other, int64_t ns)
{
    struct pollfd p[2] = {{.fd = news, .events = POLLIN}, {.fd = other, .events = POLLIN}};
    struct timespec t = {.tv_sec = (time_t)(ns / (1000 * MS)), .tv_nsec = (long)(ns % (1000 * MS))};
    char events[4096];
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* A handler that came before is noted; one that comes now is let in by ppoll itself. */
    int n = verb_is_interrupted() ? -EINTR : ppoll(p, 2, &t, &before);
    if (n == -1)
        n = -errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (n < 0)
        return n;
    if (p[0].revents & POLLIN)
        while (read(news, events, sizeof events) > 0)
            ;
    return n > 0 ? 0 : -ETIMEDOUT;
}
