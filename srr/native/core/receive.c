/*
 * receive.c - Receive and Creceive: take a message, fetch its bytes, look whether it is still there.
 *
 * Reading without a lock (rule 3: reads validate after): between the take and the end of the copy the
 * sender may leave. What was read is thrown away unless the word is still the one that we made:
 *
 *     receiver                             sender
 *     CAS SENT -> RECV (generation g)
 *     copies bytes, half                   time-out: CAS RECV -> IDLE; its buffer changes
 *     copies bytes, the rest
 *     word == RECV(g)? no: throw away
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "port.h"
#include "srr.h"
#include "transfer.h"

#define TRY_THE_NEXT 1

/* Under the lock: the message becomes ours, or it is dropped from the queue. */
static bool take(struct receiver *r, struct conn *conn, struct taken *ret_taken)
{
    struct slot *slot = conn->slot;
    uint64_t word = atomic_load(&slot->word);
    receiver_dequeue(r, conn);
    if (word_state(word) != SLOT_SENT || word_port(word) != 0 || atomic_load(&slot->target) != r->self->row_id)
        return false;
    if (!conn_lives(conn)) {
        if (!peer_alive(&conn->peer))
            conn_bury(r, conn);
        return false; /* the message of a dead thread vanishes */
    }
    /* The description was written before the word; if it changes now, the CAS fails. */
    struct taken taken = {.serial = ++r->serials & ((UINT64_C(1) << 52) - 1),
                          .word = word_with(word, SLOT_RECV),
                          .nbytes = atomic_load(&slot->nbytes),
                          .room = atomic_load(&slot->room),
                          .tid = (pid_t)atomic_load(&slot->tid),
                          .lane = atomic_load(&slot->lane)};
    atomic_store_explicit(&r->peer_cpu, atomic_load(&slot->cpu), memory_order_relaxed);
    if (!atomic_compare_exchange_strong(&slot->word, &word, taken.word))
        return false; /* it left; if it came again it has rung again */
    *ret_taken = conn->taken = taken;
    conn->pins++;
    return true;
}

/* Fetch the message's beginning. Bytes copied, or a failure: whose, tells the errno as remote_read() does. */
static int64_t fetch(struct conn *conn, const struct taken *taken, const struct iovec *buffer, int parts,
                     uint64_t size)
{
    struct remote remote = {.pid = conn->peer.pid, .tid = taken->tid};
    uint64_t length, n = taken->nbytes < size ? taken->nbytes : size;
    if (taken->lane == SRR_LANE_INLINE && taken->nbytes <= INLINE_SIZE)
        return (int64_t)scatter(buffer, parts, conn->message, n);
    if (taken->lane == SRR_LANE_NONE && taken->nbytes == 0)
        return 0;
    if (taken->lane != SRR_LANE_DIRECT)
        return -EINVAL;
    int r = remote_load(&remote, conn->slot->parts, atomic_load(&conn->slot->message_parts), &length);
    if (r < 0 || length != taken->nbytes)
        return -EINVAL;
    return remote_read(&remote, 0, buffer, parts);
}

/* This Send can not be served: end it, as never received. A sender that has left meanwhile has its way. */
static void reject(struct conn *conn, const struct taken *taken, int error)
{
    uint64_t word = taken->word;
    if (!atomic_compare_exchange_strong(&conn->slot->word, &word, word_with(word, SLOT_BUSY)))
        return;
    conn_end(conn, word, SLOT_FAILN, (uint32_t)error);
}

/* The lock is released, the connection pinned. 0, TRY_THE_NEXT, or a failure of our own. */
static int deliver(struct receiver *r, struct conn *conn, struct taken *taken, const struct iovec *buffer, int parts,
                   uint64_t size, struct srr_message *ret_message)
{
    int64_t copied = fetch(conn, taken, buffer, parts, size);
    int result = TRY_THE_NEXT;
    /* That the thread lives after the copy, too: else its number may be a stranger's, and the bytes with it. */
    if (copied >= 0 && atomic_load(&conn->slot->word) == taken->word && conn_lives(conn)) {
        taken->seen = (uint64_t)copied;
        *ret_message = (struct srr_message){.id = message_id(conn, taken),
                                            .nbytes = taken->nbytes,
                                            .copied = (uint64_t)copied,
                                            .room = taken->room,
                                            .tid = taken->tid,
                                            .pid = conn->peer.pid,
                                            .uid = conn->peer.uid,
                                            .lane = taken->lane};
        atomic_fetch_add_explicit(&r->self->front->header.received, 1, memory_order_relaxed);
        result = 0;
    } else if (copied == -EFAULT) {
        reject(conn, taken, EFAULT);
        result = -EFAULT;
    } else if (copied < 0 && copied != -ESRCH) {
        reject(conn, taken, copied == -SRR_EDSTFAULT ? EFAULT : (int)-copied);
    }
    conn_unpin(r, conn, taken, result != 0);
    return result;
}

