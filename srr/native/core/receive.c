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
#include <stdlib.h>
#include <unistd.h>

#include "helper.h"
#include "lane.h"
#include "link.h"
#include "port.h"
#include "priority.h"
#include "signals.h"
#include "srr.h"
#include "traced.h"
#include "transfer.h"

#define TRY_THE_NEXT 1
#define TAKEN 2 /* a message: its bytes are to be fetched, without the lock */

/* Under the lock: the message becomes ours, or it is dropped from the queue. */
static bool take(struct receiver *r, struct conn *conn, struct taken *ret_taken)
{
    struct slot *slot = conn->slot;
    uint64_t word = conn_message(conn);
    receiver_dequeue(r, &conn->queued);
    if (word == 0)
        return false;
    if (!conn_lives(conn)) {
        if (!conn->guest && !peer_alive(&conn->peer))
            conn_bury(r, conn); /* a guest is buried at the look, which is near: we are told of its death */
        return false; /* the message of a dead thread vanishes */
    }
    /* The description was written before the word; if it changes now, the CAS fails. */
    struct taken taken = {.serial = ++r->serials & ((UINT64_C(1) << SERIAL_BITS) - 1),
                          .word = word_with(word, SLOT_RECV),
                          .nbytes = atomic_load(&slot->nbytes),
                          .room = atomic_load(&slot->room),
                          .tid = conn->guest ? conn->queued.from : (pid_t)atomic_load(&slot->tid),
                          .by = thread_id(),
                          .prefilled = atomic_load(&slot->prefilled),
                          .lane = atomic_load(&slot->lane),
                          .traced = atomic_load(&slot->traced) != 0};
    atomic_store_explicit(&r->rang_last, conn->guest ? conn->guest->gate->number : 0, memory_order_relaxed);
    atomic_store_explicit(&r->peer_cpu, atomic_load(&slot->cpu), memory_order_relaxed);
    if (taken.prefilled > WINDOW_SIZE || taken.prefilled > taken.nbytes)
        taken.prefilled = 0;
    if (!atomic_compare_exchange_strong(&slot->word, &word, taken.word))
        return false; /* it left; if it came again it has rung again */
    taken.received_ns = now_if(taken.traced);
    *ret_taken = conn->taken = taken;
    conn->told = 0;
    conn_mark(r, conn, (uint64_t)(uint32_t)taken.tid << 32 | (uint32_t)taken.by);
    conn_file(r, conn);
    conn->pins++;
    return true;
}

/* Fetch the message's beginning. Bytes copied, or a failure as long_read()'s. */
static int64_t fetch(struct conn *conn, struct taken *taken, const struct iovec *buffer, int parts, uint64_t size)
{
    uint64_t n = taken->nbytes < size ? taken->nbytes : size;
    if (taken->lane == SRR_LANE_INLINE && taken->nbytes <= INLINE_SIZE)
        return scatter(buffer, parts, 0, conn->message, n);
    if (taken->lane == SRR_LANE_NONE && taken->nbytes == 0)
        return 0;
    if (taken->lane != SRR_LANE_DIRECT && taken->lane != SRR_LANE_WINDOW && taken->lane != SRR_LANE_HELPER)
        return -EINVAL;
    return n == 0 ? 0 : long_read(conn, taken, 0, buffer, parts);
}

/* This Send can not be served: end it, as never received. A sender that has left meanwhile has its way. */
static void reject(struct conn *conn, const struct taken *taken, int error)
{
    uint64_t word = taken->word;
    if (!atomic_compare_exchange_strong(&conn->slot->word, &word, word_with(word, SLOT_BUSY)))
        return;
    PROBE(reply, word_generation(word), conn->peer.pid, taken->tid, 0, SRR_LANE_NONE, error);
    conn_end(conn, taken, SLOT_FAILN, (uint32_t)error);
}

/* The lock is released, the connection pinned. 0, TRY_THE_NEXT, or a failure of our own. */
static int deliver(struct receiver *r, struct conn *conn, struct taken *taken, const struct iovec *buffer, int parts,
                   uint64_t size, struct srr_message *ret_message)
{
    uint64_t begun = transfer_begin(taken->traced);
    int64_t copied = fetch(conn, taken, buffer, parts, size);
    int result = TRY_THE_NEXT;
    if (begun != 0)
        transfer_end(conn, taken, begun, copied, taken->lane, false);
    /* That the thread lives after the copy, too: else its number may be a stranger's, and the bytes with it. A guest's
     * bytes do not come out of its memory. */
    if (copied >= 0 && atomic_load(&conn->slot->word) == taken->word && (conn->guest || conn_lives(conn))) {
        taken->seen = (uint64_t)copied;
        *ret_message = (struct srr_message){.id = message_id(conn, taken),
                                            .nbytes = taken->nbytes,
                                            .copied = (uint64_t)copied,
                                            .room = taken->room,
                                            .tid = taken->tid,
                                            .pid = conn->peer.pid,
                                            .uid = conn->peer.uid,
                                            .gid = conn->peer.gid,
                                            .lane = taken->lane,
                                            .kind = SRR_KIND_MESSAGE};
        atomic_fetch_add_explicit(&r->self->front->header.received, 1, memory_order_relaxed);
        PROBE(receive, word_generation(taken->word), conn->peer.pid, taken->tid, copied, taken->lane, taken->nbytes);
        result = 0;
    } else if (copied == -EFAULT) {
        reject(conn, taken, SRR_EDSTFAULT);
        result = -EFAULT;
    } else if (copied < 0 && copied != -ESRCH) {
        reject(conn, taken, copied == -SRR_EDSTFAULT ? EFAULT : (int)-copied);
    }
    conn_unpin(r, conn, taken, result != 0);
    return result;
}

