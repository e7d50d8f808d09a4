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
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "map.h"
#include "signals.h"
#include "srr.h"

/*
 * What may fault is in functions of its own, never inlined: after a fault (signals.h) nothing of theirs is looked at,
 * and their callers have nothing in registers that a longjmp() would lose.
 */
#define MOVE_MAX (UINT64_C(1) << 30) /* bytes in one system call: fits any ssize_t */
#define MAY_FAULT __attribute__((noinline)) static

MAY_FAULT int add_lengths(const struct iovec *parts, int count, uint64_t *ret_length)
{
    uint64_t length = 0;
    for (int i = 0; i < count; i++)
        if (__builtin_add_overflow(length, parts[i].iov_len, &length) || length > LENGTH_MAX)
            return -EMSGSIZE;
    *ret_length = length;
    return 0;
}

/* A variable of our caller's, as in all calls with one buffer: sure to be there, and no guard is set up for it. */
static bool is_local(const struct iovec *part)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return (uintptr_t)part > here && (uintptr_t)part - here < 2048;
}

int parts_length(const struct iovec *parts, int count, uint64_t *ret_length)
{
    if (count < 0 || count > (int)PARTS_MAX || (count > 0 && !parts))
        return -EINVAL;
    if (count == 0 || (count == 1 && is_local(parts)))
        return add_lengths(parts, count, ret_length);
    if (!copy_begin())
        return -EFAULT;
    int r = add_lengths(parts, count, ret_length);
    copy_end();
    return r;
}

/* What lies in [offset, offset + length) of a part; both are reduced to what lies behind it. False: nothing. */
static bool cut(struct iovec part, uint64_t *offset, uint64_t *length, struct iovec *ret_part)
{
    if (*length == 0)
        return false;
    if (*offset >= part.iov_len) {
        *offset -= part.iov_len;
        return false;
    }
    uint64_t here = part.iov_len - *offset;
    if (here > *length)
        here = *length;
    *ret_part = (struct iovec){(char *)part.iov_base + *offset, (size_t)here};
    *length -= here;
    *offset = 0;
    return true;
}

MAY_FAULT int64_t copy_together(char *to, uint64_t room, const struct iovec *parts, int count, uint64_t offset)
{
    uint64_t left = room;
    struct iovec piece;
    for (int i = 0; i < count && left > 0; i++)
        if (cut(parts[i], &offset, &left, &piece)) {
            copy_shared(to, piece.iov_base, piece.iov_len);
            to += piece.iov_len;
        }
    return (int64_t)(room - left);
}

int64_t gather(void *to, uint64_t room, const struct iovec *parts, int count, uint64_t offset)
{
    if (!copy_begin())
        return -EFAULT;
    int64_t done = copy_together(to, room, parts, count, offset);
    copy_end();
    return done;
}

MAY_FAULT int64_t copy_apart(const struct iovec *parts, int count, uint64_t offset, const char *from, uint64_t length)
{
    uint64_t left = length;
    struct iovec piece;
    for (int i = 0; i < count && left > 0; i++)
        if (cut(parts[i], &offset, &left, &piece)) {
            copy_shared(piece.iov_base, from, piece.iov_len);
            from += piece.iov_len;
        }
    return (int64_t)(length - left);
}

int64_t scatter(const struct iovec *parts, int count, uint64_t offset, const void *from, uint64_t length)
{
    if (!copy_begin())
        return -EFAULT;
    int64_t done = copy_apart(parts, count, offset, from, length);
    copy_end();
    return done;
}

/*
 * Writes that change nothing. The first byte is the call's own: nobody else writes it now, and a plain store will
 * do, which is faster than a round trip's patience for an atomic one. What lies further on the reply may never
 * reach, so another thread's write there must not be undone.
 */
MAY_FAULT void touch_pages(const struct iovec *parts, int count, uint64_t length)
{
    for (int i = 0; i < count && length > 0; i++) {
        uint64_t n = parts[i].iov_len < length ? parts[i].iov_len : length;
        char *at = parts[i].iov_base, *end = at + n;
        if (n > 0)
            *(volatile char *)at = *(volatile char *)at;
        while ((at = (char *)(((uintptr_t)at & ~(uintptr_t)(PAGE - 1)) + PAGE)) < end)
            __atomic_fetch_add(at, 0, __ATOMIC_RELAXED);
        length -= n;
    }
}

bool is_writable(const struct iovec *parts, int count, uint64_t length)
{
    if (!faults_are_caught || length == 0)
        return true;
    if (!copy_begin())
        return false;
    touch_pages(parts, count, length);
    copy_end();
    return true;
}

int remote_load(struct remote *remote, struct part *table, unsigned count, uint64_t *ret_length)
{
    uint64_t total = 0;
    if (count > PARTS_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        uint64_t address = atomic_load_explicit(&table[i].address, memory_order_relaxed);
        uint64_t length = atomic_load_explicit(&table[i].length, memory_order_relaxed);
        if (length > LENGTH_MAX)
            return -EINVAL;
        remote->parts[i] = (struct stretch){address, length};
        total += length;
        if (total > LENGTH_MAX)
            return -EMSGSIZE;
    }
    remote->count = (int)count;
    *ret_length = remote->length = total;
    return 0;
}

/*
 * Moves `length` bytes, or fewer where something ends it, between offset `here` of local parts and offset `there` of
 * remote ones. Returns their number, or -1 and errno: EFAULT, either side's memory; EPERM; ESRCH.
 */
