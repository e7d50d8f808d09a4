/*
 * port.c - following hints, the queue, notices, and the periodic look. See port.h.
 *
 * A hint is a bit that says: look at this entry. It is cleared before it is followed (rule 4), only by
 * us, and is never believed: what counts is the slot's word, and the CAS that takes it.
 */
#define _GNU_SOURCE
#include "port.h"
#include "priority.h"
#include "srr.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

_Static_assert(ENTRIES == 1 << 12 && GATES < 1 << 7, "message_id() has 12 bits for the entry, 7 for the gate");

int receiver_new(struct process *self, struct receiver **ret_receiver)
{
    struct receiver *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->self = self;
    r->port = &self->front->port;
    for (uint32_t i = 0; i < PROXIES; i++)
        r->proxies[i].kind = SRR_KIND_PROXY;
    pthread_mutex_init(&r->lock, NULL);
    /* A forked child's serials must not be its parent's: the child would answer for it. */
    if (getrandom(&r->serials, sizeof r->serials, 0) != sizeof r->serials)
        r->serials = self->row_id;
    r->serials >>= 64 - SERIAL_BITS;
    *ret_receiver = r;
    return 0;
}

/* Priority first, then arrival. Numbers wrap; who claims to come from the future comes last. */
static bool goes_before(const struct queued *a, const struct queued *b, uint32_t now)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return now - a->arrival > now - b->arrival;
}

/* Arrivals come nearly in order, so the place is nearly always the end. */
void receiver_enqueue(struct receiver *r, struct queued *q)
{
    uint32_t now = atomic_load(&r->port->arrivals);
    struct queued *before = r->line.last;
    while (before && goes_before(q, before, now))
        before = before->before;
    line_put(&r->line, before, q);
}

void receiver_dequeue(struct receiver *r, struct queued *q)
{
    struct guest *guest = q->kind == SRR_KIND_MESSAGE ? ((struct conn *)(void *)q)->guest : NULL;
    line_remove(q);
    if (guest && guest->gate->shown == q)
        gate_next(r, guest->gate);
}

uint8_t receiver_priority(struct receiver *r, pid_t tid)
{
    if ((atomic_load_explicit(&r->port->flags, memory_order_relaxed) &
         (SRR_FLAG_PRIORITY_REC | SRR_FLAG_PRIORITY_FLOAT)) == 0)
        return 0;
    int priority = priority_of(tid);
    return priority < 0 ? 0 : (uint8_t)priority;
}

/* The sender's word about its thread counts for nothing until the kernel has confirmed it. */
static uint8_t sender_priority(struct receiver *r, const struct conn *conn)
{
    return is_thread_of(conn->peer.pid, conn->queued.from) ? receiver_priority(r, conn->queued.from) : 0;
}

/* The system's own come first. */
static uint8_t notice_priority(struct receiver *r) { return receiver_priority(r, 0) ? PRIORITY_MOST : 0; }

static uint8_t priority_now(struct receiver *r, const struct queued *q)
{
    switch (q->kind) {
    case SRR_KIND_MESSAGE:
        return receiver_priority(r, 0) ? sender_priority(r, (const struct conn *)(const void *)q) : 0;
    case SRR_KIND_PROXY:
        return receiver_priority(r, 0) ? atomic_load(&r->self->front->proxies[q - r->proxies].priority) : 0;
    default:
        return notice_priority(r);
    }
}

void receiver_sort(struct receiver *r)
{
    struct queued *q = r->line.first, *next;
    r->line = (struct line){NULL, NULL};
    for (; q; q = next) {
        next = q->after;
        q->priority = priority_now(r, q);
        receiver_enqueue(r, q);
    }
}

void receiver_queue(struct receiver *r, struct queued *q)
{
    q->priority = priority_now(r, q);
    receiver_enqueue(r, q);
}

int receiver_notice(struct receiver *r, pid_t from, const void *data, uint32_t nbytes)
{
    struct notice *notice = calloc(1, sizeof *notice);
    if (!notice)
        return -ENOMEM;
    notice->queued.kind = SRR_KIND_NOTICE;
    notice->queued.from = from;
    notice->queued.arrival = atomic_fetch_add(&r->port->arrivals, 1);
    notice->nbytes = nbytes;
    memcpy(notice->data, data, nbytes);
    notice->queued.priority = notice_priority(r);
    receiver_enqueue(r, &notice->queued);
    return 0;
}

uint64_t conn_message(const struct conn *conn)
{
    uint64_t word = atomic_load(&conn->slot->word);
    if (word_state(word) != SLOT_SENT || word_port(word) != 0 || atomic_load(&conn->slot->target) != conn->target)
        return 0;
    return word;
}

/* A sender that is REPLY-blocked on us holds back signals: we are to know (SRR_FLAG_SIGCATCH). */
static bool tells_signals(struct receiver *r, struct conn *conn)
{
    if ((atomic_load_explicit(&r->port->flags, memory_order_relaxed) & SRR_FLAG_SIGCATCH) == 0 ||
        conn->taken.serial == 0)
        return false;
    /* The word second: if it still is our message's, so were the bits. They stay there: taking them could take those of
     * the sender's next transaction, with another receiver, which would never be told. */
    uint64_t bits = atomic_load(&conn->slot->signals) & ~conn->told, word = atomic_load(&conn->slot->word);
    if (bits == 0 || !word_same_transaction(word, conn->taken.word) || state_is_terminal(word_state(word)))
        return false;
    struct {
        uint16_t type, subtype;
        uint32_t bits;
    } message = {0, 1, (uint32_t)bits}; /* QNX4's long has room for the first 32 */
    if (receiver_notice(r, conn->taken.tid, &message, sizeof message) != 0)
        return false;
    conn->told |= bits;
    return true;
}