/* Under the lock: a proxy or a notice: short and ours. Copied before it leaves the queue, so that a bad buffer loses
 * nothing. 0, TRY_THE_NEXT, or -EFAULT. */
static int deliver_short(struct receiver *r, struct queued *q, const struct iovec *buffer, int parts,
                         struct srr_message *ret_message)
{
    char data[PROXY_SIZE_MAX];
    uint32_t nbytes;
    struct notice *notice = (struct notice *)(void *)q;
    bool is_proxy = q->kind == SRR_KIND_PROXY;
    struct srr_message message = {.tid = q->from, .kind = q->kind};
    if (is_proxy)
        nbytes = proxy_data(r, q, data);
    else
        nbytes = notice->nbytes;
    int64_t copied = scatter(buffer, parts, 0, is_proxy ? data : notice->data, nbytes);
    if (copied < 0)
        return -EFAULT;
    if (is_proxy && !proxy_take(r, q))
        return TRY_THE_NEXT;
    if (!is_proxy) {
        receiver_dequeue(r, q);
        free(notice);
    }
    message.pid = is_proxy ? r->self->pid : message.tid;
    message.uid = geteuid();
    message.gid = getegid();
    message.nbytes = nbytes;
    message.copied = (uint64_t)copied;
    message.lane = copied > 0 ? SRR_LANE_INLINE : SRR_LANE_NONE;
    PROBE(receive, 0, message.pid, message.tid, copied, message.lane | message.kind << 8, nbytes);
    *ret_message = message;
    return 0;
}

/* Sleep until a bell rings, at most a slice. */
static int sleep_on_bells(struct receiver *r, const struct bells *bells, pid_t from, const struct patience *patience)
{
    struct port *port = r->port;
    if (from != 0) {
        pthread_mutex_lock(&r->lock);
        if (r->selective++ == 0)
            atomic_fetch_or(&port->sleepers, SLEEPERS_WAKE_ALL);
        pthread_mutex_unlock(&r->lock);
    }
    atomic_fetch_add(&port->sleepers, 1);
    int slept = bells_sleep(r, bells, patience->looked == 0, patience_slice(patience));
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
    helper_look(r->self);
    pthread_mutex_lock(&r->lock);
    receiver_collect(r);
    receiver_look(r);
    pthread_mutex_unlock(&r->lock);
    int why = patience_look(patience);
    return why == 0 && from != 0 ? sender_exists(from) : why;
}

/* One thread's wait, and what a handler does to it (signals.c): the bell is what it compares. */
static void poke_receiver(void *port, int signo)
{
    (void)signo;
    atomic_fetch_add(&((struct port *)port)->bell, 1);
}

/* The first that is for us. 0, TRY_THE_NEXT: look again, -ENOMSG: there is none, or a failure of our own. */
static int take_first(struct receiver *r, pid_t from, const struct iovec *buffer, int parts, uint64_t size,
                      struct srr_message *ret_message)
{
    struct taken taken;
    uint8_t priority = 0;
    int result = -ENOMSG;
    pthread_mutex_lock(&r->lock);
    bool news = receiver_collect(r);
    receiver_look_when_due(r);
    struct queued *q = receiver_first(r, from);
    if (q) {
        priority = q->priority;
        if (q->kind == SRR_KIND_MESSAGE)
            result = take(r, (struct conn *)(void *)q, &taken) ? TAKEN : TRY_THE_NEXT;
        else
            result = deliver_short(r, q, buffer, parts, ret_message);
    }
    pthread_mutex_unlock(&r->lock);
    /* What we collected may be others', and their wake ours: whoever waits for one sender passes it on. */
    if (from != 0 && news)
        wake_others(r->port);
    if (result == TAKEN)
        result = deliver(r, (struct conn *)(void *)q, &taken, buffer, parts, size, ret_message);
    if (result == 0 && atomic_load_explicit(&r->port->flags, memory_order_relaxed) & SRR_FLAG_PRIORITY_FLOAT)
        priority_float(priority);
    return result;
}