typedef ssize_t transfer_call(const struct remote *remote, uint64_t there, const struct iovec *local, int count,
                              uint64_t here, uint64_t length);

#if UINTPTR_MAX == UINT64_MAX

static ssize_t vm(__typeof__(process_vm_readv) *call, const struct remote *remote, uint64_t there,
                  const struct iovec *local, int count, uint64_t here, uint64_t length)
{
    struct iovec ours[PARTS_MAX], theirs[PARTS_MAX];
    uint64_t left = length;
    unsigned long n = 0, m = 0;
    for (int i = 0; i < count; i++)
        n += cut(local[i], &here, &left, &ours[n]);
    for (int i = 0; i < remote->count; i++)
        m += cut((struct iovec){(void *)remote->parts[i].address, remote->parts[i].length}, &there, &length,
                 &theirs[m]);
    return call(remote->tid, ours, n, theirs, m, 0);
}

static ssize_t read_theirs(const struct remote *remote, uint64_t there, const struct iovec *local, int count,
                           uint64_t here, uint64_t length)
{
    return vm(process_vm_readv, remote, there, local, count, here, length);
}

static ssize_t write_theirs(const struct remote *remote, uint64_t there, const struct iovec *local, int count,
                            uint64_t here, uint64_t length)
{
    return vm(process_vm_writev, remote, there, local, count, here, length);
}

#else

/*
 * A process of 32 bits can't name the addresses of one of 64 to process_vm_readv(). It can to /proc/<tid>/mem, which
 * the kernel opens for whom it lets call process_vm_writev(). It copies twice, and it also reaches pages that the other
 * side has closed to itself (mprotect), in that side's own private copy: no EDSTFAULT there, and harm to nobody else.
 */
static ssize_t through_file(bool write, const struct remote *remote, uint64_t there, const struct iovec *local,
                            int count, uint64_t here, uint64_t length)
{
    char path[40];
    ssize_t moved = 0, r = 0;
    int i = 0, j = 0;
    snprintf(path, sizeof path, "/proc/%d/mem", remote->tid);
    int fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0) {
        errno = errno == ENOENT ? ESRCH : errno == EACCES ? EPERM : errno;
        return -1;
    }
    if (length > MOVE_MAX)
        length = MOVE_MAX;
    for (; length > 0; length -= (uint64_t)r, here += (uint64_t)r, there += (uint64_t)r, moved += r) {
        for (; i < count && here >= local[i].iov_len; i++)
            here -= local[i].iov_len;
        for (; j < remote->count && there >= remote->parts[j].length; j++)
            there -= remote->parts[j].length;
        if (i == count || j == remote->count)
            break;
        uint64_t n = local[i].iov_len - here < length ? local[i].iov_len - here : length;
        if (n > remote->parts[j].length - there)
            n = remote->parts[j].length - there;
        void *ours = (char *)local[i].iov_base + here;
        off64_t theirs = (off64_t)(remote->parts[j].address + there);
        r = write ? pwrite64(fd, ours, (size_t)n, theirs) : pread64(fd, ours, (size_t)n, theirs);
        if (r <= 0)
            break;
    }
    int error = r == 0 ? ESRCH : errno == EIO || errno == EINVAL ? EFAULT : errno; /* 0: it has no memory any more */
    close(fd);
    errno = error;
    return moved > 0 ? moved : -1;
}

static ssize_t read_theirs(const struct remote *remote, uint64_t there, const struct iovec *local, int count,
                           uint64_t here, uint64_t length)
{
    return through_file(false, remote, there, local, count, here, length);
}

static ssize_t write_theirs(const struct remote *remote, uint64_t there, const struct iovec *local, int count,
                            uint64_t here, uint64_t length)
{
    return through_file(true, remote, there, local, count, here, length);
}

#endif

/* Something faulted at this offset of both sides: was it the other one? A byte of our own can't fault. */
static bool theirs_is_bad(transfer_call *call, const struct remote *remote, uint64_t offset)
{
    char byte;
    struct iovec mine = {&byte, 1};
    /* To write is to try; put back what was there. A read-only page is caught by the write alone. */
    return read_theirs(remote, offset, &mine, 1, 0, 1) != 1 ||
           (call == write_theirs && write_theirs(remote, offset, &mine, 1, 0, 1) != 1);
}

static int64_t move(transfer_call *call, const struct remote *remote, uint64_t offset, const struct iovec *local,
                    int count, uint64_t chunk, bool (*wanted)(void *), void *arg)
{
    uint64_t total, there, done = 0;
    int r = parts_length(local, count, &total);
    if (r < 0)
        return r;
    there = offset < remote->length ? remote->length - offset : 0;
    if (total > there)
        total = there;
    if (total > 0 && syscall(SYS_tgkill, remote->pid, remote->tid, 0) != 0)
        return -ESRCH;
    while (done < total) {
        uint64_t now = total - done < chunk ? total - done : chunk;
        ssize_t moved = call(remote, offset + done, local, count, done, now);
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
    return move(read_theirs, remote, offset, local, count, LENGTH_MAX, NULL, NULL);
}

int64_t remote_write(const struct remote *remote, uint64_t offset, const struct iovec *local, int count,
                     bool (*wanted)(void *arg), void *arg)
{
    return move(write_theirs, remote, offset, local, count, WRITE_CHUNK, wanted, arg);
}
