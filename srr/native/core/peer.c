/*
 * peer.c - see peer.h.
 *
 * The kernel's own lists are the directory: /proc/<pid>/fd shows a process's descriptors to those that
 * may look at it (same user, dumpable), and opening one there is the admission. What is found is
 * hostile: a file is taken for a row only if it is a memfd of the right name, size and seals, and says
 * the right pid (a forked child has its parent's file, a peer in the middle of meeting a third one has
 * the third one's).
 */
#define _GNU_SOURCE
#include "peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static uint64_t namespace_at(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

uint64_t pid_namespace(void) { return namespace_at("/proc/self/ns/pid"); }

uint64_t pid_namespace_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
    return namespace_at(path);
}

/* From /proc/<pid>/stat: its state's letter and its start. Whatever its name is, the last ) ends it. */
static bool read_stat(pid_t pid, char *ret_state, unsigned long long *ret_started)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    char *end = strrchr(text, ')');
    return end && sscanf(end, ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                         ret_state, ret_started) == 2;
}

uint64_t process_started(pid_t pid)
{
    char state;
    unsigned long long started;
    return read_stat(pid, &state, &started) ? started : 0;
}

bool is_thread_of(pid_t pid, pid_t tid) { return tid > 0 && (syscall(SYS_tgkill, pid, tid, 0) == 0 || errno == EPERM); }

bool process_is_ours(pid_t pid)
{
    char path[64], line[256];
    unsigned uid;
    bool ours = false;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Uid: %*u %u", &uid) == 1)
            ours = uid == geteuid();
    if (file)
        fclose(file);
    return ours;
}

/* A first thread that has left shows an empty table, while the others have theirs. */
static bool has_left(pid_t pid)
{
    char state;
    unsigned long long started;
    return read_stat(pid, &state, &started) && (state == 'Z' || state == 'X');
}

/* 0, -ENOENT: another file or none, -EACCES: we may not look. */
static int names_file(const char *path, const char *name)
{
    char link[64], expected[64];
    ssize_t n = readlink(path, link, sizeof link - 1);
    if (n < 0)
        return errno == EACCES || errno == EPERM ? -EACCES : -ENOENT;
    link[n] = 0;
    snprintf(expected, sizeof expected, "/memfd:%s (deleted)", name);
    return strcmp(link, expected) == 0 ? 0 : -ENOENT;
}

/* Opens /proc/<tid>/fd/<n> if it is a memfd of that name, size and seals. */
static int open_sealed(pid_t tid, int number, const char *name, int flags, off_t size, int seals, struct stat *ret_stat)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", tid, number);
    int r = names_file(path, name);
    if (r < 0)
        return r;
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? -ENOENT : errno == EMFILE || errno == ENFILE ? -errno : -EACCES;
    int have = fcntl(fd, F_GET_SEALS);
    if (have >= 0 && (have & seals) == seals && fstat(fd, ret_stat) == 0 && ret_stat->st_size == size)
        return fd;
    close(fd);
    /* Sealed last: until then it is being made, and as if it were not there. */
    return have >= 0 && (have & seals) == seals ? -EPROTO : -ENOENT;
}

static int open_row(pid_t pid, pid_t tid, int number, struct peer *ret_peer, int *ret_fd)
{
    struct stat st;
    struct row_header header;
    int r, fd = open_sealed(tid, number, ROW_FILE_NAME, O_RDWR, ROW_SIZE, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, &st);
    if (fd < 0)
        return fd;
    r = -ENOENT;
    if (pread(fd, &header, sizeof header, 0) != sizeof header || header.magic != ROW_MAGIC)
        goto refuse; /* being made, or nonsense: as if it were not there */
    if (header.pid != pid) {
        if (header.pid_ns != pid_namespace())
            r = -EHOSTUNREACH;
        goto refuse; /* somebody else's, on its way through this table */
    }
    r = -EPROTO;
    if (header.version != LAYOUT_VERSION || header.row_id == 0)
        goto refuse;
    r = -EHOSTUNREACH;
    if (header.pid_ns != pid_namespace())
        goto refuse;
    *ret_peer = (struct peer){.pid = pid,
                              .tid = tid,
                              .row_fd = number,
                              .life_fd = header.life_fd,
                              .device = st.st_dev,
                              .inode = st.st_ino,
                              .row_id = header.row_id};
    *ret_fd = fd;
    return 0;
refuse:
    close(fd);
    return r;
}

/* Looks through one thread's table of descriptors, the likely numbers first. -ENOENT: no row in it. */
static int search_table(pid_t pid, pid_t tid, struct peer *ret_peer, int *ret_fd)
{
    char path[64];
    for (int guess = ROW_FD_LIKELY; guess < ROW_FD_LIKELY + 4; guess++)
        if (open_row(pid, tid, guess, ret_peer, ret_fd) == 0)
            return 0;
    snprintf(path, sizeof path, "/proc/%d/fd", tid);
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT || errno == ESRCH ? -ENOENT : errno == EMFILE || errno == ENFILE ? -errno : -EACCES;
    int r = -ENOENT, tried;
    struct dirent *entry;
    while (r != 0 && (entry = readdir(dir))) {
        char *end;
        long number = strtol(entry->d_name, &end, 10);
        if (*end || end == entry->d_name || number > ENTRY_FD_MAX)
            continue;
        tried = open_row(pid, tid, (int)number, ret_peer, ret_fd);
        if (tried != -ENOENT)
            r = tried;
    }
    closedir(dir);
    return r;
}

