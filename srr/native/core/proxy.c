/*
 * proxy.c - proxies: attach, detach, trigger, list. What their owner does with them is in proxy_in.c.
 *
 * An id must be a number of the pid space that nobody else has or gets while the proxy lives, also
 * when everybody is killed: so it is one: the tid of a thread that does nothing, in the process that attached the
 * proxy. The kernel thus tells from the id alone which process to look in (/proc/<id>/status), and whether it lives.
 *
 * A trigger finds the proxy's place in its owner's rows once, and remembers it. Count, arrival and generation are one
 * word, so it hits that very proxy or none:
 *
 *     trigger                              detach, and attach of another one in the same place
 *     word: generation 7, count 0
 *                                          word: generation 8, then 9 (in service)
 *     CAS(7/0 -> 7/1) fails: -ESRCH
 */
#define _GNU_SOURCE
#include "proxy.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "link.h"
#include "peer.h"
#include "port.h"
#include "priority.h"
#include "signals.h"
#include "srr.h"
#include "transfer.h"

/* The thread whose tid is the id. It waits until its proxy's id is another one. */
struct parked {
    a32 tid;
    _Atomic(a32 *) id; /* NULL: not decided yet */
};
#define PARK_STACK ((size_t)PTHREAD_STACK_MIN + 16 * PAGE)
static a32 nowhere;    /* for a thread that is not needed after all: it holds no tid */

static void *park(void *arg)
{
    struct parked *parked = arg;
    uint32_t tid = (uint32_t)syscall(SYS_gettid);
    a32 *id;
    atomic_store(&parked->tid, tid);
    futex_wake(&parked->tid, 1);
    while (!(id = atomic_load(&parked->id)))
        sched_yield(); /* its maker has some instructions to go */
    free(parked);
    while (atomic_load(id) == tid)
        futex_sleep(id, tid, 3600 * 1000 * MS);
    return NULL;
}

/* -EAGAIN: no thread is to be had. */
static int make_parked(struct parked **ret_parked)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;
    struct parked *parked = calloc(1, sizeof *parked);
    if (!parked)
        return -ENOMEM;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, PARK_STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's handlers are not for this thread */
    int r = pthread_create(&thread, &attr, park, parked);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (r != 0) {
        free(parked);
        return -EAGAIN;
    }
    while (atomic_load(&parked->tid) == 0)
        futex_sleep(&parked->tid, 0, SLICE_LONGEST);
    *ret_parked = parked;
    return 0;
}

/* A free proxy in those rows, now ours. NULL: there is none. */
static struct proxy *claim(struct row_front *front, pid_t id)
{
    for (uint32_t i = 0; i < PROXIES; i++) {
        uint32_t nobody = 0, top;
        if (atomic_load(&front->proxies[i].id) != 0 ||
            !atomic_compare_exchange_strong(&front->proxies[i].id, &nobody, (uint32_t)id))
            continue;
        top = atomic_load(&front->port.proxies_top);
        while (top <= i && !atomic_compare_exchange_strong(&front->port.proxies_top, &top, i + 1))
            ;
        return &front->proxies[i];
    }
    return NULL;
}

static struct proxy *find(struct row_front *front, pid_t id)
{
    uint32_t top = atomic_load(&front->port.proxies_top);
    for (uint32_t i = 0; i < top && i < PROXIES; i++)
        if (atomic_load(&front->proxies[i].id) == (uint32_t)id)
            return &front->proxies[i];
    return NULL;
}

/* Out of service, then free. Whoever parks on the id is woken. */
static void dismiss(struct proxy *proxy, pid_t id)
{
    uint64_t word = atomic_load(&proxy->word);
    uint32_t expected = (uint32_t)id;
    do /* the id after the word: a successor has another generation, and the CAS fails */
        if (atomic_load(&proxy->id) != expected)
            return;
    while (proxy_generation(word) % 2 == 1 &&
           !atomic_compare_exchange_strong(&proxy->word, &word, proxy_word(proxy_generation(word) + 1, 0, 0)));
    if (atomic_compare_exchange_strong(&proxy->id, &expected, 0))
        futex_wake(&proxy->id, INT_MAX);
}

