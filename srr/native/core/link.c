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
#include "helper.h"
#include "map.h"
#include "signals.h"
#include "state.h"

/* A sender's end of a pair. */
struct pair {
    struct pair *next;
    struct pair_header *map;
    struct gate_front *gate;
    int fd; /* open for those who look at us (look.c) */
    struct place places[PAIR_SLOTS]; /* `taken` and `abandoned` under the process's lock */
};

static struct link *find(struct process *self, pid_t pid)
{
    struct link *link = self->links;
    while (link && link->peer.pid != pid)
        link = link->next;
    return link;
}

static void discard_pair(struct pair *pair)
{
    unmap_shared(pair->gate, GATE_SIZE);
    pair_unmap(pair->map);
    fd_drop(pair->fd);
    free(pair);
}

static void discard(struct link *link)
{
    unmap_shared(link->front, sizeof *link->front);
    for (struct pair *pair = link->pairs, *next; pair; pair = next) {
        next = pair->next;
        discard_pair(pair);
    }
    stranger_forget(&link->stranger);
    free(link);
}

bool link_alive(struct link *link)
{
    return link->front ? peer_alive(&link->peer) : stranger_alive(&link->stranger);
}

static int make_link(const struct peer *peer, int fd, struct link **ret_link)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        return -ENOMEM;
    link->peer = *peer;
    link->stranger = (struct stranger){.watch = -1, .life = -1};
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
static struct link *get_known(struct process *self, pid_t pid, bool refused)
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
    if (!link || ((now - before < 500 * MS || link_alive(link)) && !(refused && link->front)))
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
        if (!link_alive(last))
            link_bury(self, last);
        link_put(self, last);
    }
}

/* Ours, or the one that another thread has made meanwhile: then ours is taken apart. */
static struct link *enlist(struct process *self, struct link *made)
{
    pthread_mutex_lock(&self->lock);
    struct link *link = find(self, made->peer.pid);
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
    return link;
}

/* A pair more, ours whatever becomes of the introduction. */
static int add_pair(struct process *self, struct link *link, struct introduction *it)
{
    int r = -ENOMEM;
    struct pair *pair = calloc(1, sizeof *pair);
    if (pair) {
        pair->map = pair_map(it, self->pid, link->peer.pid);
        pair->gate = gate_map(it, NULL);
        r = pair->map && pair->gate ? 0 : -EPROTO;
    }
    if (r == 0) {
        pair->fd = it->pair;
        it->pair = -1;
        for (uint32_t i = 0; i < PAIR_SLOTS; i++) {
            char *at = (char *)pair_slot(pair->map, i);
            pair->places[i] = (struct place){.slot = (struct slot *)(void *)at,
                                             .message = at + SLOT_MESSAGE_AT,
                                             .reply = at + SLOT_REPLY_AT,
                                             .window = at + SLOT_WINDOW_AT,
                                             .index = it->index * PAIR_SLOTS + i,
                                             .word = word_make(it->pair_id * 0x9e3779b97f4a7c15u, 0, SLOT_IDLE),
                                             .target = it->pair_id,
                                             .port = &pair->gate->port};
        }
        pthread_mutex_lock(&self->lock);
        struct pair **end = &link->pairs; /* the first ones first, so that the last ones stay untouched */
        while (*end)
            end = &(*end)->next;
        *end = pair;
        pthread_mutex_unlock(&self->lock);
    } else if (pair) {
        pair->fd = -1;
        discard_pair(pair);
    }
    introduction_close(it);
    return r;
}

/* To ask for a pair; for no longer than the patience lasts, while another thread does. */
static int begin_introduction(struct process *self, struct patience *patience)
{
    int r = 0;
    while (pthread_mutex_trylock(&self->introducing) != 0) {
        if ((r = patience_check(patience)) != 0 || (r = folder_sleep(-1, -1, MS)) == -EINTR)
            return r;
        if (patience_is_due(patience) && (r = patience_look(patience)) != 0)
            return r;
    }
    return 0;
}

/* Neither may open the other's rows: by the helper. */
static int make_link_over_pairs(struct process *self, pid_t pid, struct patience *patience, struct link **ret_link)
{
    struct introduction it;
    int r = helper_introduce(self, pid, patience, &it);
    if (r < 0)
        return r;
    struct link *link = stranger_is_sound(&it.peer) ? calloc(1, sizeof *link) : NULL;
    if (!link) {
        introduction_close(&it);
        return -EPROTO;
    }
    link->peer = (struct peer){
        .pid = pid, .uid = it.peer.uid, .row_fd = -1, .life_fd = -1, .started = process_started(pid)};
    link->stranger = it.peer;
    it.peer.watch = it.peer.life = -1;
    r = add_pair(self, link, &it);
    if (r < 0) {
        discard(link);
        return r;
    }
    *ret_link = link;
    return 0;
}

