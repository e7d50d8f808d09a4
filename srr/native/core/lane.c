/*
 * lane.c - see lane.h.
 *
 * The receiver chooses, for it is the one that the kernel lets in or not. It tries the direct lane, and where that
 * is refused (Yama, a process that is not dumpable, a filter) goes over to the window, and remembers it for this
 * sender; now and then it tries again, for leave may be given later. The sender finds the lane that was taken in its
 * slot, and puts the next long message into the window beforehand, if that was it.
 */
#define _GNU_SOURCE
#include "lane.h"

#include <errno.h>

#include "lease.h"
#include "srr.h"
#include "transfer.h"
#include "window.h"

#define TRY_AGAIN_EVERY 64 /* long messages */

static bool still_wanted(void *arg)
{
    struct conn *conn = arg;
    enum slot_state state = word_state(atomic_load(&conn->slot->word));
    return state == SLOT_BUSY && conn_lives(conn);
}

static int64_t read_direct(struct conn *conn, const struct taken *taken, uint64_t offset, const struct iovec *parts,
                           int count)
{
    struct slot *slot = conn->slot;
    struct remote remote = {.pid = conn->peer.pid, .tid = taken->tid};
    uint64_t length;
    if (remote_load(&remote, slot->parts, atomic_load(&slot->message_parts), &length) < 0 || length != taken->nbytes)
        return -EINVAL;
    return remote_read(&remote, offset, parts, count);
}

static int64_t write_direct(struct conn *conn, const struct taken *taken, uint64_t offset, const struct iovec *parts,
                            int count)
{
    struct slot *slot = conn->slot;
    struct remote remote = {.pid = conn->peer.pid, .tid = taken->tid};
    uint64_t room;
    unsigned skip = atomic_load(&slot->message_parts), all = atomic_load(&slot->reply_parts);
    if (skip > PARTS_MAX || remote_load(&remote, slot->parts + skip, all, &room) < 0 || room != taken->room)
        return -EINVAL;
    return remote_write(&remote, offset, parts, count, still_wanted, conn);
}

/* What we are told to take, or our sender; else what worked last. That is a guess of several threads: relaxed. */
static enum srr_lane wish(struct conn *conn, const struct taken *taken)
{
    if (conn->guest) /* nobody reaches into another user's memory */
        return atomic_load(&conn->slot->lent) ? SRR_LANE_HELPER : SRR_LANE_WINDOW;
    if (forced_lane() != SRR_LANE_NONE)
        return forced_lane();
    if (taken->lane == SRR_LANE_WINDOW)
        return SRR_LANE_WINDOW;
    if (atomic_load_explicit(&conn->refused, memory_order_relaxed) > 0 &&
        atomic_fetch_add_explicit(&conn->refused, 1, memory_order_relaxed) % TRY_AGAIN_EVERY != 0)
        return SRR_LANE_WINDOW;
    return SRR_LANE_DIRECT;
}

/* The kernel did not let us, and nobody insists. */
static bool goes_over(struct conn *conn, int64_t moved)
{
    uint32_t refused = atomic_load_explicit(&conn->refused, memory_order_relaxed);
    if ((moved == -EPERM) != (refused > 0))
        atomic_store_explicit(&conn->refused, moved == -EPERM, memory_order_relaxed);
    if (moved != -EPERM)
        return false;
    return forced_lane() == SRR_LANE_NONE;
}

int64_t long_read(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count)
{
    enum srr_lane lane = wish(conn, taken);
    if (lane == SRR_LANE_DIRECT || lane == SRR_LANE_HELPER) {
        int64_t moved = lane == SRR_LANE_DIRECT ? read_direct(conn, taken, offset, parts, count)
                                                : leased_read(conn, taken, offset, parts, count);
        if (!goes_over(conn, moved))
            return moved;
    }
    taken->lane = SRR_LANE_WINDOW;
    return window_read(conn, taken, offset, parts, count);
}

int64_t long_write(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count,
                   uint64_t length, bool last, enum srr_lane *ret_lane)
{
    *ret_lane = wish(conn, taken);
    if (*ret_lane == SRR_LANE_DIRECT || *ret_lane == SRR_LANE_HELPER) {
        int64_t moved = *ret_lane == SRR_LANE_DIRECT ? write_direct(conn, taken, offset, parts, count)
                                                     : leased_write(conn, taken, offset, parts, count, length);
        if (!goes_over(conn, moved))
            return moved;
    }
    *ret_lane = SRR_LANE_WINDOW;
    return window_write(conn, taken, offset, parts, count, length, last);
}
