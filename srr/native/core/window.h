/*
 * window.h - the window lane: bytes that neither side may take out of the other's memory go through the slot's
 * window, in chunks. Each side copies its own memory only; the sender's thread, which is blocked in Send, does its
 * part of it.
 */
#ifndef SRR_WINDOW_H
#define SRR_WINDOW_H

#include "port.h"
#include "transfer.h"

/* What one Send has to carry, checked; and how far its thread has come with the request that it serves. */
struct letter {
    const struct iovec *message, *reply;
    int message_parts, reply_parts;
    uint64_t nbytes, room;
    bool begun;          /* a request has been read */
    uint32_t number;     /* its number */
    uint64_t from, length;
    uint64_t done;       /* chunks */
};

/* Before it publishes: the first bytes of the message, as many as fit. They are there for the receiver to take.
 * -EFAULT. */
int window_prefill(struct place *place, const struct letter *letter);

/*
 * The word is in ASK or GIVE: does one chunk. False: nothing can be done now; sleep while *ret_futex == *ret_value,
 * which changes when that changes, and when the request ends. True: look at the word again.
 */
bool window_serve(struct place *place, struct letter *letter, uint64_t word, a32 **ret_futex, uint32_t *ret_value);

/* The transaction is over: takes what is still in the window. 0, -EFAULT, or -EPROTO: the receiver wrote nonsense. */
int window_finish(struct place *place, struct letter *letter);

/* The sender has left ASK or GIVE, or wants to: a receiver that waits for it looks at the word. Also in a handler. */
void window_leave(struct place *place);

/*
 * The receiver's side: from `offset` of the message into these parts. The word is in RECV, and is so again
 * afterwards. Bytes moved, or:
 *   -ESRCH the sender has left, or is dead    -EFAULT my memory is bad    -SRR_EDSTFAULT its memory is bad
 *   -ETIME it did not do its part in time     -EPROTO it wrote nonsense
 */
int64_t window_read(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count);

/*
 * From these parts, from their beginning, into the reply buffer at `offset`. The word is in BUSY (or BUSYC), and is
 * so again afterwards; but if it is `last`, the reply itself, the rest is left to the sender, and the word may be in
 * GIVE. Failures as above, and -ECANCELED: it wants to leave.
 */
int64_t window_write(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count,
                     uint64_t length, bool last);

/* After a reply by the window, when the word says DONE: the sender may sleep on what we have done. */
void window_close(struct conn *conn, const struct taken *taken);

#endif
