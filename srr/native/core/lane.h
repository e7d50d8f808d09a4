/*
 * lane.h - how long messages and replies travel: straight across where the kernel lets us, else through the window.
 */
#ifndef SRR_LANE_H
#define SRR_LANE_H

#include "port.h"

/*
 * From `offset` of a long message into these parts. The word is in RECV. Sets taken->lane to the one that was taken.
 * Bytes moved, or:
 *   -ESRCH the sender has left or is dead    -EPERM the lane that was forced does not work    -EFAULT my memory is bad
 *   -SRR_EDSTFAULT its memory is bad         -EINVAL its part table can't be right
 *   -ETIME it did not do its part            -EPROTO it wrote nonsense
 */
int64_t long_read(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count);

/*
 * `length` bytes of these parts into the reply buffer at `offset`. The word is in BUSY. `last`: they are the reply,
 * which ends the transaction (window.h). As above, and -ECANCELED: it wants to leave.
 */
int64_t long_write(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count,
                   uint64_t length, bool last, enum srr_lane *ret_lane);

#endif
