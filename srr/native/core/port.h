/*
 * port.h - the receiver's private side of its port: the senders it has met, the queue, the look.
 *
 * All of it is this process's own memory, under one lock among its receiving threads, and vanishes
 * with it. What comes from shared memory is copied once and checked.
 */
#ifndef SRR_PORT_H
#define SRR_PORT_H

#include <pthread.h>

#include "peer.h"
#include "process.h"
#include "state.h"

#define NOBODY UINT32_MAX

/* A message that awaits our reply: our own copies of what the slot said. */
struct taken {
    uint64_t serial; /* 0: there is none */
    uint64_t word;   /* its transaction, in RECV */
    uint64_t nbytes, room;
    uint64_t seen;   /* how far into the message we have looked */
    uint64_t written; /* how far into the reply buffer we have written */
    pid_t tid;
    uint8_t lane;
};

/* A sending thread that we have met: one of its process's slots, mapped. */
struct conn {
    uint32_t index;      /* of its entry */
    uint64_t entry;      /* the entry as we accepted it */
    struct peer peer;
    struct slot *slot;
    char *message, *reply; /* the inline areas */
    const a32 *life;     /* the futex word of its robust mutex */
    void *life_map;
    pthread_mutex_t writing; /* one of our threads at a time moves the state */

    /* under the receiver's lock */
    unsigned pins;       /* threads that use the mapping */
    bool buried;         /* unmapped when the last pin goes */
    bool queued;
    uint32_t before, after; /* neighbours in the queue, NOBODY at the ends */
    uint32_t arrival;
    uint8_t priority;
    pid_t tid;           /* of the queued message's sender */
    uint64_t last_look;  /* the word at the last look(), if its sender had rung by then and it was not queued */
    struct taken taken;
};

struct receiver {
    struct process *self;
    struct port *port;
    pthread_mutex_t lock;
    struct conn *conns[ENTRIES];
    uint32_t top;        /* conns[top] and above are empty */
    uint32_t first, last; /* the queue */
    uint32_t selective;  /* threads that wait for one sender only */
    uint32_t calls;      /* of receive(), to look now and then also where nobody ever sleeps */
    int64_t looked;      /* when the last look was */
    uint32_t turn;       /* whose process the next look() checks */
    uint64_t serials;    /* the last one given */
    a32 peer_cpu;        /* CPU + 1 of the last sender that we heard */
};

int receiver_new(struct process *self, struct receiver **ret_receiver);

/* Under the lock: follow the hints; what has arrived is queued. True: something has. */
bool receiver_collect(struct receiver *r);
/* Under the lock: the first in the queue from that pid or tid (0: anyone), or NULL. */
struct conn *receiver_first(struct receiver *r, pid_t from);
void receiver_dequeue(struct receiver *r, struct conn *conn);
/* Under the lock, at a slice's end: what no hint told, and the dead. Only after a collect. */
void receiver_look(struct receiver *r);
/* Under the lock, at each call: the same if the last look is long ago. */
void receiver_look_when_due(struct receiver *r);

/* Under the lock. The sender is dead or was refused: its entry is free again. */
void conn_bury(struct receiver *r, struct conn *conn);
/* Does the thread that sent still live? One load: the kernel keeps that word. */
bool conn_lives(const struct conn *conn);
/* The entry's sender, met now if it must be. NULL: there is none, or it was refused. */
struct conn *conn_meet(struct receiver *r, uint32_t index);

/* BUSY -> a terminal state, and wake the sender. `word`: of the transaction, in any state. */
void conn_end(struct conn *conn, uint64_t word, enum slot_state state, uint32_t status);

/* The message's sender, held (mapped) and to ourselves, or NULL: the message is not ours to answer. */
struct conn *conn_hold(struct receiver *r, uint64_t id, struct taken *ret_taken);
/* What we know of the message now; answered: it is not ours any more. */
void conn_release(struct receiver *r, struct conn *conn, const struct taken *taken, bool answered);
/* The same for one that is mapped (receiver_first() and a pin), not held. */
void conn_unpin(struct receiver *r, struct conn *conn, const struct taken *taken, bool answered);

static inline uint64_t message_id(const struct conn *conn, const struct taken *taken)
{
    return taken->serial << 12 | conn->index;
}

#endif
