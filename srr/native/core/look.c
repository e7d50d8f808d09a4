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
#include "transfer.h"

static enum srr_blocked blocked(const struct slot *slot)
{
    switch (word_state(atomic_load(&slot->word))) {
    case SLOT_SENT:
        return SRR_SEND_BLOCKED;
    case SLOT_RECV:
    case SLOT_BUSY:
    case SLOT_BUSYC:
    case SLOT_ASK:
    case SLOT_GIVE:
        return atomic_load(&slot->signalled) ? SRR_SIGNAL_BLOCKED : SRR_REPLY_BLOCKED;
    default:
        return atomic_load(&slot->meeting) ? SRR_SEND_BLOCKED : SRR_NOT_BLOCKED;
    }
}

/* The control part of slot `i`, but for its tables. False: it can't be read. */
static bool read_slot(int row, uint32_t i, struct slot *ret_slot)
{
    off_t at = (off_t)ROW_SLOTS_AT + (off_t)i * SLOT_STRIDE;
    return pread(row, ret_slot, offsetof(struct slot, parts), at) == offsetof(struct slot, parts);
}

static void look_at_slots(int row, uint32_t used, struct srr_process_view *process, struct srr_thread_view *threads,
                          uint32_t max)
{
    struct slot slot;
    for (uint32_t i = 0; i < used && i < SLOTS && read_slot(row, i, &slot); i++) {
        process->sent += atomic_load(&slot.sends);
        enum srr_blocked state = blocked(&slot);
        if (state == SRR_NOT_BLOCKED || process->threads == max)
            continue;
        threads[process->threads++] = (struct srr_thread_view){
            .since_ns = (int64_t)atomic_load(&slot.since_ns),
            .sent = atomic_load(&slot.sends),
            .tid = (pid_t)atomic_load(&slot.tid),
            .on = (pid_t)atomic_load(&slot.peer),
            .blocked = state,
            .id = word_generation(atomic_load(&slot.word)),
            .nbytes = atomic_load(&slot.nbytes),
        };
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

/* Bytes of the message in this slot; -ESRCH if it is over. */
static int64_t peek_slot(int row, uint32_t i, const struct slot *slot, pid_t pid, void *buffer, uint32_t size)
{
    off_t at = (off_t)ROW_SLOTS_AT + (off_t)i * SLOT_STRIDE;
    uint64_t nbytes = atomic_load(&slot->nbytes), length;
    struct iovec into = {buffer, nbytes < size ? nbytes : size};
    int64_t r = 0;
    if (atomic_load(&slot->lane) == SRR_LANE_INLINE) {
        if (into.iov_len > INLINE_SIZE)
            into.iov_len = INLINE_SIZE;
        r = pread(row, buffer, into.iov_len, at + SLOT_MESSAGE_AT);
    } else if (atomic_load(&slot->lane) == SRR_LANE_WINDOW) {
        return -EPERM; /* what is in the window is what the receiver wants now */
    } else if (atomic_load(&slot->lane) == SRR_LANE_DIRECT) {
        struct part table[PARTS_MAX];
        struct remote remote = {.pid = pid, .tid = (pid_t)atomic_load(&slot->tid)};
        unsigned count = atomic_load(&slot->message_parts);
        if (count > PARTS_MAX ||
            pread(row, table, count * sizeof *table, at + (off_t)offsetof(struct slot, parts)) != (ssize_t)(count * sizeof *table))
            return -ESRCH;
        r = remote_load(&remote, table, count, &length);
        if (r == 0)
            r = remote_read(&remote, 0, &into, 1);
    }
    struct slot after;
    if (!read_slot(row, i, &after) || !word_same_transaction(atomic_load(&slot->word), atomic_load(&after.word)))
        return -ESRCH;
    return r == -EINVAL ? -ESRCH : r == -SRR_EDSTFAULT ? -EFAULT : r;
}

static int64_t peek(pid_t pid, pid_t tid, void *buffer, uint32_t size)
{
    struct peer peer;
    struct row_header header;
    struct slot slot;
    int row, r = peer_find(pid, -1, &peer, &row);
    if (r < 0)
        return r;
    int64_t n = -ESRCH;
    uint32_t used = pread(row, &header, sizeof header, 0) == sizeof header ? atomic_load(&header.slots_used) : 0;
    for (uint32_t i = 0; n == -ESRCH && i < used && i < SLOTS && read_slot(row, i, &slot); i++)
        if ((pid_t)atomic_load(&slot.tid) == tid && blocked(&slot) != SRR_NOT_BLOCKED && !atomic_load(&slot.meeting))
            n = peek_slot(row, i, &slot, pid, buffer, size);
    close(row);
    return n;
}

int64_t srr_peek(pid_t pid, pid_t tid, void *buffer, uint32_t size)
{
    verb_begin();
    int64_t r = peek(pid, tid, buffer, size);
    verb_end();
    return r;
}

static int look_at_taken(pid_t pid, struct srr_taken_view *ret_taken, uint32_t max)
{
    struct peer peer;
    a64 taken[256];
    int row, n = 0, r = peer_find(pid, -1, &peer, &row);
    if (r < 0)
        return r;
    for (off_t i = 0; i < (off_t)ENTRIES; i += 256) {
        off_t at = (off_t)ROW_TAKEN_AT + i * (off_t)sizeof *taken;
        if (pread(row, taken, sizeof taken, at) != sizeof taken)
            break;
        for (int j = 0; j < 256 && n < (int)max; j++) {
            uint64_t one = atomic_load(&taken[j]);
            if (one != 0)
                ret_taken[n++] = (struct srr_taken_view){.from = (pid_t)(one >> 32), .by = (pid_t)(uint32_t)one};
        }
    }
    close(row);
    return n;
}

int srr_look_taken(pid_t pid, struct srr_taken_view *ret_taken, uint32_t max)
{
    verb_begin();
    int r = look_at_taken(pid, ret_taken, max);
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
