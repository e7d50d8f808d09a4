/*
 * port.c - following hints, the queue, and the periodic look. See port.h.
 *
 * A hint is a bit that says: look at this entry. It is cleared before it is followed (rule 4), only by
 * us, and is never believed: what counts is the slot's word, and the CAS that takes it.
 */
#define _GNU_SOURCE
#include "port.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/random.h>

_Static_assert(ENTRIES == 1 << 12, "message_id() has 12 bits for the entry");

int receiver_new(struct process *self, struct receiver **ret_receiver)
{
    struct receiver *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->self = self;
    r->port = &self->front->port;
    r->first = r->last = NOBODY;
    pthread_mutex_init(&r->lock, NULL);
    /* A forked child's serials must not be its parent's: the child would answer for it. */
    if (getrandom(&r->serials, sizeof r->serials, 0) != sizeof r->serials)
        r->serials = self->row_id;
    r->serials >>= 13;
    *ret_receiver = r;
    return 0;
}

/* Priority first, then arrival. Numbers wrap; who claims to come from the future comes last. */
static bool goes_before(const struct conn *a, const struct conn *b, uint32_t now)
{
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return now - a->arrival > now - b->arrival;
}

/* Arrivals come nearly in order, so the place is nearly always the end. */
static void enqueue(struct receiver *r, struct conn *conn)
{
    uint32_t now = atomic_load(&r->port->arrivals);
    uint32_t before = r->last;
    while (before != NOBODY && goes_before(conn, r->conns[before], now))
        before = r->conns[before]->before;
    conn->before = before;
    conn->after = before == NOBODY ? r->first : r->conns[before]->after;
    *(before == NOBODY ? &r->first : &r->conns[before]->after) = conn->index;
    *(conn->after == NOBODY ? &r->last : &r->conns[conn->after]->before) = conn->index;
    conn->queued = true;
}

void receiver_dequeue(struct receiver *r, struct conn *conn)
{
    *(conn->before == NOBODY ? &r->first : &r->conns[conn->before]->after) = conn->after;
    *(conn->after == NOBODY ? &r->last : &r->conns[conn->after]->before) = conn->before;
    conn->before = conn->after = NOBODY;
    conn->queued = false;
}

/* The word if the slot holds a message for us, else 0. */
static uint64_t message_for_us(const struct receiver *r, const struct conn *conn)
{
    uint64_t word = atomic_load(&conn->slot->word);
    if (word_state(word) != SLOT_SENT || word_port(word) != 0 || atomic_load(&conn->slot->target) != r->self->row_id)
        return 0;
    return word;
}

static bool arrived(struct receiver *r, struct conn *conn)
{
    if (!message_for_us(r, conn))
        return false; /* a stale hint */
    if (conn->queued)
        receiver_dequeue(r, conn); /* it left, and came again */
    conn->arrival = atomic_load_explicit(&conn->slot->arrival, memory_order_relaxed);
    conn->priority = atomic_load_explicit(&conn->slot->priority, memory_order_relaxed);
    conn->tid = (pid_t)atomic_load_explicit(&conn->slot->tid, memory_order_relaxed);
    enqueue(r, conn);
    return true;
}

bool receiver_collect(struct receiver *r)
{
    bool news = false;
    if (atomic_load(&r->port->summary) == 0)
        return false;
    for (uint64_t words = atomic_exchange(&r->port->summary, 0); words; words &= words - 1) {
        uint32_t w = (uint32_t)__builtin_ctzll(words);
        for (uint64_t bits = atomic_exchange(&r->port->hints[w], 0); bits; bits &= bits - 1) {
            struct conn *conn = conn_meet(r, w * 64 + (uint32_t)__builtin_ctzll(bits));
            news |= conn && arrived(r, conn);
        }
    }
    return news;
}

struct conn *receiver_first(struct receiver *r, pid_t from)
{
    for (uint32_t i = r->first; i != NOBODY; i = r->conns[i]->after)
        if (from == 0 || r->conns[i]->peer.pid == from ||
            (r->conns[i]->tid == from && is_thread_of(r->conns[i]->peer.pid, from))) /* it might lie about that */
            return r->conns[i];
    return NULL;
}

/*
 * What no hint told us. A message whose sender had rung before the last look, and which is not queued though
 * we have collected since, was lost on its way. It is served, and counted as healed: the count must stay 0
 * where nobody died and nobody scribbled.
 */
static void look_at(struct receiver *r, struct conn *conn)
{
    uint64_t word = conn->queued ? 0 : message_for_us(r, conn);
    if (word != 0 && atomic_load(&conn->slot->rung) != (uint32_t)word_generation(word))
        word = 0;
    if (word != 0 && word == conn->last_look && conn_lives(conn)) {
        arrived(r, conn);
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
                arrived(r, conn);
            continue;
        }
        bool marked = atomic_load(conn->life) >> 30 & 1;
        if (marked || crowded || i == r->turn) {
            if (!peer_alive(&conn->peer)) {
                conn_bury(r, conn);
                continue;
            }
        }
        look_at(r, conn);
    }
    if (crowded)
        futex_wake(&r->port->crowded, INT_MAX);
}
