/*
 * reply.c - Reply, error replies, Readmsg and Writemsg: what a receiver does with a blocked sender.
 *
 * Writes lock before (rule 3): the word goes RECV -> BUSY by CAS, and only then are the sender's buffers
 * touched. A finished reply wins over a sender that wants to leave: the end is an exchange, not a CAS
 * from BUSY (rule 14).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>

#include "lane.h"
#include "port.h"
#include "signals.h"
#include "srr.h"
#include "traced.h"
#include "transfer.h"
#include "window.h"

/* A failed read or write of a long one: what it means to us. */
static int64_t blame(int64_t r)
{
    switch (r) {
    case -EINVAL: /* its table is nonsense */
    case -EPROTO: /* what it wrote into the window's lines is */
        return -SRR_EDSTFAULT;
    case -ECANCELED: /* it wanted to leave in the middle */
    case -ETIME:     /* we have given it up */
        return -ESRCH;
    default:
        return r;
    }
}

/* And to the sender. */
static uint32_t status_of(int64_t r)
{
    return r == -SRR_EDSTFAULT || r == -EINVAL ? EFAULT : r == -ECANCELED ? EINTR : (uint32_t)-r;
}

/* To tracers; before the sender can know it. */
static void tell_reply(const struct held *held, uint64_t length, enum srr_lane lane, int status)
{
    PROBE(reply, word_generation(held->taken.word), held->conn->peer.pid, held->taken.tid, length, lane, status);
    if (PROBE_WANTED(frames))
        frames_tell(word_generation(held->taken.word), 1);
}

static int64_t answer(uint64_t id, const struct iovec *reply, int parts)
{
    struct held held;
    uint64_t length, n;
    int64_t r = parts_length(reply, parts, &length);
    if (r < 0 || (r = message_hold(id, &held)) < 0)
        return r;
    struct slot *slot = held.conn->slot;
    if (!message_begin_write(&held)) {
        message_release(&held, true);
        return -ESRCH;
    }

    /* Point of no return: the Send must be ended, but for a bad buffer of our own. */
    n = length < held.taken.room ? length : held.taken.room;
    enum srr_lane lane = n == 0 ? SRR_LANE_NONE : n <= inline_max() ? SRR_LANE_INLINE : SRR_LANE_DIRECT;
    uint64_t begun = transfer_begin(held.taken.traced);
    r = (int64_t)n;
    if (n > 0 && atomic_load(&slot->reply_parts) & REPLY_BUFFER_IS_BAD)
        r = -SRR_EDSTFAULT;
    else if (lane == SRR_LANE_INLINE)
        r = gather(held.conn->reply, n, reply, parts, 0);
    else if (lane == SRR_LANE_DIRECT)
        r = long_write(held.conn, &held.taken, 0, reply, parts, n, true, &lane);
    if (begun != 0)
        transfer_end(held.conn, &held.taken, begun, r, lane, true);
    if (r == -EFAULT) {
        uint64_t busy = word_with(held.taken.word, SLOT_BUSY);
        if (atomic_compare_exchange_strong(&slot->word, &busy, held.taken.word)) {
            message_release(&held, false);
            return r; /* nothing is lost: the caller may reply from a better one */
        }
    }
    if (r < 0) {
        tell_reply(&held, 0, SRR_LANE_NONE, (int)status_of(r));
        conn_end(held.conn, &held.taken, SLOT_FAILR, status_of(r));
        message_release(&held, true);
        return blame(r);
    }
    uint32_t inlined = lane == SRR_LANE_INLINE ? (uint32_t)n : 0;
    unsigned flags = held.taken.seen < held.taken.nbytes ? SRR_MESSAGE_TRUNCATED : 0;
    if (length < held.taken.written)
        length = held.taken.written;
    if (length != inlined) {
        atomic_store_explicit(&slot->replied, length, memory_order_relaxed);
        flags |= REPLY_IS_LONGER;
    }
    atomic_store_explicit(&slot->inlined, inlined, memory_order_relaxed);
    atomic_store_explicit(&slot->reply_lane, (uint8_t)lane, memory_order_relaxed);
    atomic_store_explicit(&slot->reply_flags, (uint8_t)flags, memory_order_relaxed);
    tell_reply(&held, length, lane, 0);
    conn_end(held.conn, &held.taken, SLOT_DONE, 0);
    if (lane == SRR_LANE_WINDOW)
        window_close(held.conn, &held.taken);
    message_release(&held, true);
    return r;
}

