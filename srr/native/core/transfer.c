/*
 * transfer.c - see transfer.h.
 *
 * The part tables and the tid come from the other side's slot: hostile. They are copied once, and the
 * kernel is asked whether the tid is a thread of the process that we have met, so that nobody can make
 * us read from or write into a third one. Whatever addresses it gives are its own.
 */
#define _GNU_SOURCE
#include "transfer.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "map.h"
#include "srr.h"

int parts_length(const struct iovec *parts, int count, uint64_t *ret_length)
{
    uint64_t length = 0;
    if (count < 0 || count > (int)PARTS_MAX || (count > 0 && !parts))
        return -EINVAL;
    for (int i = 0; i < count; i++)
        if (__builtin_add_overflow(length, parts[i].iov_len, &length) || length > LENGTH_MAX)
            return -EMSGSIZE;
    *ret_length = length;
    return 0;
}

uint64_t gather(void *to, uint64_t room, const struct iovec *parts, int count)
{
    uint64_t done = 0;
    for (int i = 0; i < count && done < room; i++) {
        uint64_t n = parts[i].iov_len < room - done ? parts[i].iov_len : room - done;
        if (n > 0)
            copy_shared((char *)to + done, parts[i].iov_base, n);
        done += n;
    }
    return done;
}

uint64_t scatter(const struct iovec *parts, int count, const void *from, uint64_t length)
{
    uint64_t done = 0;
    for (int i = 0; i < count && done < length; i++) {
        uint64_t n = parts[i].iov_len < length - done ? parts[i].iov_len : length - done;
        if (n > 0)
            copy_shared(parts[i].iov_base, (const char *)from + done, n);
        done += n;
    }
    return done;
}

int remote_load(struct remote *remote, struct part *table, unsigned count, uint64_t *ret_length)
{
    if (count > PARTS_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        uint64_t address = atomic_load_explicit(&table[i].address, memory_order_relaxed);
        uint64_t length = atomic_load_explicit(&table[i].length, memory_order_relaxed);
        if (length > LENGTH_MAX || address > UINTPTR_MAX || length > SIZE_MAX)
            return -EINVAL;
        remote->parts[i] = (struct iovec){(void *)(uintptr_t)address, (size_t)length};
    }
    remote->count = (int)count;
    return parts_length(remote->parts, remote->count, ret_length);
}

/* The stretch [offset, offset + length) of some parts, as parts. Returns their number. */
static int cut(const struct iovec *parts, int count, uint64_t offset, uint64_t length, struct iovec *ret_parts)
{
    int n = 0;
    for (int i = 0; i < count && length > 0; i++) {
        uint64_t here = parts[i].iov_len;
        if (offset >= here) {
            offset -= here;
            continue;
        }
        here -= offset;
        if (here > length)
            here = length;
        ret_parts[n++] = (struct iovec){(char *)parts[i].iov_base + offset, (size_t)here};
        length -= here;
        offset = 0;
    }
    return n;
}

typedef ssize_t transfer_call(pid_t, const struct iovec *, unsigned long, const struct iovec *, unsigned long,
                              unsigned long);

/* Something faulted at this offset of both sides: was it the other one? A byte of our own can't fault. */
static bool theirs_is_bad(transfer_call *call, const struct remote *remote, uint64_t offset)
{
    char byte;
    struct iovec mine = {&byte, 1}, at;
    if (cut(remote->parts, remote->count, offset, 1, &at) == 0)
        return false;
    if (call == process_vm_readv)
        return call(remote->tid, &mine, 1, &at, 1, 0) != 1;
    /* To write is to try; put back what was there. A read-only page is caught by the write alone. */
    if (process_vm_readv(remote->tid, &mine, 1, &at, 1, 0) != 1)
        return true;
    return call(remote->tid, &mine, 1, &at, 1, 0) != 1;
}

static int64_t move(transfer_call *call, const struct remote *remote, uint64_t offset, const struct iovec *local,
                    int count, uint64_t chunk, bool (*wanted)(void *), void *arg)
{
    uint64_t total, there, done = 0;
    struct iovec ours[PARTS_MAX], theirs[PARTS_MAX];
    int r = parts_length(local, count, &total);
    if (r == 0)
        r = parts_length(remote->parts, remote->count, &there);
    if (r < 0)
        return r;
    there = offset < there ? there - offset : 0;
    if (total > there)
        total = there;
    if (total > 0 && syscall(SYS_tgkill, remote->pid, remote->tid, 0) != 0)
        return -ESRCH;
    while (done < total) {
        uint64_t now = total - done < chunk ? total - done : chunk;
        int n = cut(local, count, done, now, ours), m = cut(remote->parts, remote->count, offset + done, now, theirs);
        ssize_t moved = call(remote->tid, ours, (unsigned long)n, theirs, (unsigned long)m, 0);
        if (moved > 0) {
            done += (uint64_t)moved; /* a short count: the next turn finds out why */
        } else if (moved == 0 || errno == EFAULT) {
            return theirs_is_bad(call, remote, offset + done) ? -SRR_EDSTFAULT : -EFAULT;
        } else {
            return errno == ENOSYS ? -EPERM : -errno; /* seccomp lists answer either */
        }
        if (done < total && wanted && !wanted(arg))
            return -ECANCELED;
    }
    return (int64_t)total;
}

int64_t remote_read(const struct remote *remote, uint64_t offset, const struct iovec *local, int count)
{
    return move(process_vm_readv, remote, offset, local, count, LENGTH_MAX, NULL, NULL);
}

int64_t remote_write(const struct remote *remote, uint64_t offset, const struct iovec *local, int count,
                     bool (*wanted)(void *arg), void *arg)
{
    return move(process_vm_writev, remote, offset, local, count, WRITE_CHUNK, wanted, arg);
}
