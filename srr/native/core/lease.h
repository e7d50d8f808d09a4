/*
 * lease.h - the helper lane: srr-helper's transfer worker moves bytes between a sender's memory and its pair's window.
 *
 * The sender lends its memory to the helper, for one transaction, and takes it back before its Send returns; the
 * receiver asks the helper to move parts of it. So the sender's thread may sleep meanwhile, or be stopped. Neither
 * side reaches into the other, and the receiver copies its own memory itself.
 */
#ifndef SRR_LEASE_LANE_H
#define SRR_LEASE_LANE_H

#include "link.h"
#include "port.h"
#include "window.h"

/*
 * Before the word is published, if SRR_LANE says so: lends this letter's memory for that transaction, and says so in
 * the slot. What lease_end() wants, or -1: it is not to be had, and the message goes by another lane.
 */
int lease_begin(struct process *self, struct link *link, struct place *place, const struct letter *letter, uint64_t word);
/*
 * The transaction has ended: the memory is ours alone again. Waits for a move that is under way: 100 ms; where the
 * kernel can not end it, in memory that a file system does not fill, or the helper has gone, 30 s at most.
 */
void lease_end(struct process *self, struct link *link, struct place *place, int lent);

/*
 * The receiver's: from `offset` of the message into these parts, the word being in RECV; and `length` bytes of these
 * parts into the reply buffer at `offset`, the word being in BUSY. Bytes moved, or:
 *   -EPERM this lane does not work for this sender: another one may    -ESRCH it has left, or is dead
 *   -EFAULT my memory is bad    -SRR_EDSTFAULT its memory is bad
 */
int64_t leased_read(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count);
int64_t leased_write(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count,
                     uint64_t length);

#endif
