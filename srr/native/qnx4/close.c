/*
 * close.c - a program that closes all descriptors, as every daemon does at its start, must not close those of its rows,
 * which it has from the start and knows nothing of: nobody would find it any more, and what it opens next would get
 * their numbers.
 *
 * The functions by which descriptors are closed in bulk are defined here under libc's own names. For those that are
 * ours they answer what they would if these were not open. A program that means a number which it got from the
 * system never means ours.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <srr.h>

#include "inform.h"

#define PUBLIC __attribute__((visibility("default")))

int close(int fd);
int close_range(unsigned first, unsigned last, int flags);
void closefrom(int first);

/* In order; their number. */
static int all_kept(int fds[SRR_KEPT_MAX + 1])
{
    int n = srr_kept(fds, SRR_KEPT_MAX), bell = inform_descriptor(), i;
    if (bell < 0)
        return n;
    for (i = n; i > 0 && fds[i - 1] > bell; i--)
        fds[i] = fds[i - 1];
    fds[i] = bell;
    return n + 1;
}

static bool is_kept(int fd)
{
    int kept[SRR_KEPT_MAX + 1], n = all_kept(kept);
    for (int i = 0; i < n; i++)
        if (kept[i] == fd)
            return true;
    return false;
}

PUBLIC int close(int fd)
{
    if (is_kept(fd)) {
        errno = EBADF;
        return -1;
    }
    return (int)syscall(SYS_close, fd);
}

/* What lies between ours, in turn. There is no other way to do it in one step that leaves some out. */
PUBLIC int close_range(unsigned first, unsigned last, int flags)
{
#ifdef SYS_close_range
    int kept[SRR_KEPT_MAX + 1], n = all_kept(kept);
    if (first > last) {
        errno = EINVAL;
        return -1;
    }
    for (int i = 0; i < n; i++) {
        unsigned ours = (unsigned)kept[i]; /* in order */
        if (ours < first || ours > last)
            continue;
        if (ours > first && syscall(SYS_close_range, first, ours - 1, flags) != 0)
            return -1;
        if (ours == last)
            return 0;
        first = ours + 1;
    }
    return (int)syscall(SYS_close_range, first, last, flags);
#else
    (void)flags;
    errno = ENOSYS;
    return -1;
#endif
}

PUBLIC void closefrom(int first)
{
    int error = errno;
    unsigned from = first < 0 ? 0 : (unsigned)first;
    if (close_range(from, UINT_MAX, 0) != 0)
        for (long fd = (long)from, end = sysconf(_SC_OPEN_MAX); fd < end; fd++)
            close((int)fd);
    errno = error;
}
