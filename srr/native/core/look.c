/*
 * look.c - reading another process's rows from outside, for ps and tracers: by pread, so that nothing is
 * mapped, written or waited for. What is read may be a moment old, and is hostile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"
#include "process.h"
#include "signals.h"
#include "srr.h"
#include "state.h"

static enum srr_blocked blocked(const struct slot *slot)
{
    switch (word_state(atomic_load(&slot->word))) {
    case SLOT_SENT:
        return SRR_SEND_BLOCKED;
    case SLOT_RECV:
    case SLOT_BUSY:
    case SLOT_BUSYC:
        return atomic_load(&slot->signalled) ? SRR_SIGNAL_BLOCKED : SRR_REPLY_BLOCKED;
    default:
        return atomic_load(&slot->meeting) ? SRR_SEND_BLOCKED : SRR_NOT_BLOCKED;
    }
}

static void look_at_slots(int row, uint32_t used, struct srr_process_view *process, struct srr_thread_view *threads,
                          uint32_t max)
{
    struct slot slot;
    for (uint32_t i = 0; i < used && i < SLOTS; i++) {
        off_t at = (off_t)ROW_SLOTS_AT + (off_t)i * SLOT_STRIDE;
        if (pread(row, &slot, offsetof(struct slot, parts), at) != offsetof(struct slot, parts))
            return;
        process->sent += atomic_load(&slot.sends);
        enum srr_blocked state = blocked(&slot);
        if (state != SRR_NOT_BLOCKED && process->threads < max)
            threads[process->threads++] = (struct srr_thread_view){.since_ns = (int64_t)atomic_load(&slot.since_ns),
                                                                   .sent = atomic_load(&slot.sends),
                                                                   .tid = (pid_t)atomic_load(&slot.tid),
                                                                   .on = (pid_t)atomic_load(&slot.peer),
                                                                   .blocked = state};
    }
}

static int look(pid_t pid, struct srr_process_view *ret_process, struct srr_thread_view *ret_threads,
                uint32_t max_threads)
{
    struct peer peer;
    struct row_header header;
    struct port port;
    int row, r = peer_find(pid, -1, &peer, &row);
    if (r < 0)
        return r;
    memset(ret_process, 0, sizeof *ret_process);
    if (pread(row, &header, sizeof header, 0) != sizeof header ||
        pread(row, &port, offsetof(struct port, hints), ROW_PORT_AT) != offsetof(struct port, hints)) {
        close(row);
        return -ESRCH;
    }
    ret_process->received = atomic_load(&header.received);
    ret_process->healed = atomic_load(&header.healed);
    ret_process->clients = atomic_load(&header.clients);
    ret_process->flags = atomic_load(&port.flags);
    ret_process->receivers = atomic_load(&port.sleepers) & ~SLEEPERS_WAKE_ALL;
    if (ret_process->receivers > 0) {
        ret_process->receive_from = (pid_t)atomic_load(&port.from);
        ret_process->receive_since_ns = (int64_t)atomic_load(&port.since_ns);
    }
    look_at_slots(row, atomic_load(&header.slots_used), ret_process, ret_threads, max_threads);
    close(row);
    return 0;
}

int srr_look(pid_t pid, struct srr_process_view *ret_process, struct srr_thread_view *ret_threads,
             uint32_t max_threads)
{
    verb_begin();
    int r = look(pid, ret_process, ret_threads, max_threads);
    verb_end();
    return r;
}

/* Proxies are few; all are read in one go. */
static int list_proxies(pid_t owner, struct srr_proxy_view views[PROXIES], uint32_t *ret_count)
{
    struct peer peer;
    struct proxy proxy;
    int row, r = peer_find(owner, -1, &peer, &row);
    if (r < 0)
        return r;
    struct port port;
    uint32_t n = 0, top = 0;
    if (pread(row, &port, offsetof(struct port, hints), ROW_PORT_AT) == offsetof(struct port, hints))
        top = atomic_load(&port.proxies_top);
    for (uint32_t i = 0; i < top && i < PROXIES; i++) {
        if (pread(row, &proxy, sizeof proxy, (off_t)ROW_PROXIES_AT + (off_t)(i * sizeof proxy)) != sizeof proxy)
            break;
        uint64_t word = atomic_load(&proxy.word);
        pid_t id = (pid_t)atomic_load(&proxy.id);
        if (id > 0 && proxy_generation(word) % 2 == 1 && sender_exists(id) == 0)
            views[n++] = (struct srr_proxy_view){.id = id,
                                                 .owner = owner,
                                                 .count = proxy_count(word),
                                                 .priority = atomic_load(&proxy.priority)};
    }
    close(row);
    *ret_count = n;
    return 0;
}

int srr_proxy_list(pid_t owner, int (*each)(void *arg, const struct srr_proxy_view *proxy), void *arg)
{
    struct srr_proxy_view views[PROXIES];
    uint32_t n = 0;
    verb_begin();
    int r = list_proxies(owner, views, &n);
    verb_end();
    for (uint32_t i = 0; r == 0 && i < n; i++)
        r = each(arg, &views[i]);
    return r;
}

void srr_facts(struct srr_facts *ret_facts)
{
    *ret_facts = (struct srr_facts){.layout_version = LAYOUT_VERSION,
                                    .slots = SLOTS,
                                    .entries = ENTRIES,
                                    .inline_max = inline_max(),
                                    .row_size = ROW_SIZE,
                                    .spin_ns = (uint32_t)spin_budget()};
}
