/*
 * lease.h - which memory may be moved for whom. Pure: no call of the system, no pointer into anybody's tables.
 *
 * A lease belongs to one slot of one pair. Who may lodge it (the pair's sender) and who may have bytes moved by it (the
 * pair's receiver) the caller has checked; here it is whether they speak of the same transaction, and which bytes are
 * meant. While bytes move by a lease it can neither be replaced nor given back: the caller waits (-EBUSY).
 */
#ifndef SRR_LEASE_H
#define SRR_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"
#include "protocol.h"
#include "quotas.h"

#define LEASES 8192u
#define LEASE_LENGTH_MAX (UINT64_C(1) << 46) /* what a process can address */

struct lease {
    uint64_t word; /* the transaction */
    bool is_moving;
    uint16_t next_free;
    uint16_t part_counts[2]; /* message, reply */
    struct stretch_of parts[2][LEASE_PARTS];
};

struct leases {
    uint16_t first_free, never_used; /* number + 1; number */
    uint16_t of[PAIRS][PAIR_SLOTS];  /* number + 1; 0: none */
    struct lease all[LEASES];
};

/* NULL: there is none, or no such pair or slot. */
struct lease *lease_find(struct leases *leases, uint32_t pair, uint32_t slot);

/* 1: new; 0: it replaces another one. -EINVAL: its parts can not be right; -EBUSY; -EAGAIN: no room. */
int lease_lend(struct leases *leases, uint32_t pair, const struct request *request);

/* 0. -ENOENT; -EBUSY. */
int lease_revoke(struct leases *leases, uint32_t pair, uint32_t slot);

/* Its pair has ended, whatever it was doing: how many leases that were. */
uint32_t lease_end_all(struct leases *leases, uint32_t pair);

/*
 * What a MOVE means: the lender's memory, at most WINDOW_SIZE bytes of it. What lies behind the lease is left out, so
 * it may be fewer than were asked for. -ENOENT: no lease for this transaction; -EINVAL: more than the window takes;
 * -EBUSY.
 */
int lease_cut(struct leases *leases, uint32_t pair, const struct request *request,
              struct stretch_of ret_parts[LEASE_PARTS], uint32_t *ret_count);

#endif