/* Another process's rows, if it has any, without waiting for them. */
static int meet(struct process *self, pid_t pid, struct link **ret_link)
{
    struct patience patience;
    patience_begin(&patience, &(struct srr_wait){.timeout_ns = 0}, SLICE_FIRST);
    int r = link_get(self, pid, false, &patience, NULL, ret_link);
    if (r == 0 && !(*ret_link)->front) { /* proxies are in rows, and pairs have none */
        link_put(self, *ret_link);
        r = -EACCES;
    }
    return r == -ETIMEDOUT ? -EAGAIN : r;
}

/* The same for a new proxy, which would else be one of a process that died a moment ago. */
static int meet_living(struct process *self, pid_t pid, struct link **ret_link)
{
    int r = meet(self, pid, ret_link);
    if (r < 0 || peer_alive(&(*ret_link)->peer))
        return r;
    link_bury(self, *ret_link);
    link_put(self, *ret_link);
    return meet(self, pid, ret_link); /* its number may be another's by now */
}

static struct row_front *front_of(struct process *self, struct link *link)
{
    return link ? link->front : self->front;
}

/* Two places: where the id leads, and where the proxy is; one and the same for a proxy of one's own. */
struct found {
    struct link *holder, *owner; /* NULL: ourselves */
    struct proxy *directory, *proxy;
    pid_t holder_pid, owner_pid;
};

static void put_found(struct process *self, struct found *found)
{
    if (found->holder)
        link_put(self, found->holder);
    if (found->owner)
        link_put(self, found->owner);
}

