/*
 * port.h - the receiver's private side of its port: the senders it has met, its proxies, the queue, the look.
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

/* A place in the queue: a message's, a proxy's or a notice's. */
struct queued {
    struct queued *before, *after;
    bool in;
    uint8_t kind;     /* enum srr_kind */
    uint8_t priority; /* 0 where the order is that of arrival alone */
    uint32_t arrival;
    pid_t from;       /* sending thread, proxy's id, whom the notice is about */
};

/* A system message: private, made by ourselves. */
struct notice {
    struct queued queued;
    uint32_t nbytes;
    char data[64];
};

/* A message that awaits our reply: our own copies of what the slot said. */
struct taken {
    uint64_t serial; /* 0: there is none */
    uint64_t word;   /* its transaction, in RECV */
    uint64_t nbytes, room;
    uint64_t seen;   /* how far into the message we have looked */
    uint64_t written; /* how far into the reply buffer we have written */
    uint64_t received_ns, transfer_ns; /* with traced */
    pid_t tid, by;   /* the sending thread, and ours that took it */
    uint64_t prefilled; /* bytes of the message that are in the window, and not overwritten yet */
    uint8_t lane;
    bool traced;     /* its sender wants to know the times */
};

/* A sending thread that we have met: one of its process's slots, mapped. */
struct conn {
    struct queued queued; /* the first member: a queued thing of SRR_KIND_MESSAGE is a conn */
    uint32_t index;      /* of its entry */
    uint64_t entry;      /* the entry as we accepted it */
    struct peer peer;
    struct slot *slot;
    char *message, *reply; /* the inline areas */
    char *window;
    uint32_t refused;    /* the kernel does not let us into its memory: how often we did without since; under `writing` */
    const a32 *life;     /* the futex word of its robust mutex */
    void *life_map;
    pthread_mutex_t writing; /* one of our threads at a time moves the state */

    /* under the receiver's lock */
    unsigned pins;       /* threads that use the mapping */
    bool buried;         /* unmapped when the last pin goes */
    struct conn *same_bucket; /* next in receiver->by_tid */
    pid_t filed_as;      /* the tid that it is there under, 0: it isn't */
    uint64_t last_look;  /* the word at the last look(), if its sender had rung by then and it was not queued */
    struct taken taken;
    uint64_t told;       /* signals that its sender holds back, as far as we made notices of them */
};

#define TID_BUCKETS 512u

struct receiver {
    struct process *self;
    struct port *port;
    pthread_mutex_t lock;
    struct conn *conns[ENTRIES];
    uint32_t top;        /* conns[top] and above are empty */
    struct queued *first, *last; /* the queue */
    struct queued proxies[PROXIES]; /* those of our rows' that are queued */
    struct conn *by_tid[TID_BUCKETS]; /* whose messages we have taken */
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
/* Under the lock: the first in the queue from that pid, tid or proxy (0: anyone), or NULL. */
struct queued *receiver_first(struct receiver *r, pid_t from);
void receiver_enqueue(struct receiver *r, struct queued *q);
void receiver_dequeue(struct receiver *r, struct queued *q);
/* Under the lock: the flags have changed, and with them the order. */
void receiver_sort(struct receiver *r);
/* What the order goes by, as our flags have it: 0, or the priority of that thread. */
uint8_t receiver_priority(struct receiver *r, pid_t tid);
/* Under the lock: a notice of ours. The bell must be rung afterwards. -ENOMEM. */
int receiver_notice(struct receiver *r, pid_t from, const void *data, uint32_t nbytes);

/* Under the lock (proxy_in.c): a hint said: look at that proxy; queued if it was triggered. */
bool proxy_arrived(struct receiver *r, uint32_t index);
/* Under the lock: what a queued proxy carries; its length. */
uint32_t proxy_data(struct receiver *r, const struct queued *q, char data[PROXY_SIZE_MAX]);
/* Under the lock: one trigger is ours; it is dequeued, or queued again if there are more. False: there was none. */
bool proxy_take(struct receiver *r, struct queued *q);
/* Under the lock, at a look: triggers that no hint told, and proxies whose thread is dead. */
void proxies_look(struct receiver *r);
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

/* BUSY -> a terminal state, and wake the sender. */
void conn_end(struct conn *conn, const struct taken *taken, enum slot_state state, uint32_t status);

/* A message that awaits its reply, held: its sender mapped and to ourselves; and our own copy of what we know. */
struct held {
    struct receiver *receiver;
    struct conn *conn;
    struct taken taken;
};
/* By id or SRR_SENDER(). -ESRCH: it is not ours to answer. */
int message_hold(uint64_t id, struct held *ret_held);
/* What we know of the message now; answered: it is not ours any more. */
void message_release(struct held *held, bool answered);
/* The same for one that is mapped (receiver_first() and a pin), not held. */
void conn_unpin(struct receiver *r, struct conn *conn, const struct taken *taken, bool answered);
/* RECV -> BUSY: the sender's buffers are ours to write until we say so. False: it left, or is dead. */
bool message_begin_write(struct held *held);
/* Under the lock: what our rows show of the message that awaits our reply (row_front.taken). */
static inline void conn_mark(struct receiver *r, const struct conn *conn, uint64_t taken)
{
    atomic_store_explicit(&r->self->front->taken[conn->index], taken, memory_order_relaxed);
}
/* Under the lock: the message was taken; SRR_SENDER() finds it. */
void conn_file(struct receiver *r, struct conn *conn);

static inline uint64_t message_id(const struct conn *conn, const struct taken *taken)
{
    return taken->serial << 12 | conn->index;
}

#endif