int link_get(struct process *self, pid_t pid, bool refused, struct patience *patience, a32 *meeting,
             struct link **ret_link)
{
    struct link *made;
    struct peer peer;
    int fd, r = -EACCES;
    helper_join_once(self);
    *ret_link = get_known(self, pid, refused);
    if (*ret_link)
        return 0;
    if (!refused)
        r = meet_patiently(self, pid, patience, meeting, &peer, &fd);
    if (r == 0) {
        r = make_link(&peer, fd, &made);
        close(fd);
        if (r == 0)
            *ret_link = enlist(self, made);
    } else if (r == -EACCES && (r = begin_introduction(self, patience)) == 0) {
        *ret_link = get_known(self, pid, true); /* another thread's doing meanwhile */
        if (!*ret_link && (r = make_link_over_pairs(self, pid, patience, &made)) == 0)
            *ret_link = enlist(self, made);
        pthread_mutex_unlock(&self->introducing);
    }
    if (r == 0)
        bury_some(self);
    return r;
}

/* Under the lock. A receiver that was still writing into an abandoned slot has ended it, as it must: the slot is ours
 * again. */
static bool is_free(struct place *place)
{
    if (place->abandoned && !state_is_being_written(word_state(atomic_load(&place->slot->word))))
        place->abandoned = false;
    return !place->taken && !place->abandoned;
}

void link_watch(struct process *self, struct link *link)
{
    uint32_t helper = helper_joins(self);
    if (helper != atomic_load_explicit(&link->watched_by, memory_order_relaxed) && link->front &&
        helper_watch(self, link->peer.pid) == 0) /* else it has not joined: perhaps later */
        atomic_store_explicit(&link->watched_by, helper, memory_order_relaxed);
}

static struct place *take_free(struct process *self, struct link *link)
{
    struct place *place = NULL;
    pthread_mutex_lock(&self->lock);
    for (struct pair *pair = link->pairs; pair && !place; pair = pair->next)
        for (uint32_t i = 0; i < PAIR_SLOTS && !place; i++)
            if (is_free(&pair->places[i]))
                place = &pair->places[i];
    if (place)
        place->taken = true;
    pthread_mutex_unlock(&self->lock);
    return place;
}

int link_place_in_pair(struct process *self, struct link *link, struct place *own, struct patience *patience,
                       struct place **ret_place)
{
    struct introduction it;
    struct place *place;
    while (!(place = take_free(self, link))) {
        int r = begin_introduction(self, patience);
        if (r < 0)
            return r;
        place = take_free(self, link); /* by another thread's doing */
        if (!place && (r = helper_introduce(self, link->peer.pid, patience, &it)) == 0)
            r = add_pair(self, link, &it);
        pthread_mutex_unlock(&self->introducing);
        if (place)
            break;
        if (r < 0)
            return r;
    }
    place->traced = own->traced;
    atomic_store_explicit(&place->slot->tid, (uint32_t)thread_id(), memory_order_relaxed);
    atomic_store_explicit(&own->slot->meeting, MEETING_AT_PAIR + place->index, memory_order_relaxed);
    atomic_store_explicit(&own->slot->sends, atomic_load_explicit(&own->slot->sends, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    *ret_place = place;
    return 0;
}

void link_place_back_in_pair(struct process *self, struct place *own, struct place *place)
{
    own->traced = place->traced;
    own->relay_to = place->relay_to;
    atomic_store_explicit(&own->slot->meeting, 0, memory_order_relaxed);
    pthread_mutex_lock(&self->lock);
    place->taken = false;
    pthread_mutex_unlock(&self->lock);
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
    *ret_claimed = false;
    if (!link->front)
        return (int)place->index; /* the pair's from the start, and no word of it is in the gate */
    a64 *entries = link->front->entries;
    uint64_t mine = entry_make(self->pid, place->index, (uint32_t)self->row_fd, self->row_id);
    unsigned mark = link->entry_of[place->index];
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

int link_entry_patiently(struct process *self, struct link *link, struct place *place, struct patience *patience)
{
    for (;;) {
        bool claimed;
        int r = link_entry(self, link, place, &claimed);
        if (r != -EAGAIN)
            return r;
        if (!link_alive(link))
            return -ESRCH;
        if ((r = verb_is_interrupted() ? -EINTR : patience_check(patience)) != 0)
            return r;
        r = futex_sleep(&link->front->port.crowded, 1, patience_slice(patience));
        if (r == -EINTR || (r == -ETIMEDOUT && (r = patience_look(patience)) != 0))
            return r;
    }
}

void port_ring(struct port *port, unsigned entry)
{
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
