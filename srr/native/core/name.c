/*
 * name.c - names: attach, detach, locate, list.
 *
 * A name is a symbolic link in the runtime folder, whose text says who holds it:
 * pid:descriptor:device:inode of its row file, when the process started, and the name's own number. Making a
 * symbolic link is exclusive, reading it is one system call, and the liveness check tells a living holder from a
 * dead one, also after pid reuse, exec and fork. So nothing has to be cleaned up for a name to be free: whoever
 * attaches it next replaces it, under a lock that the kernel drops when its owner dies.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "peer.h"
#include "process.h"
#include "shared_name.h"
#include "signals.h"
#include "srr.h"

#define LOCK_FILE ".lock"
#define RECORD_MAX 128
#define NUMBERS 4096
#define FILE_NAME_MAX (3 * SRR_NAME_MAX + 1)

/* A name as a file name: letters, digits and _-. stay (no dot in front), other bytes become %XX. */
static int encode(const char *name, char file[FILE_NAME_MAX])
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t length = name ? strlen(name) : 0;
    if (length == 0)
        return -EINVAL;
    if (length > SRR_NAME_MAX)
        return -ENAMETOOLONG;
    for (const char *c = name; *c; c++) {
        if (strchr(plain, *c) && !(*c == '.' && c == name)) {
            *file++ = *c;
        } else {
            snprintf(file, 4, "%%%02X", (unsigned char)*c);
            file += 3;
        }
    }
    *file = 0;
    return 0;
}

/* The other way; false for what encode() does not make. */
static bool decode(const char *file, char name[SRR_NAME_MAX + 1])
{
    char again[FILE_NAME_MAX];
    size_t n = 0;
    for (const char *c = file; *c; c++) {
        unsigned byte = (unsigned char)*c;
        if (n == SRR_NAME_MAX)
            return false;
        if (*c == '%') {
            if (sscanf(c + 1, "%2X", &byte) != 1 || byte == 0 || !c[1] || !c[2])
                return false;
            c += 2;
        }
        name[n++] = (char)byte;
    }
    name[n] = 0;
    return encode(name, again) == 0 && strcmp(again, file) == 0;
}

/* Who holds the name, alive or dead: the name's number or -ESRCH. */
static int read_record(int folder, const char *file, struct peer *ret_peer)
{
    char text[RECORD_MAX];
    int pid, fd, id;
    uint64_t device, inode, started;
    int length = 0;
    ssize_t n = readlinkat(folder, file, text, sizeof text - 1);
    if (n < 0)
        return -ESRCH;
    text[n] = 0;
    if (sscanf(text, "%d:%d:%" SCNu64 ":%" SCNu64 ":%" SCNu64 ":%d%n", &pid, &fd, &device, &inode, &started, &id,
               &length) != 6 ||
        length != n || pid <= 0 || fd < 0 || started == 0 || id < 0)
        return -ESRCH; /* not ours: in a private folder, so this user's own doing */
    *ret_peer = (struct peer){.pid = pid, .row_fd = fd, .device = (dev_t)device, .inode = (ino_t)inode, .started = started};
    return id;
}

static bool is_held(int folder, const char *file, struct peer *ret_peer)
{
    return read_record(folder, file, ret_peer) >= 0 && peer_alive(ret_peer);
}

/* The folder, opened and locked against other attaches and detaches. */
struct hold {
    int folder, lock;
};

static int lock_folder(struct process *self, struct hold *hold)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    hold->folder = folder_open();
    if (hold->folder < 0)
        return hold->folder;
    /* Among processes a record lock, which a fork does not copy; among our threads a mutex. */
    pthread_mutex_lock(&self->naming);
    hold->lock = openat(hold->folder, LOCK_FILE, O_CREAT | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600);
    if (hold->lock >= 0 && fcntl(hold->lock, F_SETLKW, &whole) == 0)
        return 0;
    int error = errno;
    if (hold->lock >= 0)
        close(hold->lock);
    pthread_mutex_unlock(&self->naming);
    close(hold->folder);
    return -error;
}

static void unlock_folder(struct process *self, struct hold *hold)
{
    close(hold->lock);
    pthread_mutex_unlock(&self->naming);
    close(hold->folder);
}

/* Under the lock: the records of those that are dead. Each costs a look at a process, so only where there is need. */
static void clear_folder(int folder, DIR *dir)
{
    struct peer holder;
    struct dirent *entry;
    rewinddir(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && read_record(folder, entry->d_name, &holder) >= 0 && !peer_alive(&holder))
            unlinkat(folder, entry->d_name, 0);
}

static int least_unused(int folder, DIR *dir)
{
    uint64_t used[NUMBERS / 64] = {0};
    struct peer holder;
    struct dirent *entry;
    int id;
    rewinddir(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && (id = read_record(folder, entry->d_name, &holder)) >= 0 && id < NUMBERS)
            used[id / 64] |= UINT64_C(1) << id % 64;
    for (id = 0; id < NUMBERS; id++)
        if ((used[id / 64] >> id % 64 & 1) == 0)
            return id;
    return -EAGAIN;
}

/* Under the lock: the least number that no name has. -EAGAIN: there are too many names. */
static int free_number(int folder)
{
    int own = fcntl(folder, F_DUPFD_CLOEXEC, 0), id;
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;
    if (!dir) {
        if (own >= 0)
            close(own);
        return -ENOMEM;
    }
    id = least_unused(folder, dir);
    if (id == -EAGAIN) {
        clear_folder(folder, dir);
        id = least_unused(folder, dir);
    }
    closedir(dir);
    return id;
}

