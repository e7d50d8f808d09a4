/*
 * conn.c - meeting senders, holding them while a thread works for them, burying them. See port.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "map.h"
#include "port.h"
#include "srr.h"

static void discard(struct conn *conn)
{
    if (conn->guest) {
        guest_release(conn->guest);
    } else {
        unmap_shared(conn->slot, SLOT_STRIDE);
        unmap_shared(conn->life_map, PAGE);
    }
    pthread_mutex_destroy(&conn->writing);
    free(conn);
}

/* Opens and maps what the entry names. 0, or why not. */
static int introduce(struct conn *conn)
{
    int row, life;
    uint32_t word_at, slot = entry_slot(conn->entry);
    int r = peer_meet(entry_pid(conn->entry), (int)entry_fd(conn->entry), &conn->peer, &row);
    if (r < 0)
        return r;
    r = -ESRCH; /* the entry is an earlier process's of that number */
    if (entry_make(conn->peer.pid, slot, (uint32_t)conn->peer.row_fd, conn->peer.row_id) == conn->entry)
        r = peer_open_life(&conn->peer, &life, &word_at);
    if (r == 0) {
        off_t at = LIFE_AT + (off_t)slot * LIFE_STRIDE;
        char *map = map_shared(row, SLOT_STRIDE, PROT_READ | PROT_WRITE,
                               (off_t)ROW_SLOTS_AT + (off_t)slot * SLOT_STRIDE);
        conn->slot = (struct slot *)(void *)map;
        conn->life_map = map_shared(life, PAGE, PROT_READ, at / PAGE * PAGE);
        close(life);
        r = conn->slot && conn->life_map ? 0 : -ENOMEM;
        if (r == 0) {
            conn->message = map + SLOT_MESSAGE_AT;
            conn->reply = map + SLOT_REPLY_AT;
            conn->window = map + SLOT_WINDOW_AT;
            conn->life = (const a32 *)(const void *)((char *)conn->life_map + at % PAGE + word_at);
        }
    }
    close(row);
    return r;
}

struct conn *conn_meet(struct receiver *r, uint32_t index)
{
    a64 *word = &r->self->front->entries[index];
    uint64_t entry = atomic_load(word);
    struct conn *conn = r->conns[index];
    if (conn && (conn->entry == entry || conn->taken.serial != 0))
        return conn; /* an entry scribbled over while we owe a reply: we know better */
    if (conn)
        conn_bury(r, conn);
    if (entry == 0)
        return NULL;
    if (entry == entry_refused(entry, (int)entry_fd(entry))) {
        if (process_exists(entry_pid(entry)) == -ESRCH) /* it will never read our refusal */
            atomic_compare_exchange_strong(word, &entry, 0);
        return NULL;
    }
    conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL; /* the look() tries again */
    conn->index = index;
    conn->entry = entry;
    conn->target = r->self->row_id;
    conn->queued.kind = SRR_KIND_MESSAGE;
    pthread_mutex_init(&conn->writing, NULL);
    int error = introduce(conn);
    if (error == 0) {
        r->conns[index] = conn;
        atomic_fetch_add_explicit(&r->self->front->header.clients, 1, memory_order_relaxed);
        if (r->top <= index)
            r->top = index + 1;
        return conn;
    }
    discard(conn);
    if (error == -EMFILE || error == -ENFILE || error == -ENOMEM)
        return NULL; /* ours to mend, not the sender's fault: the look() tries again */
    bool gone = error == -ESRCH || error == -ENOENT;
    atomic_compare_exchange_strong(word, &entry, gone ? 0 : entry_refused(entry, -error));
    return NULL;
}

bool conn_lives(struct conn *conn)
{
    if (conn->guest)
        return guest_lives(conn);
    return life_is(conn->life, (pid_t)atomic_load_explicit(&conn->slot->tid, memory_order_relaxed));
}

static struct conn **bucket(struct receiver *r, pid_t tid) { return &r->by_tid[(uint32_t)tid % TID_BUCKETS]; }

static void unfile(struct receiver *r, struct conn *conn)
{
    if (conn->filed_as == 0)
        return;
    struct conn **at = bucket(r, conn->filed_as);
    while (*at != conn)
        at = &(*at)->same_bucket;
    *at = conn->same_bucket;
    conn->filed_as = 0;
}

void conn_file(struct receiver *r, struct conn *conn)
{
    struct conn **at = bucket(r, conn->taken.tid);
    if (conn->filed_as == conn->taken.tid && *at == conn)
        return; /* nearly always */
    unfile(r, conn);
    conn->filed_as = conn->taken.tid;
    conn->same_bucket = *at;
    *at = conn; /* in front: a thread's latest message is found first */
}

static struct conn *conn_at(struct receiver *r, uint32_t gate, uint32_t index)
{
    if (gate == 0)
        return r->conns[index];
    struct guest *guest = gate <= atomic_load(&r->gates_top) ? r->gates[gate - 1]->guests[index / PAIR_SLOTS] : NULL;
    return guest ? guest->conns[index % PAIR_SLOTS] : NULL;
}

/* Under the lock. */
static struct conn *find_message(struct receiver *r, uint64_t id, uint64_t *ret_serial)
{
    struct conn *conn;
    if (id >> 63 == 0) {
        *ret_serial = id >> 19;
        return conn_at(r, id >> 12 & 0x7f, id % ENTRIES);
    }
    pid_t tid = (pid_t)id;
    for (conn = *bucket(r, tid); conn; conn = conn->same_bucket)
        if (conn->filed_as == tid && conn->taken.serial != 0)
            break;
    *ret_serial = conn ? conn->taken.serial : 0;
    return conn;
}