bool conn_arrived(struct receiver *r, struct conn *conn)
{
    if (!conn_message(conn))
        return tells_signals(r, conn); /* or a stale hint */
    if (conn->queued.in)
        receiver_dequeue(r, &conn->queued); /* it left, and came again */
    conn->queued.arrival = atomic_load_explicit(&conn->slot->arrival, memory_order_relaxed);
    if (conn->guest) {
        gate_enqueue(conn);
        return true;
    }
    conn->queued.from = (pid_t)atomic_load_explicit(&conn->slot->tid, memory_order_relaxed);
    receiver_queue(r, &conn->queued);
    return true;
}

bool receiver_collect(struct receiver *r)
{
    bool news = gates_collect(r);
    struct port *port = r->port;
    if (atomic_load(&port->summary) != 0)
        for (uint64_t words = atomic_exchange(&port->summary, 0); words; words &= words - 1) {
            uint32_t w = (uint32_t)__builtin_ctzll(words);
            for (uint64_t bits = atomic_exchange(&port->hints[w], 0); bits; bits &= bits - 1) {
                struct conn *conn = conn_meet(r, w * 64 + (uint32_t)__builtin_ctzll(bits));
                news |= conn && conn_arrived(r, conn);
            }
        }
    for (uint32_t w = 0; w < PROXIES / 64; w++)
        if (atomic_load(&port->proxy_hints[w]) != 0)
            for (uint64_t bits = atomic_exchange(&port->proxy_hints[w], 0); bits; bits &= bits - 1)
                news |= proxy_arrived(r, w * 64 + (uint32_t)__builtin_ctzll(bits));
    return news;
}

bool comes_from(const struct queued *q, pid_t from)
{
    if (q->from == from) {
        if (q->kind != SRR_KIND_MESSAGE)
            return true;
        const struct conn *conn = (const struct conn *)(const void *)q;
        return conn->peer.pid == from || is_thread_of(conn->peer.pid, from); /* it might lie about that */
    }
    return q->kind == SRR_KIND_MESSAGE && ((const struct conn *)(const void *)q)->peer.pid == from;
}

struct queued *receiver_first(struct receiver *r, pid_t from)
{
    struct queued *q = r->line.first;
    while (q && from != 0 && !comes_from(q, from))
        q = q->after;
    return q || from == 0 ? q : gates_first(r, from);
}

/*
 * What no hint told us. A message whose sender had rung before the last look, and which is not queued though
 * we have collected since, was lost on its way. It is served, and counted as healed: the count must stay 0
 * where nobody died and nobody scribbled.
 */
void conn_look(struct receiver *r, struct conn *conn)
{
    tells_signals(r, conn); /* the hint may have come while we were writing a reply */
    uint64_t word = conn->queued.in ? 0 : conn_message(conn);
    if (word != 0 && atomic_load(&conn->slot->rung) != (uint32_t)word_generation(word))
        word = 0;
    if (word != 0 && word == conn->last_look && conn_lives(conn)) {
        conn_arrived(r, conn);
        atomic_fetch_add_explicit(&r->self->front->header.healed, 1, memory_order_relaxed);
    }
    conn->last_look = word;
}

void receiver_look_when_due(struct receiver *r) /* receive() has just collected */
{
    if (++r->calls % 256 == 0 || atomic_load_explicit(&r->port->crowded, memory_order_relaxed) != 0)
        if (now_ns() - r->looked >= SLICE_LONGEST)
            receiver_look(r);
}

void receiver_look(struct receiver *r)
{
    r->looked = now_ns();
    bool crowded = atomic_exchange(&r->port->crowded, 0) != 0;
    uint32_t end = crowded ? ENTRIES : r->top + 64 < ENTRIES ? r->top + 64 : ENTRIES;
    /* Whose thread died without a word says so itself; that a whole process is gone is asked of the
     * kernel, some 20 us each: one at a look, all when there is no room left. */
    r->turn = r->turn + 1 < r->top ? r->turn + 1 : 0;
    for (uint32_t i = 0; i < end; i++) {
        struct conn *conn = r->conns[i];
        uint64_t entry = atomic_load(&r->self->front->entries[i]);
        if (!conn || (entry != conn->entry && conn->taken.serial == 0)) {
            /* Claimed but never rung, or met at a time when we had no descriptors left; or scribbled over while
             * we owed a reply, and claimed by another one, whose hint we took for the old one's. */
            conn = conn || entry != 0 ? conn_meet(r, i) : NULL;
            if (conn)
                conn_arrived(r, conn);
            continue;
        }
        bool marked = atomic_load(conn->life) >> 30 & 1;
        if (marked || crowded || i == r->turn) {
            if (!peer_alive(&conn->peer)) {
                conn_bury(r, conn);
                continue;
            }
        }
        conn_look(r, conn);
    }
    gates_look(r);
    proxies_look(r);
    if (crowded)
        futex_wake(&r->port->crowded, INT_MAX);
}
