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
        return atomic_load(&slot->meeting) == 1 ? SRR_SEND_BLOCKED : SRR_NOT_BLOCKED;
    }
}

/* Where a slot is: in a process's rows, or in a pair of its. */
struct place_seen {
    int file;
    off_t at;
};

static struct place_seen in_rows(int row, uint32_t i)
{
    return (struct place_seen){row, (off_t)ROW_SLOTS_AT + (off_t)i * SLOT_STRIDE};
}

/* The control part of a slot, but for its tables. False: it can't be read. */
static bool read_slot(struct place_seen place, struct slot *ret_slot)
{
    return pread(place.file, ret_slot, offsetof(struct slot, parts), place.at) == offsetof(struct slot, parts);
}

/* A slot of our rows that says that the thread sends through a pair: that slot's place and its state. False: it does
 * not, or no more. */
static bool follow_pair(pid_t pid, const struct slot *slot, struct place_seen *ret_place, struct slot *ret_slot)
{
    uint32_t meeting = atomic_load(&slot->meeting);
    if (meeting < MEETING_AT_PAIR || meeting - MEETING_AT_PAIR >= ENTRIES)
        return false;
    uint32_t at = meeting - MEETING_AT_PAIR;
    int file = peer_open_pair(pid, (pid_t)atomic_load(&slot->peer), at / PAIR_SLOTS);
    if (file < 0)
        return false;
    struct place_seen place = {file, (off_t)PAIR_SLOTS_AT + (off_t)(at % PAIR_SLOTS) * (off_t)SLOT_STRIDE};
    if (!read_slot(place, ret_slot)) {
        close(file);
        return false;
    }
    *ret_place = place;
    return true;
}

/* What the thread does that has this slot; its own numbers stay. */
static void see_through_pair(pid_t pid, struct slot *slot)
{
    struct place_seen place;
    struct slot in_pair;
    if (!follow_pair(pid, slot, &place, &in_pair))
        return;
    close(place.file);
    atomic_store(&slot->word, atomic_load(&in_pair.word));
    atomic_store(&slot->since_ns, atomic_load(&in_pair.since_ns));
    atomic_store(&slot->nbytes, atomic_load(&in_pair.nbytes));
}

static void look_at_slots(pid_t pid, int row, uint32_t used, struct srr_process_view *process,
                          struct srr_thread_view *threads, uint32_t max)
{
    struct slot slot;
    for (uint32_t i = 0; i < used && i < SLOTS && read_slot(in_rows(row, i), &slot); i++) {
        process->sent += atomic_load(&slot.sends);
        see_through_pair(pid, &slot);
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
    look_at_slots(pid, row, atomic_load(&header.slots_used), ret_process, ret_threads, max_threads);
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
static int64_t peek_slot(struct place_seen place, const struct slot *slot, pid_t pid, void *buffer, uint32_t size)
{
    uint64_t nbytes = atomic_load(&slot->nbytes), length;
    struct iovec into = {buffer, nbytes < size ? nbytes : size};
    int64_t r = 0;
    if (atomic_load(&slot->lane) == SRR_LANE_INLINE) {
        if (into.iov_len > INLINE_SIZE)
            into.iov_len = INLINE_SIZE;
        r = pread(place.file, buffer, into.iov_len, place.at + SLOT_MESSAGE_AT);
    } else if (atomic_load(&slot->lane) == SRR_LANE_WINDOW) {
        return -EPERM; /* what is in the window is what the receiver wants now */
    } else if (atomic_load(&slot->lane) == SRR_LANE_DIRECT) {
        struct part table[PARTS_MAX];
        struct remote remote = {.pid = pid, .tid = (pid_t)atomic_load(&slot->tid)};
        unsigned count = atomic_load(&slot->message_parts);
        if (count > PARTS_MAX ||
            pread(place.file, table, count * sizeof *table, place.at + (off_t)offsetof(struct slot, parts)) !=
                (ssize_t)(count * sizeof *table))
            return -ESRCH;
        r = remote_load(&remote, table, count, &length);
        if (r == 0)
            r = remote_read(&remote, 0, &into, 1);
    }
    struct slot after;
    if (!read_slot(place, &after) || !word_same_transaction(atomic_load(&slot->word), atomic_load(&after.word)))
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
    for (uint32_t i = 0; n == -ESRCH && i < used && i < SLOTS && read_slot(in_rows(row, i), &slot); i++) {
        struct place_seen place = in_rows(row, i);
        if ((pid_t)atomic_load(&slot.tid) != tid)
            continue;
        bool in_pair = follow_pair(pid, &slot, &place, &slot);
        if (blocked(&slot) != SRR_NOT_BLOCKED && atomic_load(&slot.meeting) == 0)
            n = peek_slot(place, &slot, pid, buffer, size);
        if (in_pair)
            close(place.file);
    }
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
