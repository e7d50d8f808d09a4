/*
 * port.h - the receiver's private side of its port: the senders it has met, its proxies, the queue, the look.
 *
 * All of it is this process's own memory, under one lock among its receiving threads, and vanishes
 * with it. What comes from shared memory is copied once and checked.
 */
#ifndef SRR_PORT_H
#define SRR_PORT_H

#include <pthread.h>
#include <stdlib.h>

#include "pair.h"
#include "peer.h"
#include "process.h"
#include "state.h"

/* The receiver's queue, or a gate's. */
struct line {
    struct queued *first, *last;
};

/* A place in the queue: a message's, a proxy's or a notice's. */
struct queued {
    struct queued *before, *after;
    struct line *in;  /* NULL: in none */
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
    uint32_t asked;  /* receiver_step, as a reply by the window has left it */
    uint8_t lane;
    bool traced;     /* its sender wants to know the times */
};

/* A sending thread that we have met: one of its process's slots, mapped. */
struct conn {
    struct queued queued; /* the first member: a queued thing of SRR_KIND_MESSAGE is a conn */
    uint32_t index;      /* of its entry; at a gate, of its hint */
    uint64_t entry;      /* the entry as we accepted it */
    uint32_t mark;       /* where in row_front.taken its message is shown */
    uint64_t target;     /* what the slot's `target` must be */
    struct guest *guest; /* its process, if it came through a gate */
    struct peer peer;
    struct slot *slot;
    char *message, *reply; /* the inline areas */
    char *window;
    a32 refused; /* the kernel does not let us into its memory: how often we did without since */
    const a32 *_Atomic life; /* the futex word of its robust mutex; a guest's: of the thread that sent last */
    void *life_map;
    pthread_mutex_t writing; /* one of our threads at a time moves the state */

    /* under the receiver's lock */
    pid_t confirmed;     /* a guest's thread: the kernel said that it is one of its process's, */
    int64_t confirmed_ns; /* then */
    unsigned pins;       /* threads that use the mapping */
    bool buried;         /* unmapped when the last pin goes */
    struct conn *same_bucket; /* next in receiver->by_tid */
    pid_t filed_as;      /* the tid that it is there under, 0: it isn't */
    uint64_t last_look;  /* the word at the last look(), if its sender had rung by then and it was not queued */
    struct taken taken;
    uint64_t told;       /* signals that its sender holds back, as far as we made notices of them */
};

/*
 * The senders of one other user (gate.c): a bell of their own, and one turn: of all their messages one at a time is
 * in our queue,
 * with an arrival number of ours; the others are in this line. So a flood of one user delays everybody else by one
 * message.
 */
struct gate {
    uint32_t number;     /* in receiver->gates, + 1: our own port is 0 */
    uint64_t id;
    struct gate_front *front; /* mapped as long as we live: a sleeping thread may be looking at it */
    struct guest *guests[GATE_PAIRS];
    a32 count;           /* of them */
    uint32_t sleepers;   /* our threads that have announced themselves at its bell: until 0 it is no other gate */
    struct line waiting;
    struct queued *shown; /* the one that is in our queue */
};

/* A process that may send to us by a pair, though we may not open its rows. */
struct guest {
    struct gate *gate;
    struct stranger stranger;
    struct pair_header *map;
    uint64_t pair_id;
    uint32_t index;      /* of the pair at its gate */
    uint32_t top;        /* conns[top] and above are empty */
    struct conn *conns[PAIR_SLOTS];
    _Atomic(int64_t) lived_ns; /* the kernel said so */
    _Atomic(uint32_t) uses; /* conns, and being at the gate */
};

#define GATES (WORDS_MAX - 2) /* a thread sleeps on all their bells, on its own port's and on the helper's news */

/* What a receiving thread has read before it looked, and may sleep on. */
struct bells {
    uint32_t own;        /* our own port's */
    uint32_t made;       /* gates_made at that time */
    uint32_t news;       /* the helper's */
    uint32_t count;      /* of all words; 0: there is no other; 2: own and news */
    struct bell_list *all; /* NULL: there has been no gate. Not on the stack of those who have none */
};
struct bell_list {
    struct sleep_word words[WORDS_MAX]; /* our own port's, the news, the gates' */
    struct gate *gates[GATES];
};

#define TID_BUCKETS 512u

