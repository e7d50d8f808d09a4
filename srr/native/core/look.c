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
#include "srr.h"
#include "state.h"

static enum srr_blocked blocked(const struct slot *slot)
{
    switch (word_state(atomic_load(&slot->word))) {
    case SLOT_SENT:
    case SLOT_SENTR:
        return SRR_SEND_BLOCKED;
    case SLOT_RECV:
    case SLOT_BUSY:
    case SLOT_BUSYC:
        return SRR_REPLY_BLOCKED;
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

int srr_look(pid_t pid, struct srr_process_view *ret_process, struct srr_thread_view *ret_threads,
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
    ret_process->receivers = atomic_load(&port.sleepers) & ~SLEEPERS_WAKE_ALL;
    if (ret_process->receivers > 0) {
        ret_process->receive_from = (pid_t)atomic_load(&port.from);
        ret_process->receive_since_ns = (int64_t)atomic_load(&port.since_ns);
    }
    look_at_slots(row, atomic_load(&header.slots_used), ret_process, ret_threads, max_threads);
    close(row);
    return 0;
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
