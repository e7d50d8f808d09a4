/*
 * link.h - a sender's view of one receiver: its port, mapped, and our entries in it; or, where neither may open the
 * other's
 * rows, the pairs that srr-helper has made for the two (pair.h).
 */
#ifndef SRR_LINK_H
#define SRR_LINK_H

#include "pair.h"
#include "peer.h"
#include "process.h"

struct link {
    struct link *next;
    struct peer peer;        /* over pairs: its pid and uid only */
    struct row_front *front; /* NULL: over pairs */
    struct stranger stranger; /* over pairs */
    _Atomic(uint32_t) watched_by; /* the helper that will tell us of its death: helper_joins() */
    /* under the process's lock */
    unsigned uses;
    _Atomic bool takes_window; /* its last long message went through the window: put the next one there beforehand */
    bool buried;        /* freed when nobody uses it any more */
    int64_t used;       /* when it was last got, roughly */
    struct pair *pairs;
    uint16_t entry_of[SLOTS]; /* entry + 1 of each of our slots; written by the slot's thread */
};

/*
 * The link to a process, made at the first contact. Waits until the process has rows, as long as the
 * patience lasts; *meeting (may be null) is 1 while it does. Failures as srr_send's.
 * refused: it has refused our rows, so over pairs only.
 */
int link_get(struct process *self, pid_t pid, bool refused, struct patience *patience, a32 *meeting,
             struct link **ret_link);
void link_put(struct process *self, struct link *link);
/* Its process is dead: nobody gets this link any more. */
void link_bury(struct process *self, struct link *link);

bool link_alive(struct link *link);
/* At a slice's end: let the helper tell us at once when it dies. Across users it does so anyway. */
void link_watch(struct process *self, struct link *link);

/*
 * The slot that one Send goes through, and back: the thread's own, or one of a pair, which the thread's own then
 * tells of. A pair more is
 * asked for when all are in use: failures as helper_introduce().
 */
int link_place_in_pair(struct process *self, struct link *link, struct place *own, struct patience *patience,
                       struct place **ret_place);
void link_place_back_in_pair(struct process *self, struct place *own, struct place *place);
static inline int link_place(struct process *self, struct link *link, struct place *own, struct patience *patience,
                             struct place **ret_place)
{
    *ret_place = own;
    return link->front ? 0 : link_place_in_pair(self, link, own, patience, ret_place);
}
static inline void link_place_back(struct process *self, struct place *own, struct place *place)
{
    if (place != own)
        link_place_back_in_pair(self, own, place);
}
static inline struct port *link_port(struct link *link, const struct place *place)
{
    return link->front ? &link->front->port : place->port;
}
static inline uint64_t link_target(const struct link *link, const struct place *place)
{
    return link->front ? link->peer.row_id : place->target;
}

/*
 * Our slot's entry in the port, claimed if it isn't ours (any more; then the receiver must be rung again). -EAGAIN:
 * the port is crowded with entries, the receiver was asked to bury its dead; other failures: the receiver refused
 * us.
 */
int link_entry(struct process *self, struct link *link, struct place *place, bool *ret_claimed);

/* The same, waited for where the port is crowded: its owner buries its dead, then wakes us. */
int link_entry_patiently(struct process *self, struct link *link, struct place *place, struct patience *patience);

/* Set the hint and ring. The slot must be published. */
void port_ring(struct port *port, unsigned entry);
/* Ring, after any hint; no slot is behind it. */
void port_ring_bell(struct port *port);

#endif
