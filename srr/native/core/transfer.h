/*
 * transfer.h - moving bytes: between iovecs and memory, and between two processes (the direct lane).
 * The only file that calls process_vm_readv and process_vm_writev.
 */
#ifndef SRR_TRANSFER_H
#define SRR_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "layout.h"

#define LENGTH_MAX (UINT64_C(1) << 46) /* of one message or reply: what a process can address */
#define WRITE_CHUNK (UINT64_C(1) << 20)

/* Bytes in these parts. -EINVAL: too many or none where there must be; -EMSGSIZE: more than LENGTH_MAX. */
int parts_length(const struct iovec *parts, int count, uint64_t *ret_length);

/* Between parts, from `offset` of them on, and shared memory. Returns the bytes moved, or -EFAULT where faults are
 * caught (signals.h). */
int64_t gather(void *to, uint64_t room, const struct iovec *parts, int count, uint64_t offset);
int64_t scatter(const struct iovec *parts, int count, uint64_t offset, const void *from, uint64_t length);

/* Can the first `length` bytes of these parts be written? Where faults are not caught: taken for granted. */
bool is_writable(const struct iovec *parts, int count, uint64_t length);

/* Parts of another process's memory, copied from its slot and checked. Its addresses may be wider than ours. */
struct stretch {
    uint64_t address, length;
};
struct remote {
    pid_t pid, tid; /* tid must be a thread of pid: asked of the kernel before each transfer */
    int count;
    uint64_t length; /* of all parts */
    struct stretch parts[PARTS_MAX];
};
/* Copies a part table out of a slot. -EINVAL: it can't be right. Its length need not be what the slot says. */
int remote_load(struct remote *remote, struct part *table, unsigned count, uint64_t *ret_length);

/*
 * Between local parts and a remote stretch, from `offset` of the remote one on, until either ends.
 * Returns the bytes moved, or:
 *   -ESRCH the thread is gone    -EPERM the kernel does not let us    -EFAULT my memory is bad
 *   -SRR_EDSTFAULT its memory is bad    -ECANCELED `wanted` said so between two chunks
 */
int64_t remote_read(const struct remote *remote, uint64_t offset, const struct iovec *local, int count);
int64_t remote_write(const struct remote *remote, uint64_t offset, const struct iovec *local, int count,
                     bool (*wanted)(void *arg), void *arg);

#endif
