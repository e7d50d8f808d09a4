/*
 * link.c - see link.h.
 *
 * Ringing against sleeping (guarantee A). The losing order, had the receiver slept on anything but the
 * bell it read before it looked:
 *
 *     sender                               receiver
 *                                          collect: no hint
 *     hint, summary
 *     bell += 1; sleepers == 0: no wake
 *                                          sleepers = 1; sleeps on the new bell, for ever
 *
 * Ours (each step a seq_cst access, lettered in pairs):
 *
 *     (a) hint |= , summary |=             (c) b = bell
 *     (b) bell += 1                        (d) collect
 *     (f) sleepers != 0: FUTEX_WAKE        (e) sleepers += 1
 *                                          (g) FUTEX_WAIT(bell, b)
 *
 * If (d) misses (a), then (b) comes after (c), so either (g) sees another bell and does not sleep, or
 * (b) comes after (g)'s comparison, hence after (e), and (f) sees the sleeper and wakes it.
 */
#define _GNU_SOURCE
#include "link.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "folder.h"
#include "map.h"

static struct link *find(struct process *self, pid_t pid)
{
    struct link *link = self->links;
    while (link && link->peer.pid != pid)
        link = link->next;
    return link;
}

static void discard(struct link *link)
{
    unmap_shared(link->front, sizeof *link->front);
    free(link);
}

static int make_link(const struct peer *peer, int fd, struct link **ret_link)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        return -ENOMEM;
    link->peer = *peer;
    link->front = map_shared(fd, sizeof *link->front, PROT_READ | PROT_WRITE, 0);
    if (!link->front) {
        free(link);
        return -ENOMEM;
    }
    *ret_link = link;
    return 0;
}

/* Kernel threads have no program: they will never receive. */
static bool has_program(pid_t pid)
{
    char path[64], program[2];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    return readlink(path, program, sizeof program) >= 0 || errno != ENOENT;
}

/*
 * The process has not touched the library yet. Its first use of it tells us through the runtime folder;
 * where that is not shared, or there are no watches left, we look at each slice's end.
 */
static int meet_patiently(struct process *self, pid_t pid, struct patience *patience, a32 *meeting,
                          struct peer *ret_peer, int *ret_fd)
{
    int r = peer_meet(pid, -1, ret_peer, ret_fd);
    if (r != -ENOENT)
        return r;
    uint64_t its_namespace = pid_namespace_of(pid);
    if (its_namespace != 0 && its_namespace != self->pid_ns)
        return -EHOSTUNREACH; /* its rows will say another pid than the one that we know it by */
    int death = process_watch(pid);
    if (death < 0)
        return death;
    int news = folder_watch(false);
    if (!has_program(pid))
        r = -ESRCH;
    if (meeting)
        atomic_store_explicit(meeting, 1, memory_order_relaxed);
    while (r == -ENOENT) {
        r = peer_meet(pid, -1, ret_peer, ret_fd);
        if (r != -ENOENT || (r = patience_check(patience)) != 0)
            break;
        int slept = folder_sleep(news, death, patience_slice(patience));
        if (slept == -EINTR)
            r = -EINTR;
        else if (watch_says_dead(death))
            r = -ESRCH;
        else if (slept != -ETIMEDOUT || (r = patience_look(patience)) == 0)
            r = -ENOENT;
    }
    if (meeting)
        atomic_store_explicit(meeting, 0, memory_order_relaxed);
    close(death);
    if (news >= 0)
        close(news);
    return r;
}

/*
 * One that was not used for a while is looked at first: its process may be dead, and its number another's. A
 * number can't come back sooner than all others were used, which takes seconds.
 */
static struct link *get_known(struct process *self, pid_t pid)
{
    int64_t now = now_roughly_ns(), before = now;
    pthread_mutex_lock(&self->lock);
    struct link *link = find(self, pid);
    if (link) {
        link->uses++;
        before = link->used;
        link->used = now;
    }
    pthread_mutex_unlock(&self->lock);
    if (!link || now - before < 500 * MS || peer_alive(&link->peer))
        return link;
    link_bury(self, link);
    link_put(self, link);
    return NULL;
}

