/*
 * relay.c - Relay: a receiver hands a sender that is REPLY-blocked on it over to another process.
 *
 * The receiver only says to whom: the sender's own thread, which is blocked in Send and has nothing else to do, meets
 * that process and publishes its message there, as a new transaction (send.c). So a third process need not be believed
 * about whose message it is, a target that has no rows yet is waited for by the one who waits anyway, and if we die
 * right after this, nothing is half done. It costs the sender one wake-up.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "port.h"
#include "signals.h"
#include "srr.h"

static int relay(uint64_t id, pid_t target)
{
    struct held held;
    if (target <= 0)
        return -ESRCH;
    int r = process_exists(target);
    if (r < 0 || (r = message_hold(id, &held)) < 0)
        return r;
    if (!message_begin_write(&held)) {
        message_release(&held, true);
        return -ESRCH;
    }

    /* Point of no return. */
    atomic_store_explicit(&held.conn->slot->relay_to, (uint32_t)target, memory_order_relaxed);
    PROBE(relay, word_generation(held.taken.word), held.conn->peer.pid, held.taken.tid, 0, 0, target);
    conn_end(held.conn, &held.taken, SLOT_RELAY, 0);
    message_release(&held, true);
    return 0;
}

int srr_relay(uint64_t id, pid_t target)
{
    verb_begin();
    int r = relay(id, target);
    verb_end();
    return r;
}