/* mine_too: a name that we hold already is none that is busy. Returns its number. */
static int attach(const char *name, bool mine_too)
{
    char file[FILE_NAME_MAX], text[RECORD_MAX];
    struct hold hold;
    struct peer holder;
    struct stat row;
    int r = encode(name, file);
    if (r < 0)
        return r;
    struct process *self = process_self(&r);
    if (!self)
        return r;
    if (fstat(self->row_fd, &row) != 0)
        return -errno; /* the program has closed our descriptor */
    if ((r = lock_folder(self, &hold)) < 0)
        return r;
    bool held = is_held(hold.folder, file, &holder);
    if (held && mine_too && holder.pid == self->pid) {
        r = read_record(hold.folder, file, &holder);
        unlock_folder(self, &hold);
        return r;
    }
    if (held)
        r = -EBUSY;
    else if (unlinkat(hold.folder, file, 0) != 0 && errno != ENOENT)
        r = -errno;
    else
        r = free_number(hold.folder);
    snprintf(text, sizeof text, "%d:%d:%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%d", self->pid, self->row_fd,
             (uint64_t)row.st_dev, (uint64_t)row.st_ino, process_started(self->pid), r);
    if (r >= 0 && symlinkat(text, hold.folder, file) != 0)
        r = -errno;
    unlock_folder(self, &hold);
    return r;
}

static int detach(const char *name)
{
    char file[FILE_NAME_MAX];
    struct hold hold;
    struct peer holder;
    int r = encode(name, file);
    if (r < 0)
        return r;
    struct process *self = process_self(&r);
    if (!self)
        return r;
    if ((r = lock_folder(self, &hold)) < 0)
        return r;
    if (!is_held(hold.folder, file, &holder) || holder.pid != self->pid)
        r = -ESRCH;
    else if (unlinkat(hold.folder, file, 0) != 0)
        r = -errno;
    unlock_folder(self, &hold);
    if (r == 0)
        shared_name_withdraw(name);
    return r;
}

/* In the folder first: so nobody finds us by a name that another process of our user holds. */
static int share(const char *name, uint32_t mode, gid_t gid)
{
    if (mode & ~0666u)
        return -EINVAL;
    bool was_ours = attach(name, false) == -EBUSY;
    int id = attach(name, true), r;
    if (id < 0)
        return id;
    r = shared_name_publish(name, mode, gid);
    if (r < 0 && !was_ours)
        detach(name);
    return r < 0 ? r : id;
}

/* Wait until the name is held. The watch is set before the look, so that nothing falls between. */
static pid_t await_name(int folder, const char *file, const struct srr_wait *wait)
{
    struct patience patience;
    struct peer holder;
    int r = 0, news = folder_watch(true);
    patience_begin(&patience, wait, SLICE_FIRST);
    while (r == 0) {
        if (is_held(folder, file, &holder))
            r = holder.pid;
        else if ((r = patience_check(&patience)) == 0)
            switch (folder_sleep(news, -1, patience_slice(&patience))) {
            case -EINTR:
                r = -EINTR;
                break;
            case -ETIMEDOUT:
                r = patience_look(&patience);
            }
    }
    if (news >= 0)
        close(news);
    return r;
}

static pid_t locate(const char *name, const struct srr_wait *wait)
{
    char file[FILE_NAME_MAX];
    struct peer holder;
    int r = encode(name, file);
    if (r < 0)
        return r;
    int folder = folder_open();
    if (folder < 0)
        return folder;
    r = is_held(folder, file, &holder) ? holder.pid : -ESRCH;
    if (r == -ESRCH && strchr(name, '@')) {
        pid_t shared = shared_name_locate(name, wait);
        if (shared != -ESRCH && shared != -ENOSYS) {
            close(folder);
            return shared;
        }
    }
    if (r == -ESRCH && wait && wait->timeout_ns != 0)
        r = await_name(folder, file, wait);
    close(folder);
    return r;
}

/* The record of a dead holder goes; without rows of our own, somebody else will do it. */
static void bury_name(const char *file)
{
    struct hold hold;
    struct peer holder;
    int r;
    verb_begin();
    struct process *self = process_self(&r);
    if (self && lock_folder(self, &hold) == 0) {
        if (!is_held(hold.folder, file, &holder))
            unlinkat(hold.folder, file, 0);
        unlock_folder(self, &hold);
    }
    verb_end();
}

int srr_name_list(pid_t pid, int (*each)(void *arg, int id, pid_t pid, const char *name), void *arg)
{
    char name[SRR_NAME_MAX + 1];
    struct peer holder;
    int id, r = 0, folder = folder_open();
    if (folder < 0)
        return folder;
    DIR *dir = fdopendir(folder);
    if (!dir) {
        close(folder);
        return -ENOMEM;
    }
    struct dirent *entry;
    while (r == 0 && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || !decode(entry->d_name, name) ||
            (id = read_record(folder, entry->d_name, &holder)) < 0)
            continue;
        if (!peer_alive(&holder))
            bury_name(entry->d_name);
        else if (pid == 0 || holder.pid == pid)
            r = each(arg, id, holder.pid, name);
    }
    closedir(dir);
    return r;
}

int srr_name_attach(const char *name)
{
    verb_begin();
    int r = attach(name, false);
    verb_end();
    return r;
}

int srr_name_share(const char *name, uint32_t mode, gid_t gid)
{
    verb_begin();
    int r = share(name, mode, gid);
    verb_end();
    return r;
}

int srr_name_detach(const char *name)
{
    verb_begin();
    int r = detach(name);
    verb_end();
    return r;
}

pid_t srr_name_locate(const char *name, const struct srr_wait *wait)
{
    verb_begin();
    pid_t r = locate(name, wait);
    verb_end();
    return r;
}

int srr_runtime_dir(char *buffer, size_t size)
{
    int folder = folder_open(); /* made and checked */
    if (folder < 0)
        return folder;
    close(folder);
    return folder_path(buffer, size);
}