struct receiver {
    struct process *self;
    struct port *port;
    pthread_mutex_t lock;
    struct conn *conns[ENTRIES];
    uint32_t top;        /* conns[top] and above are empty */
    struct line line;    /* the queue */
    struct gate *gates[GATES]; /* never freed, but used again; front to back */
    a32 gates_top;       /* gates[top] and above are NULL */
    a32 gates_made;      /* how often a gate has come */
    a32 news;            /* the helper's word that we have heeded */
    a32 rang_last;       /* number of the gate that the last message came by, 0: our own port */
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
/* The same with the priority that it has now. */
void receiver_queue(struct receiver *r, struct queued *q);
bool comes_from(const struct queued *q, pid_t from);
void receiver_dequeue(struct receiver *r, struct queued *q);
/* Under the lock: the flags have changed, and with them the order. */
void receiver_sort(struct receiver *r);
/* What the order goes by, as our flags have it: 0, or the priority of that thread. */
uint8_t receiver_priority(struct receiver *r, pid_t tid);
/* Under the lock: a notice of ours. The bell must be rung afterwards. -ENOMEM. */
int receiver_notice(struct receiver *r, pid_t from, const void *data, uint32_t nbytes);

static inline void line_put(struct line *line, struct queued *before, struct queued *q)
{
    q->before = before;
    q->after = before ? before->after : line->first;
    *(before ? &before->after : &line->first) = q;
    *(q->after ? &q->after->before : &line->last) = q;
    q->in = line;
}
static inline void line_remove(struct queued *q)
{
    *(q->before ? &q->before->after : &q->in->first) = q->after;
    *(q->after ? &q->after->before : &q->in->last) = q->before;
    q->before = q->after = NULL;
    q->in = NULL;
}

/* Under the lock: look at whom this hint is about: queued, if there is a message. */
bool conn_arrived(struct receiver *r, struct conn *conn);
/* Under the lock: what no hint told us about this one. */
void conn_look(struct receiver *r, struct conn *conn);
/* The word if the slot holds a message for us, else 0. */
uint64_t conn_message(const struct conn *conn);

/* gate.c. Under the lock: as receiver_collect(), for other users; who has been let in, is. */
static inline bool is_abroad(const struct receiver *r) { return atomic_load(&r->self->abroad) != 0; }
bool gates_collect_now(struct receiver *r);
static inline bool gates_collect(struct receiver *r)
{
    return __builtin_expect(is_abroad(r), 0) && gates_collect_now(r);
}
void gates_look(struct receiver *r);
/* Under the lock: a message at its gate: in its user's line, and in the queue if it is the first. */
void gate_enqueue(struct conn *conn);
/* Under the lock: it has left the queue: the next one of its user comes in. */
void gate_next(struct receiver *r, struct gate *gate);
/* Under the lock: the first at any gate from that process or thread. */
struct queued *gates_first(struct receiver *r, pid_t from);
void guest_release(struct guest *guest);

/* The words to sleep on, read before a collect; spinning and sleeping on them. */
void bells_read_all(struct receiver *r, struct bells *ret_bells);
static inline void bells_read(struct receiver *r, struct bells *ret_bells)
{
    ret_bells->own = atomic_load(&r->port->bell);
    ret_bells->count = 0;
    ret_bells->made = 0;
    if (__builtin_expect(is_abroad(r), 0))
        bells_read_all(r, ret_bells);
}
static inline void bells_free(struct bells *bells)
{
    if (__builtin_expect(bells->all != NULL, 0))
        free(bells->all);
}
bool gates_spin(struct receiver *r, const struct bells *bells);
static inline bool bells_spin(struct receiver *r, const struct bells *bells)
{
    return bells->count <= 2 ? spin(thread_spinner_receive(), &r->port->bell, bells->own, &r->peer_cpu)
                             : gates_spin(r, bells);
}
int bells_sleep(struct receiver *r, const struct bells *bells, bool first_slice, int64_t ns);
/* To all senders: where we run. */
void gates_publish_cpu(struct receiver *r, uint32_t here);
static inline void port_publish_cpu(struct port *port, uint32_t here)
{
    if (atomic_load_explicit(&port->cpu, memory_order_relaxed) != here)
        atomic_store_explicit(&port->cpu, here, memory_order_relaxed);
}
static inline void bells_publish_cpu(struct receiver *r)
{
    uint32_t here = cpu_here();
    port_publish_cpu(r->port, here);
    if (__builtin_expect(is_abroad(r), 0))
        gates_publish_cpu(r, here);
}

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
/* Does the thread that sent still live? One load: the kernel keeps that word. Of a guest: its process (gate.c). */
bool conn_lives(struct conn *conn);
bool guest_lives(struct conn *conn);
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
/* Under the lock: what our rows show of the message that awaits our reply (row_front.taken); a guest's where there is
 * room. */
static inline void conn_mark(struct receiver *r, struct conn *conn, uint64_t taken)
{
    a64 *table = r->self->front->taken;
    if (!conn->guest)
        conn->mark = conn->index;
    else if (taken != 0)
        for (conn->mark = ENTRIES - 1; conn->mark > 0 && atomic_load(&table[conn->mark]) != 0;)
            conn->mark--;
    atomic_store_explicit(&table[conn->mark], taken, memory_order_relaxed);
}
/* Under the lock: the message was taken; SRR_SENDER() finds it. */
void conn_file(struct receiver *r, struct conn *conn);

/* 63: it is none (SRR_SENDER); 62 to 19: serial; 18 to 12: gate; 11 to 0: entry, or hint at the gate. */
#define SERIAL_BITS 44
static inline uint64_t message_id(const struct conn *conn, const struct taken *taken)
{
    uint64_t gate = conn->guest ? conn->guest->gate->number : 0;
    return taken->serial << 19 | gate << 12 | conn->index;
}

#endif