/* Nothing is there: is there a reason to stop waiting? */
static int may_wait(pid_t from, bool conditional, bool asked, const struct patience *patience)
{
    if (conditional)
        return from != 0 && sender_exists(from) < 0 ? -ESRCH : -ENOMSG;
    if (verb_is_interrupted())
        return -EINTR;
    if (from != 0 && !asked)
        return sender_exists(from);
    return patience_check(patience); /* after the scan: a wake that we consumed is not lost (rule 8) */
}

static void tell_awake(bool was_asleep, pid_t from, int why)
{
    if (was_asleep)
        PROBE(wake, 0, from, 0, 0, 0, (int64_t)why);
}

static int wait_for_one(struct receiver *r, struct bells *bells, pid_t from, const struct iovec *buffer, int parts,
                        uint64_t size, struct patience *patience, bool conditional, struct srr_message *ret_message)
{
    struct port *port = r->port;
    bool asleep = false, asked = false;
    for (;;) {
        bells_read(r, bells); /* (c) in link.c; before the collect, (d) */
        bells_publish_cpu(r);
        int why = take_first(r, from, buffer, parts, size, ret_message);
        if (why == TRY_THE_NEXT && !patience_is_due(patience))
            continue;
        if (why == TRY_THE_NEXT) { /* somebody sends what is to be rejected, as fast as we do that: not for ever */
            why = may_wait(from, conditional, true, patience);
            if (why == 0 && (why = look_up(r, from, patience)) == 0)
                continue;
            wake_others(port); /* rule 8, as below */
            tell_awake(asleep, from, why);
            return why;
        }
        if (why != -ENOMSG || (why = may_wait(from, conditional, asked, patience)) != 0) {
            tell_awake(asleep, from, why);
            return why;
        }
        asked = true;
        if (bells_spin(r, bells))
            continue;
        if (!asleep) {
            asleep = true;
            atomic_store_explicit(&port->since_ns, (uint64_t)now_ns(), memory_order_relaxed);
            atomic_store_explicit(&port->from, (uint32_t)from, memory_order_relaxed);
            PROBE(wait, 0, from, 0, 0, 0, 0);
        }
        int slept = sleep_on_bells(r, bells, from, patience);
        if (slept == -EINTR)
            why = -EINTR;
        else if (slept == -ETIMEDOUT || patience_is_due(patience))
            why = look_up(r, from, patience);
        if (why != 0) {
            if (slept == 0) /* we leave, having consumed a wake: somebody else must look (rule 8) */
                wake_others(port);
            tell_awake(asleep, from, why);
            return why;
        }
    }
}

static int wait_and_take(struct receiver *r, pid_t from, const struct iovec *buffer, int parts, uint64_t size,
                         struct patience *patience, bool conditional, struct srr_message *ret_message)
{
    struct bells bells = {.all = NULL};
    int result = wait_for_one(r, &bells, from, buffer, parts, size, patience, conditional, ret_message);
    bells_free(&bells);
    return result;
}

static int receive(pid_t from, const struct iovec *buffer, int parts, const struct srr_wait *wait, bool conditional,
                   struct srr_message *ret_message)
{
    uint64_t size;
    struct patience patience;
    int r = parts_length(buffer, parts, &size);
    if (r < 0)
        return r;
    if (from < 0)
        return -ESRCH;
    struct process *self = process_self(&r);
    if (!self)
        return r;
    patience_begin(&patience, wait, SLICE_LONGEST);
    if (!conditional)
        helper_join_once(self);
    wait_begin(poke_receiver, self->receiver->port);
    r = wait_and_take(self->receiver, from, buffer, parts, size, &patience, conditional, ret_message);
    wait_end();
    return r;
}

int srr_receive(pid_t from, const struct iovec *buffer, int parts, const struct srr_wait *wait,
                struct srr_message *ret_message)
{
    verb_begin();
    int r = receive(from, buffer, parts, wait, false, ret_message);
    verb_end();
    return r;
}

int srr_creceive(pid_t from, const struct iovec *buffer, int parts, struct srr_message *ret_message)
{
    verb_begin();
    int r = receive(from, buffer, parts, NULL, true, ret_message);
    verb_end();
    return r;
}

int srr_notify(pid_t from, const void *data, uint32_t nbytes)
{
    int r;
    if (nbytes > sizeof((struct notice *)NULL)->data || from <= 0)
        return -EINVAL;
    verb_begin();
    struct process *self = process_self(&r);
    if (self) {
        pthread_mutex_lock(&self->receiver->lock);
        r = receiver_notice(self->receiver, from, data, nbytes);
        pthread_mutex_unlock(&self->receiver->lock);
        port_ring_bell(self->receiver->port);
    }
    verb_end();
    return r;
}