void conn_bury(struct receiver *r, struct conn *conn)
{
    uint64_t entry = conn->entry;
    if (conn->queued.in)
        receiver_dequeue(r, &conn->queued);
    unfile(r, conn);
    atomic_fetch_sub_explicit(&r->self->front->header.clients, 1, memory_order_relaxed);
    if (conn->guest) {
        conn->guest->conns[conn->index % PAIR_SLOTS] = NULL;
    } else {
        r->conns[conn->index] = NULL;
        while (r->top > 0 && !r->conns[r->top - 1])
            r->top--;
        atomic_compare_exchange_strong(&r->self->front->entries[conn->index], &entry, 0);
    }
    conn->buried = true;
    conn->taken.serial = 0;
    conn_mark(r, conn, 0);
    if (conn->pins == 0)
        discard(conn);
}

/*
 * Nothing may come between the exchange and the wake but our own death, which the sender's look finds. The
 * sender announces itself and then compares the word; we exchange the word and then look whether it did.
 */
void conn_end(struct conn *conn, const struct taken *taken, enum slot_state state, uint32_t status)
{
    struct slot *slot = conn->slot;
    atomic_store_explicit(&slot->status, status, memory_order_relaxed);
    if (taken->lane == SRR_LANE_WINDOW) /* perhaps not what the sender had in mind */
        atomic_store_explicit(&slot->lane, taken->lane, memory_order_relaxed);
    if (taken->traced) {
        atomic_store_explicit(&slot->received_ns, taken->received_ns, memory_order_relaxed);
        atomic_store_explicit(&slot->transfer_ns, taken->transfer_ns, memory_order_relaxed);
        atomic_store_explicit(&slot->replied_ns, (uint64_t)now_ns(), memory_order_relaxed);
        atomic_store_explicit(&slot->taken_by, (uint32_t)taken->by, memory_order_relaxed);
    }
    atomic_exchange(&slot->word, word_with(taken->word, state));
    if (atomic_load(&slot->sleeping)) {
        futex_wake(low_half(&slot->word), 1);
        atomic_store(&slot->woken, (uint32_t)word_generation(taken->word));
    }
}

static bool awaits(const struct conn *conn, uint64_t serial, struct taken *ret_taken)
{
    bool ours = conn && serial != 0 && conn->taken.serial == serial;
    if (ours)
        *ret_taken = conn->taken;
    return ours;
}

/* Under the lock; it is given up. */
static void unpin(struct receiver *r, struct conn *conn)
{
    bool last = --conn->pins == 0 && conn->buried;
    pthread_mutex_unlock(&r->lock);
    if (last)
        discard(conn);
}

static struct conn *hold(struct receiver *r, uint64_t id, struct taken *ret_taken)
{
    uint64_t serial;
    pthread_mutex_lock(&r->lock);
    struct conn *conn = find_message(r, id, &serial);
    if (!awaits(conn, serial, ret_taken)) {
        pthread_mutex_unlock(&r->lock);
        return NULL;
    }
    conn->pins++;
    if (pthread_mutex_trylock(&conn->writing) == 0) {
        pthread_mutex_unlock(&r->lock);
        return conn;
    }
    /* Another of our threads is at it: wait for it, then look whether the message is still there. */
    pthread_mutex_unlock(&r->lock);
    pthread_mutex_lock(&conn->writing);
    pthread_mutex_lock(&r->lock);
    if (awaits(conn, serial, ret_taken)) {
        pthread_mutex_unlock(&r->lock);
        return conn;
    }
    pthread_mutex_unlock(&conn->writing);
    unpin(r, conn);
    return NULL;
}

/* Under the lock. If the serial is another message's by now, what we know is of no use. */
static void note(struct receiver *r, struct conn *conn, const struct taken *taken, bool answered)
{
    if (conn->taken.serial == taken->serial) {
        conn->taken = *taken;
        if (answered) {
            conn->taken.serial = 0;
            if (!conn->buried)
                conn_mark(r, conn, 0);
        }
    }
}

void conn_unpin(struct receiver *r, struct conn *conn, const struct taken *taken, bool answered)
{
    pthread_mutex_lock(&r->lock);
    note(r, conn, taken, answered);
    unpin(r, conn);
}

int message_hold(uint64_t id, struct held *ret_held)
{
    int r;
    struct process *self = process_self(&r);
    if (!self)
        return r;
    ret_held->receiver = self->receiver;
    ret_held->conn = hold(self->receiver, id, &ret_held->taken);
    return ret_held->conn ? 0 : -ESRCH;
}

void message_release(struct held *held, bool answered)
{
    pthread_mutex_lock(&held->receiver->lock);
    note(held->receiver, held->conn, &held->taken, answered);
    pthread_mutex_unlock(&held->conn->writing);
    unpin(held->receiver, held->conn);
}

bool message_begin_write(struct held *held)
{
    uint64_t word = held->taken.word;
    if (!atomic_compare_exchange_strong(&held->conn->slot->word, &word, word_with(word, SLOT_BUSY)))
        return false;
    if (conn_lives(held->conn))
        return true;
    conn_end(held->conn, &held->taken, SLOT_FAILR, ESRCH); /* nobody is there to see it, unless it lied about its thread */
    return false;
}
