/*
 * link.h - a sender's view of one receiver: its port, mapped, and our entries in it.
 */
#ifndef SRR_LINK_H
#define SRR_LINK_H

#include "peer.h"
#include "process.h"

struct link {
    struct link *next;
    struct peer peer;
    struct row_front *front;
    /* under the process's lock */
    unsigned uses;
    _Atomic bool takes_window; /* its last long message went through the window: put the next one there beforehand */
    bool buried;        /* freed when nobody uses it any more */
    int64_t used;       /* when it was last got, roughly */
    uint16_t entry_of[SLOTS]; /* entry + 1 of each of our slots; written by the slot's thread */
};

/*
 * The link to a process, made at the first contact. Waits until the process has rows, as long as the
 * patience lasts; *meeting (may be null) is 1 while it does. Failures as srr_send's.
 */
int link_get(struct process *self, pid_t pid, struct patience *patience, a32 *meeting, struct link **ret_link);
void link_put(struct process *self, struct link *link);
/* Its process is dead: nobody gets this link any more. */
void link_bury(struct process *self, struct link *link);

/*
 * Our slot's entry in the port, claimed if it isn't ours (any more; then the receiver must be rung again). -EAGAIN: the port is crowded with
 * entries, the receiver was asked to bury its dead; other failures: the receiver refused us.
 */
int link_entry(struct process *self, struct link *link, struct place *place, bool *ret_claimed);

/* Set the hint and ring. The slot must be published. */
void link_ring(struct link *link, unsigned entry);
/* Ring, after any hint. */
void port_ring_bell(struct port *port);

#endif