static int answer_error(uint64_t id, int error)
{
    struct held held;
    if (error < 1 || error > 4095)
        return -EINVAL;
    int r = message_hold(id, &held);
    if (r < 0)
        return r;
    if (!message_begin_write(&held)) {
        message_release(&held, true);
        return -ESRCH;
    }
    atomic_store_explicit(&held.conn->slot->reply_flags, SRR_BY_SERVER, memory_order_relaxed);
    tell_reply(&held, 0, SRR_LANE_NONE, error);
    conn_end(held.conn, &held.taken, SLOT_DONE, (uint32_t)error);
    message_release(&held, true);
    return 0;
}

/* From `offset` of the inline message. */
static int64_t read_inline(struct held *held, uint64_t offset, const struct iovec *buffer, int parts)
{
    if (held->taken.nbytes > INLINE_SIZE)
        return -SRR_EDSTFAULT;
    return scatter(buffer, parts, 0, held->conn->message + offset, held->taken.nbytes - offset);
}

/* It did not move its bytes in time: its Send has ended, for it may be stopped for good. */
static void give_up(struct held *held)
{
    if (message_begin_write(held))
        conn_end(held->conn, &held->taken, SLOT_FAILR, ETIME);
}

static int64_t read_message(uint64_t id, uint64_t offset, const struct iovec *buffer, int parts)
{
    struct held held;
    uint64_t size;
    int64_t r = parts_length(buffer, parts, &size);
    if (r < 0 || (r = message_hold(id, &held)) < 0)
        return r;
    uint64_t begun = transfer_begin(held.taken.traced);
    if (offset < held.taken.nbytes)
        r = held.taken.lane == SRR_LANE_INLINE ? read_inline(&held, offset, buffer, parts)
                                               : long_read(held.conn, &held.taken, offset, buffer, parts);
    if (begun != 0)
        transfer_end(held.conn, &held.taken, begun, r, held.taken.lane, false);
    if (r == -ETIME)
        give_up(&held);
    /* Validate after: if the sender has left, what we read may be anything. */
    if (atomic_load(&held.conn->slot->word) != held.taken.word || !conn_lives(held.conn))
        r = -ESRCH;
    r = blame(r);
    if (r > 0 && offset + (uint64_t)r > held.taken.seen)
        held.taken.seen = offset + (uint64_t)r;
    message_release(&held, r == -ESRCH);
    return r;
}

static int64_t write_reply(uint64_t id, uint64_t offset, const struct iovec *data, int parts)
{
    struct held held;
    uint64_t length;
    int64_t r = parts_length(data, parts, &length);
    if (r < 0 || (r = message_hold(id, &held)) < 0)
        return r;
    if (!message_begin_write(&held)) {
        message_release(&held, true);
        return -ESRCH;
    }
    uint64_t busy = word_with(held.taken.word, SLOT_BUSY), begun = transfer_begin(held.taken.traced);
    enum srr_lane lane = SRR_LANE_NONE;
    r = 0;
    if (offset < held.taken.room && length > held.taken.room - offset)
        length = held.taken.room - offset;
    if (length > 0 && offset < held.taken.room)
        r = long_write(held.conn, &held.taken, offset, data, parts, length, false, &lane);
    if (begun != 0)
        transfer_end(held.conn, &held.taken, begun, r, lane, true);
    if (r == -ETIME || !atomic_compare_exchange_strong(&held.conn->slot->word, &busy, held.taken.word)) {
        /* We give it up, or BUSYC: it wants to leave, and has waited for us */
        conn_end(held.conn, &held.taken, SLOT_FAILR, r == -ETIME ? ETIME : EINTR);
        message_release(&held, true);
        return -ESRCH;
    }
    if (r < 0)
        r = blame(r);
    else if (r > 0 && offset + (uint64_t)r > held.taken.written)
        held.taken.written = offset + (uint64_t)r;
    message_release(&held, r == -ESRCH);
    return r;
}

/* No handler runs while one of our threads holds a message, or one of our locks. */
int64_t srr_reply(uint64_t id, const struct iovec *reply, int parts)
{
    verb_begin();
    int64_t r = answer(id, reply, parts);
    verb_end();
    return r;
}

int srr_error(uint64_t id, int error)
{
    verb_begin();
    int r = answer_error(id, error);
    verb_end();
    return r;
}

int64_t srr_read(uint64_t id, uint64_t offset, const struct iovec *buffer, int parts)
{
    verb_begin();
    int64_t r = read_message(id, offset, buffer, parts);
    verb_end();
    return r;
}

int64_t srr_write(uint64_t id, uint64_t offset, const struct iovec *data, int parts)
{
    verb_begin();
    int64_t r = write_reply(id, offset, data, parts);
    verb_end();
    return r;
}