int peer_open_pair(pid_t pid, pid_t receiver, uint32_t index)
{
    char path[64];
    struct pair_header header;
    struct stat st;
    struct dirent *entry;
    int fd = -ENOENT;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *dir = opendir(path);
    if (!dir)
        return -EACCES;
    while (fd < 0 && (entry = readdir(dir))) {
        int number = atoi(entry->d_name);
        fd = number < ROW_FD_LIKELY ? -ENOENT
                                    : open_sealed(pid, number, PAIR_FILE_NAME, O_RDONLY, PAIR_SIZE,
                                                  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, &st);
        if (fd >= 0 && (pread(fd, &header, sizeof header, 0) != sizeof header || header.sender != pid ||
                        header.receiver != receiver || header.index != index)) {
            close(fd);
            fd = -ENOENT;
        }
    }
    closedir(dir);
    return fd;
}

static int search_thread(pid_t pid, pid_t tid, int row_fd, struct peer *ret_peer, int *ret_fd)
{
    return row_fd >= 0 ? open_row(pid, tid, row_fd, ret_peer, ret_fd) : search_table(pid, tid, ret_peer, ret_fd);
}

static int search_threads(pid_t pid, int row_fd, struct peer *ret_peer, int *ret_fd)
{
    char path[64];
    int r = search_thread(pid, pid, row_fd, ret_peer, ret_fd);
    if (r != -ENOENT || !has_left(pid))
        return r;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && r == -ENOENT && (entry = readdir(dir))) {
        long tid = strtol(entry->d_name, NULL, 10);
        if (tid > 0 && tid != pid)
            r = search_thread(pid, (pid_t)tid, row_fd, ret_peer, ret_fd);
    }
    if (dir)
        closedir(dir);
    return r;
}

int peer_find(pid_t pid, int row_fd, struct peer *ret_peer, int *ret_fd)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d", pid);
    int r = process_exists(pid);
    if (r < 0)
        return r;
    if (stat(path, &st) != 0)
        return process_exists(pid) == -ESRCH ? -ESRCH : -EACCES; /* hidepid */
    r = search_threads(pid, row_fd, ret_peer, ret_fd);
    if (r == 0) {
        ret_peer->uid = st.st_uid;
        ret_peer->gid = st.st_gid;
        ret_peer->started = process_started(pid);
    }
    if (r == -ENOENT)
        r = process_exists(pid) == -ESRCH ? -ESRCH : -ENOENT;
    return r;
}

int peer_meet(pid_t pid, int row_fd, struct peer *ret_peer, int *ret_fd)
{
    char path[64];
    struct stat st;
    int r = peer_find(pid, row_fd, ret_peer, ret_fd);
    if (r != 0 && r != -ENOENT)
        return r;
    /* Root may look at everybody's, but the other side may not look back. */
    snprintf(path, sizeof path, "/proc/%d", pid);
    if (stat(path, &st) != 0)
        st.st_uid = geteuid();
    if (r == 0)
        st.st_uid = ret_peer->uid;
    if (st.st_uid == geteuid())
        return r;
    if (r == 0)
        close(*ret_fd);
    return -EACCES;
}

int peer_open_life(const struct peer *peer, int *ret_fd, uint32_t *ret_word_at)
{
    struct stat st;
    struct life_header header;
    int fd = open_sealed(peer->tid, peer->life_fd, LIFE_FILE_NAME, O_RDONLY, LIFE_SIZE,
                         F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE, &st);
    if (fd < 0)
        return fd == -ENOENT ? -EPROTO : fd;
    if (pread(fd, &header, sizeof header, 0) != sizeof header || !life_is_sound(&header) ||
        header.pid != peer->pid || header.row_id != peer->row_id) {
        close(fd);
        return -EPROTO;
    }
    *ret_fd = fd;
    *ret_word_at = header.word_at;
    return 0;
}

static int has_file(const char *path, const struct peer *peer)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno == EACCES || errno == EPERM ? -EACCES : -ENOENT;
    return st.st_ino == peer->inode && st.st_dev == peer->device ? 0 : -ENOENT;
}

bool peer_alive(const struct peer *peer)
{
    char path[80];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", peer->pid, peer->row_fd);
    int r = has_file(path, peer);
    if (r == 0)
        return true;
    if (r == -EACCES) /* it has become undumpable, or the number is another user's by now */
        return process_exists(peer->pid) != -ESRCH && (peer->started == 0 || process_started(peer->pid) == peer->started);
    /* Its first thread may have left, and shows no table then: a death is certain when no thread has it. */
    snprintf(path, sizeof path, "/proc/%d/task", peer->pid);
    DIR *dir = opendir(path);
    bool alive = false;
    struct dirent *entry;
    if (!dir)
        return errno != ENOENT && errno != ESRCH && process_exists(peer->pid) != -ESRCH;
    while (!alive && (entry = readdir(dir))) {
        long tid = strtol(entry->d_name, NULL, 10);
        if (tid <= 0)
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%ld/fd/%d", peer->pid, tid, peer->row_fd);
        alive = has_file(path, peer) != -ENOENT;
    }
    closedir(dir);
    return alive;
}

int process_watch(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    /* EINVAL, ENOENT: the number is a thread's */
    return fd >= 0 ? fd : errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ESRCH;
}

bool watch_says_dead(int watch)
{
    struct pollfd p = {.fd = watch, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

int sender_exists(pid_t id)
{
    int watch = process_watch(id);
    if (watch == -ESRCH)
        return syscall(SYS_tkill, id, 0) == 0 || errno == EPERM ? 0 : -ESRCH;
    bool dead = watch >= 0 && watch_says_dead(watch);
    if (watch >= 0)
        close(watch);
    return dead ? -ESRCH : 0;
}

int process_exists(pid_t pid)
{
    int watch = process_watch(pid);
    if (watch < 0)
        return watch;
    bool dead = watch_says_dead(watch);
    close(watch);
    return dead ? -ESRCH : 0;
}