/*
 * A mapping outlives its process. So that one who meets many short-lived receivers does not collect them, each
 * first contact looks at the two that were met longest ago; those that live go to the front.
 */
static void bury_some(struct process *self)
{
    for (int turn = 0; turn < 2; turn++) {
        pthread_mutex_lock(&self->lock);
        struct link **at = &self->links, *last;
        while ((last = *at) && last->next)
            at = &last->next;
        if (last) {
            *at = NULL;
            last->next = self->links;
            self->links = last;
            last->uses++;
        }
        pthread_mutex_unlock(&self->lock);
        if (!last)
            return;
        if (!peer_alive(&last->peer))
            link_bury(self, last);
        link_put(self, last);
    }
}

int link_get(struct process *self, pid_t pid, struct patience *patience, a32 *meeting, struct link **ret_link)
{
    struct link *link = get_known(self, pid), *made;
    if (link) {
        *ret_link = link;
        return 0;
    }
    struct peer peer;
    int fd, r = meet_patiently(self, pid, patience, meeting, &peer, &fd);
    if (r < 0)
        return r;
    bury_some(self);
    r = make_link(&peer, fd, &made);
    close(fd);
    if (r < 0)
        return r;
    pthread_mutex_lock(&self->lock);
    link = find(self, pid); /* another thread may have met it meanwhile */
    if (!link) {
        link = made;
        link->next = self->links;
        self->links = link;
    }
    link->uses++;
    link->used = now_roughly_ns();
    pthread_mutex_unlock(&self->lock);
    if (link != made)
        discard(made);
    *ret_link = link;
    return 0;
}

void link_put(struct process *self, struct link *link)
{
    pthread_mutex_lock(&self->lock);
    bool last = --link->uses == 0 && link->buried;
    pthread_mutex_unlock(&self->lock);
    if (last)
        discard(link);
}

void link_bury(struct process *self, struct link *link)
{
    pthread_mutex_lock(&self->lock);
    if (!link->buried) {
        struct link **at = &self->links;
        while (*at != link)
            at = &(*at)->next;
        *at = link->next;
        link->buried = true;
    }
    pthread_mutex_unlock(&self->lock);
}

int link_entry(struct process *self, struct link *link, struct place *place, bool *ret_claimed)
{
    a64 *entries = link->front->entries;
    uint64_t mine = entry_make(self->pid, place->index, (uint32_t)self->row_fd, self->row_id);
    unsigned mark = link->entry_of[place->index];
    *ret_claimed = false;
    if (mark > 0) {
        uint64_t now = atomic_load(&entries[mark - 1]);
        if (now == mine)
            return (int)mark - 1;
        int refusal = entry_refusal(now, mine);
        if (refusal > 0) { /* we have read it; the entry is nobody's again */
            atomic_compare_exchange_strong(&entries[mark - 1], &now, 0);
            link->entry_of[place->index] = 0;
            return refusal < 4096 ? -refusal : -EPROTO;
        }
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t free_entry = 0;
        if (atomic_load_explicit(&entries[i], memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&entries[i], &free_entry, mine)) {
            link->entry_of[place->index] = (uint16_t)(i + 1);
            *ret_claimed = true;
            return (int)i;
        }
    }
    link->entry_of[place->index] = 0;
    atomic_store(&link->front->port.crowded, 1);
    port_ring_bell(&link->front->port);
    return -EAGAIN;
}

void link_ring(struct link *link, unsigned entry)
{
    struct port *port = &link->front->port;
    atomic_fetch_or(&port->hints[entry / 64], UINT64_C(1) << entry % 64); /* (a) */
    atomic_fetch_or(&port->summary, UINT64_C(1) << entry / 64);
    port_ring_bell(port);
}

void port_ring_bell(struct port *port)
{
    atomic_fetch_add(&port->bell, 1);                 /* (b) */
    uint32_t sleepers = atomic_load(&port->sleepers); /* (f) */
    if (sleepers != 0)
        futex_wake(&port->bell, sleepers & SLEEPERS_WAKE_ALL ? INT_MAX : 1);
}