/* The process whose thread that is, or -ESRCH. */
static pid_t thread_group_of(pid_t tid)
{
    char path[64], text[2048];
    int group;
    snprintf(path, sizeof path, "/proc/%d/status", tid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -ESRCH;
    pid_t r = -ESRCH;
    while (r < 0 && fgets(text, sizeof text, file))
        if (sscanf(text, "Tgid: %d", &group) == 1)
            r = group;
    fclose(file);
    return r == tid ? -ESRCH : r; /* a first thread is no proxy */
}

static int get_link(struct process *self, pid_t pid, struct link **ret_link)
{
    *ret_link = NULL;
    int r = pid == self->pid ? 0 : meet(self, pid, ret_link);
    return r == -EAGAIN ? -ESRCH : r;
}

/* Look the proxy up. Failures as proxy_trigger(). */
static int look_up(struct process *self, pid_t id, struct found *ret_found)
{
    struct found found = {0};
    found.holder_pid = thread_group_of(id);
    if (found.holder_pid < 0)
        return -ESRCH;
    int r = get_link(self, found.holder_pid, &found.holder);
    if (r < 0)
        return r;
    r = -ESRCH;
    found.directory = find(front_of(self, found.holder), id);
    if (!found.directory)
        goto fail;
    found.owner_pid = (pid_t)atomic_load(&found.directory->owner);
    found.proxy = found.directory;
    if (found.owner_pid == found.holder_pid) {
        *ret_found = found;
        return 0;
    }
    uint32_t at = atomic_load(&found.directory->at);
    if (found.owner_pid <= 0 || at >= PROXIES || (r = get_link(self, found.owner_pid, &found.owner)) < 0)
        goto fail;
    found.proxy = &front_of(self, found.owner)->proxies[at];
    r = -ESRCH;
    if (atomic_load(&found.proxy->id) != (uint32_t)id || (found.owner && !peer_alive(&found.owner->peer)))
        goto fail;
    *ret_found = found;
    return 0;
fail:
    put_found(self, &found);
    return r;
}

/* One trigger more. False: it is not in service. */
static bool count_one(struct row_front *front, struct proxy *proxy, pid_t id)
{
    uint32_t index = (uint32_t)(proxy - front->proxies);
    uint32_t arrival = atomic_fetch_add(&front->port.arrivals, 1);
    uint64_t word = atomic_load(&proxy->word), more;
    do {
        uint32_t count = proxy_count(word);
        if (proxy_generation(word) % 2 == 0 || atomic_load(&proxy->id) != (uint32_t)id)
            return false;
        if (count == PROXY_COUNT_MAX)
            return true;
        more = count == 0 ? proxy_word(proxy_generation(word), 1, arrival) : word + (UINT64_C(1) << 32);
    } while (!atomic_compare_exchange_strong(&proxy->word, &word, more));
    PROBE(trigger, 0, front->header.pid, id, 0, 0, proxy_count(more));
    atomic_fetch_or(&front->port.proxy_hints[index / 64], UINT64_C(1) << index % 64);
    port_ring_bell(&front->port);
    return true;
}

/* What we remember of a proxy of another process: where it is. */
static bool trigger_known(struct process *self, pid_t id, pid_t *ret_owner)
{
    struct known_proxy *known = &self->known_proxies[(uint32_t)id % KNOWN_PROXIES];
    struct link *link = NULL;
    struct proxy *proxy = NULL;
    pthread_mutex_lock(&self->lock);
    if (known->id == id) {
        link = known->link;
        link->uses++;
        proxy = &link->front->proxies[known->index];
    }
    pthread_mutex_unlock(&self->lock);
    if (!link)
        return false;
    *ret_owner = link->peer.pid;
    bool done = is_thread_of(link->peer.pid, id) && count_one(link->front, proxy, id);
    link_put(self, link);
    return done;
}

/* Only those that the owner holds itself: whether they live can be asked in one quick question. */
static void remember(struct process *self, pid_t id, const struct found *found)
{
    struct known_proxy *known = &self->known_proxies[(uint32_t)id % KNOWN_PROXIES];
    if (!found->holder || found->owner_pid != found->holder_pid)
        return;
    pthread_mutex_lock(&self->lock);
    struct link *before = known->id != 0 ? known->link : NULL;
    known->id = id;
    known->link = found->holder;
    known->index = (uint32_t)(found->proxy - found->holder->front->proxies);
    found->holder->uses++;
    pthread_mutex_unlock(&self->lock);
    if (before)
        link_put(self, before);
}

pid_t proxy_trigger(struct process *self, pid_t id)
{
    struct found found;
    pid_t owner;
    if (id <= 0)
        return -ESRCH;
    struct proxy *mine = find(self->front, id);
    if (mine && atomic_load(&mine->owner) == (uint32_t)self->pid)
        return count_one(self->front, mine, id) ? self->pid : -ESRCH;
    if (trigger_known(self, id, &owner))
        return owner;
    int r = look_up(self, id, &found);
    if (r < 0)
        return r;
    r = count_one(front_of(self, found.owner_pid == found.holder_pid ? found.holder : found.owner), found.proxy, id)
            ? found.owner_pid
            : -ESRCH;
    if (r > 0)
        remember(self, id, &found);
    put_found(self, &found);
    return r;
}

pid_t srr_trigger(pid_t id)
{
    int r;
    verb_begin();
    struct process *self = process_self(&r);
    if (self)
        r = proxy_trigger(self, id);
    verb_end();
    return r;
}

/* Everything but the generation, which puts it in service. */
static void fill(struct proxy *proxy, pid_t owner, const char *data, uint32_t nbytes, int priority)
{
    atomic_store(&proxy->owner, (uint32_t)owner);
    atomic_store(&proxy->nbytes, (uint8_t)nbytes);
    atomic_store(&proxy->priority, (uint8_t)priority);
    for (uint32_t i = 0; i < nbytes; i++)
        atomic_store_explicit(&proxy->data[i], (uint8_t)data[i], memory_order_relaxed);
}

static void put_in_service(struct proxy *proxy)
{
    uint64_t word = atomic_load(&proxy->word);
    atomic_store(&proxy->word, proxy_word(proxy_generation(word) | 1, 0, 0));
}

/* Proxies of ours that were attached to processes which are no more. True: there were some. */
static bool sweep(struct process *self)
{
    bool found_some = false;
    for (uint32_t i = 0; i < PROXIES; i++) {
        struct proxy *proxy = &self->front->proxies[i];
        struct found found;
        pid_t id = (pid_t)atomic_load(&proxy->id), owner = (pid_t)atomic_load(&proxy->owner);
        if (id == 0 || owner == 0 || owner == self->pid || !is_thread_of(self->pid, id))
            continue; /* free, being made, or in use by ourselves; or somebody else's with us, which proxies_look() buries */
        int r = look_up(self, id, &found);
        if (r == 0) {
            put_found(self, &found);
        } else if (r == -ESRCH) {
            dismiss(proxy, id);
            found_some = true;
        }
    }
    return found_some;
}

/* The id is the parked thread's; link: to the owner, NULL: ourselves. */
static int place(struct process *self, pid_t id, struct link *link, const char *data, uint32_t nbytes, int priority,
                 a32 **ret_id)
{
    pid_t owner = link ? link->peer.pid : self->pid;
    struct proxy *directory = claim(self->front, id), *proxy;
    if (!directory && sweep(self))
        directory = claim(self->front, id);
    if (!directory)
        return -EAGAIN;
    proxy = directory;
    if (link) {
        proxy = claim(link->front, id);
        if (!proxy) {
            atomic_store(&directory->id, 0);
            return -EAGAIN;
        }
        atomic_store(&directory->at, (uint32_t)(proxy - link->front->proxies));
        atomic_store(&directory->owner, (uint32_t)owner);
    }
    fill(proxy, owner, data, nbytes, priority);
    put_in_service(proxy);
    *ret_id = &directory->id;
    return 0;
}

static pid_t attach(pid_t owner, const char *data, uint32_t nbytes, int priority)
{
    struct link *link = NULL;
    struct parked *parked;
    a32 *id_at = &nowhere;
    int r;
    struct process *self = process_self(&r);
    if (!self)
        return r;
    if (priority == -1 && (priority = priority_of(0)) < 0)
        return priority;
    if (owner != 0 && owner != self->pid && (r = meet_living(self, owner, &link)) < 0)
        return r;
    r = make_parked(&parked);
    if (r == 0) {
        pid_t id = (pid_t)atomic_load(&parked->tid);
        r = place(self, id, link, data, nbytes, priority, &id_at);
        if (r == 0)
            r = id;
        atomic_store(&parked->id, id_at); /* it parks there, or leaves */
    }
    if (link)
        link_put(self, link);
    return r;
}

pid_t srr_proxy_attach(pid_t owner, const void *data, uint32_t nbytes, int priority)
{
    char copy[SRR_PROXY_MAX];
    if (nbytes > SRR_PROXY_MAX || (nbytes > 0 && !data) || priority < -1 || priority == 0 || priority > PRIORITY_MOST)
        return -EINVAL;
    if (owner < 0)
        return -ESRCH;
    verb_begin();
    struct iovec part = {(void *)(uintptr_t)data, nbytes};
    int64_t r = gather(copy, nbytes, &part, 1, 0);
    if (r >= 0)
        r = attach(owner, copy, nbytes, priority);
    verb_end();
    return (pid_t)r;
}

static int look(pid_t id, struct srr_proxy_view *ret_proxy)
{
    struct found found;
    int r;
    struct process *self = process_self(&r);
    if (!self || (r = look_up(self, id, &found)) < 0)
        return r;
    uint64_t word = atomic_load(&found.proxy->word);
    struct srr_proxy_view view = {
        .id = id, .owner = found.owner_pid, .count = proxy_count(word), .priority = atomic_load(&found.proxy->priority)};
    put_found(self, &found);
    if (proxy_generation(word) % 2 == 0)
        return -ESRCH;
    *ret_proxy = view;
    return 0;
}

int srr_proxy_look(pid_t id, struct srr_proxy_view *ret_proxy)
{
    if (id <= 0)
        return -ESRCH;
    verb_begin();
    int r = look(id, ret_proxy);
    verb_end();
    return r;
}

static int detach(pid_t id)
{
    struct found found;
    int r;
    struct process *self = process_self(&r);
    if (!self)
        return r;
    r = look_up(self, id, &found);
    struct proxy *mine = r == -ESRCH ? find(self->front, id) : NULL;
    if (mine && is_thread_of(self->pid, id)) {
        dismiss(mine, id); /* it was to a process that has died */
        return 0;
    }
    if (r < 0)
        return r == -EACCES ? -EPERM : r;
    if (found.owner_pid != self->pid && found.holder_pid != self->pid) {
        r = -EPERM;
    } else {
        dismiss(found.proxy, id);
        if (found.directory != found.proxy)
            dismiss(found.directory, id);
    }
    put_found(self, &found);
    return r;
}

int srr_proxy_detach(pid_t id)
{
    if (id <= 0)
        return -ESRCH;
    verb_begin();
    int r = detach(id);
    verb_end();
    return r;
}