static void publish_cpu(struct port *port)
{
    uint32_t here = cpu_here();
    if (atomic_load_explicit(&port->cpu, memory_order_relaxed) != here)
        atomic_store_explicit(&port->cpu, here, memory_order_relaxed);
}

/* Sleep until the bell rings, at most a slice. */
static int sleep_on_bell(struct receiver *r, uint32_t bell, pid_t from, int64_t ns)
{
    struct port *port = r->port;
    if (from != 0) {
        pthread_mutex_lock(&r->lock);
        if (r->selective++ == 0)
            atomic_fetch_or(&port->sleepers, SLEEPERS_WAKE_ALL);
        pthread_mutex_unlock(&r->lock);
    }
    atomic_fetch_add(&port->sleepers, 1);
    int slept = futex_sleep(&port->bell, bell, ns);
    atomic_fetch_sub(&port->sleepers, 1);
    if (from != 0) {
        pthread_mutex_lock(&r->lock);
        if (--r->selective == 0)
            atomic_fetch_and(&port->sleepers, ~SLEEPERS_WAKE_ALL);
        pthread_mutex_unlock(&r->lock);
    }
    return slept;
}

static void wake_others(struct port *port)
{
    if (atomic_load(&port->sleepers) != 0)
        futex_wake(&port->bell, INT_MAX);
}

/* At a slice's end: the dead, the lost, the caller's own wish. */
static int look_up(struct receiver *r, pid_t from, struct patience *patience)
{
    pthread_mutex_lock(&r->lock);
    receiver_collect(r);
    receiver_look(r);
    pthread_mutex_unlock(&r->lock);
    int why = patience_look(patience);
    return why == 0 && from != 0 ? sender_exists(from) : why;
}

static int receive(pid_t from, const struct iovec *buffer, int parts, const struct srr_wait *wait, bool conditional,
                   struct srr_message *ret_message)
{
    uint64_t size;
    struct patience patience;
    struct taken taken;
    int why = parts_length(buffer, parts, &size);
    if (why < 0)
        return why;
    if (from < 0)
        return -ESRCH;
    struct process *self = process_self(&why);
    if (!self)
        return why;
    struct receiver *r = self->receiver;
    struct port *port = r->port;
    why = 0;
    patience_begin(&patience, wait, SLICE_LONGEST);
    bool asleep = false, asked = false;
    for (;;) {
        uint32_t bell = atomic_load(&port->bell); /* (c) in link.c; before the collect, (d) */
        publish_cpu(port);
        pthread_mutex_lock(&r->lock);
        bool news = receiver_collect(r);
        receiver_look_when_due(r);
        struct conn *conn = receiver_first(r, from);
        bool ours = conn && take(r, conn, &taken);
        pthread_mutex_unlock(&r->lock);
        /* What we collected may be others', and their wake ours: whoever waits for one sender passes it on. */
        if (from != 0 && news)
            wake_others(port);
        if (conn) {
            why = ours ? deliver(r, conn, &taken, buffer, parts, size, ret_message) : TRY_THE_NEXT;
            if (why == TRY_THE_NEXT)
                continue;
            break;
        }
        if (conditional)
            why = from != 0 && sender_exists(from) < 0 ? -ESRCH : -ENOMSG;
        else if (from != 0 && !asked)
            why = sender_exists(from);
        else
            why = patience_check(&patience); /* after the scan: a wake that we consumed is not lost (rule 8) */
        asked = true;
        if (why != 0)
            break;
        if (spin(thread_spinner_receive(), &port->bell, bell, &r->peer_cpu))
            continue;
        if (!asleep) {
            asleep = true;
            atomic_store_explicit(&port->since_ns, (uint64_t)now_ns(), memory_order_relaxed);
            atomic_store_explicit(&port->from, (uint32_t)from, memory_order_relaxed);
        }
        int slept = sleep_on_bell(r, bell, from, patience_slice(&patience));
        if (slept == -EINTR)
            why = -EINTR;
        else if (slept == -ETIMEDOUT || patience_is_due(&patience))
            why = look_up(r, from, &patience);
        if (why != 0) {
            if (slept == 0) /* we leave, having consumed a wake: somebody else must look (rule 8) */
                wake_others(port);
            break;
        }
    }
    return why;
}

int srr_receive(pid_t from, const struct iovec *buffer, int parts, const struct srr_wait *wait,
                struct srr_message *ret_message)
{
    return receive(from, buffer, parts, wait, false, ret_message);
}

int srr_creceive(pid_t from, const struct iovec *buffer, int parts, struct srr_message *ret_message)
{
    return receive(from, buffer, parts, NULL, true, ret_message);
}
