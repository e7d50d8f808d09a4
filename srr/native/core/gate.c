/*
 * gate.c - senders of other users, and others whose rows we may not open: let in by srr-helper (helper.h), each
 * through its
 * user's gate; and sleeping on several bells. See port.h.
 *
 * What a guest writes is never believed: who it is, the helper has said; when its message came, we say ourselves,
 * when we
 * notice it; which thread sent it, the kernel confirms.
 *
 * Several bells instead of one change nothing in the argument at the head of link.c: all are read before the first
 * hint is
 * followed, and the kernel compares them all before it sleeps. Only a gate that comes in between must not be slept
 * past:
 *
 *     losing                                       ours
 *     receiver: reads the bells it has             reads the bells, and how many gates have come
 *     helper:   MEET; news += 1
 *     receiver: collect: lets the gate in          collect: lets the gate in: one more has come
 *     sender:   hint; its gate's bell += 1
 *     receiver: sleeps on the bells that it read   another number: reads the bells again, and collects
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "helper.h"
#include "port.h"
#include "srr.h"

/* ---- who is let in */

static struct gate *find_gate(struct receiver *r, uint64_t id)
{
    uint32_t top = atomic_load(&r->gates_top);
    for (uint32_t i = 0; i < top; i++)
        if (r->gates[i]->id == id)
            return r->gates[i];
    return NULL;
}

/* One that nobody comes through any more, or a new one. */
static struct gate *unused_gate(struct receiver *r)
{
    uint32_t top = atomic_load(&r->gates_top);
    for (uint32_t i = 0; i < top; i++)
        if (r->gates[i]->count == 0 && r->gates[i]->sleepers == 0)
            return r->gates[i];
    return top < GATES ? calloc(1, sizeof(struct gate)) : NULL;
}

static struct gate *gate_for(struct receiver *r, const struct introduction *it)
{
    struct gate *gate = find_gate(r, it->gate_id);
    if (gate || !(gate = unused_gate(r)))
        return gate;
    struct gate_front *front = gate_map(it, gate->front);
    if (!front) {
        if (gate->number == 0)
            free(gate);
        return NULL;
    }
    gate->front = front;
    gate->id = it->gate_id;
    if (gate->number == 0) {
        uint32_t top = atomic_load(&r->gates_top);
        gate->number = top + 1;
        r->gates[top] = gate;
        atomic_store(&r->gates_top, top + 1); /* seen by threads without the lock: the gate first */
    }
    atomic_fetch_add(&r->gates_made, 1);
    return gate;
}

static void let_in(struct receiver *r, struct introduction *it)
{
    struct guest *guest = calloc(1, sizeof *guest);
    struct pair_header *map = stranger_is_sound(&it->peer) ? pair_map(it, it->peer.pid, r->self->pid) : NULL;
    struct gate *gate = guest && map ? gate_for(r, it) : NULL;
    if (gate && !gate->guests[it->index]) {
        *guest = (struct guest){
            .gate = gate, .stranger = it->peer, .map = map, .pair_id = it->pair_id, .index = it->index, .uses = 1};
        stranger_map_lives(&guest->stranger);
        gate->guests[it->index] = guest;
        gate->count++;
        it->peer.watch = it->peer.life = -1;
    } else { /* no room, or nonsense: its Sends wait until their time runs out */
        pair_unmap(map);
        free(guest);
    }
    introduction_close(it);
}

/*
 * The kernel is asked by a system call, F_GETLK, and what it said holds for 10 ms if the thread's life word does not
 * say otherwise, which costs a load. So the death of whoever runs this library is seen at once. Somebody who has
 * changed it may have left its life file to a child of its own, which keeps a dead process alive, as far as we can
 * see, for these 10 ms: to send one more message in its name, or take one more reply. Its number is not another's so
 * soon, and both processes are of the same user.
 */
#define WORD_HOLDS SLICE_FIRST

bool guest_lives(struct conn *conn)
{
    struct guest *guest = conn->guest;
    int64_t now = now_roughly_ns();
    pid_t tid = (pid_t)atomic_load_explicit(&conn->slot->tid, memory_order_relaxed);
    if (now - atomic_load(&guest->lived_ns) < WORD_HOLDS) {
        const a32 *life = atomic_load(&conn->life);
        if (!life || !life_is(life, tid)) /* another thread of its process has the slot now */
            atomic_store(&conn->life, life = stranger_life(&guest->stranger, tid));
        if (life)
            return true;
    }
    bool alive = stranger_alive(&guest->stranger);
    if (alive)
        atomic_store(&guest->lived_ns, now);
    return alive;
}

void guest_release(struct guest *guest)
{
    if (atomic_fetch_sub(&guest->uses, 1) > 1)
        return;
    pair_unmap(guest->map);
    stranger_forget(&guest->stranger);
    free(guest);
}

static void bury(struct receiver *r, struct guest *guest)
{
    for (uint32_t i = 0; i < PAIR_SLOTS; i++)
        if (guest->conns[i])
            conn_bury(r, guest->conns[i]);
    guest->gate->guests[guest->index] = NULL;
    guest->gate->count--;
    guest_release(guest);
}

/* ---- what has come */

/* Whoever uses that slot, or will. NULL: nobody. */
static struct conn *visit(struct receiver *r, struct gate *gate, uint32_t hint)
{
    struct guest *guest = gate->guests[hint / PAIR_SLOTS];
    uint32_t slot = hint % PAIR_SLOTS;
    if (!guest || guest->conns[slot])
        return guest ? guest->conns[slot] : NULL;
    struct conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL; /* the look() tries again */
    char *at = (char *)pair_slot(guest->map, slot);
    const struct stranger *stranger = &guest->stranger;
    conn->index = hint;
    conn->target = guest->pair_id;
    conn->guest = guest;
    conn->queued.kind = SRR_KIND_MESSAGE;
    conn->peer = (struct peer){.pid = stranger->pid, .uid = stranger->uid, .gid = stranger->gid};
    conn->slot = (struct slot *)(void *)at;
    conn->message = at + SLOT_MESSAGE_AT;
    conn->reply = at + SLOT_REPLY_AT;
    conn->window = at + SLOT_WINDOW_AT;
    pthread_mutex_init(&conn->writing, NULL);
    guest->conns[slot] = conn;
    atomic_fetch_add(&guest->uses, 1);
    atomic_fetch_add_explicit(&r->self->front->header.clients, 1, memory_order_relaxed);
    if (guest->top <= slot)
        guest->top = slot + 1;
    return conn;
}

static bool collect_at(struct receiver *r, struct gate *gate)
{
    bool news = false;
    struct port *port = &gate->front->port;
    if (atomic_load(&port->summary) == 0)
        return false;
    for (uint64_t words = atomic_exchange(&port->summary, 0); words; words &= words - 1) {
        uint32_t w = (uint32_t)__builtin_ctzll(words);
        for (uint64_t bits = atomic_exchange(&port->hints[w], 0); bits; bits &= bits - 1) {
            struct conn *conn = visit(r, gate, w * 64 + (uint32_t)__builtin_ctzll(bits));
            news |= conn && conn_arrived(r, conn);
        }
    }
    return news;
}

bool gates_collect_now(struct receiver *r)
{
    bool news = false;
    struct introduction it;
    uint32_t word = helper_news(r->self);
    if (word != atomic_load_explicit(&r->news, memory_order_relaxed)) {
        atomic_store_explicit(&r->news, word, memory_order_relaxed);
        helper_listen(r->self);
        gates_look(r); /* it may be that somebody has died */
    }
    while (helper_next_meeting(r->self, &it)) {
        let_in(r, &it);
        if (atomic_load(&r->self->meetings) == 0)
            helper_listen(r->self); /* it may have held some back */
    }
    uint32_t top = atomic_load(&r->gates_top);
    for (uint32_t i = 0; i < top; i++) {
        news |= collect_at(r, r->gates[i]);
        if (!r->gates[i]->shown)
            gate_next(r, r->gates[i]);
    }
    return news;
}

/* A sender takes its lowest free slot: beyond the first one that nobody has used there is nothing to be found. */
static void look_at(struct receiver *r, struct guest *guest)
{
    if (!stranger_alive(&guest->stranger)) {
        bury(r, guest);
        return;
    }
    for (uint32_t i = 0; i <= guest->top && i < PAIR_SLOTS; i++) {
        struct conn *conn = guest->conns[i];
        if (conn)
            conn_look(r, conn);
        else if (word_state(atomic_load(&pair_slot(guest->map, i)->word)) == SLOT_SENT)
            visit(r, guest->gate, guest->index * PAIR_SLOTS + i); /* if its hint was lost, the next look finds it */
    }
}

void gates_look(struct receiver *r)
{
    uint32_t top = atomic_load(&r->gates_top);
    for (uint32_t i = 0; i < top; i++)
        for (uint32_t g = 0; g < GATE_PAIRS && r->gates[i]->count > 0; g++)
            if (r->gates[i]->guests[g])
                look_at(r, r->gates[i]->guests[g]);
}

/* ---- one turn for each user */

/* Under the lock. Which of its threads sent it, confirmed by the kernel: the sender's word anybody of its user may have
 * written. */
static pid_t thread_of(struct conn *conn)
{
    pid_t tid = (pid_t)atomic_load(&conn->slot->tid);
    int64_t now = now_roughly_ns();
    if (conn->confirmed == tid && now - conn->confirmed_ns < WORD_HOLDS)
        return tid;
    if (!is_thread_of(conn->peer.pid, tid))
        return conn->peer.pid;
    conn->confirmed = tid;
    conn->confirmed_ns = now;
    return tid;
}

void gate_next(struct receiver *r, struct gate *gate)
{
    gate->shown = NULL;
    while (gate->waiting.first && !gate->shown) {
        struct queued *q = gate->waiting.first;
        struct conn *conn = (struct conn *)(void *)q;
        line_remove(q);
        if (!conn_message(conn))
            continue; /* it left */
        q->arrival = atomic_fetch_add(&r->port->arrivals, 1);
        q->from = thread_of(conn);
        gate->shown = q;
        receiver_queue(r, q);
    }
}

/*
 * In the order of arrival at this gate: whoever lies about it is of the user whose messages come later by it. But we
 * hold the lock: past so many others and no further, or a liar with thousands of slots would keep it for long.
 */
#define OVERTAKES_MOST 64
void gate_enqueue(struct conn *conn)
{
    struct gate *gate = conn->guest->gate;
    struct queued *q = &conn->queued, *before = gate->waiting.last;
    uint32_t now = atomic_load(&gate->front->port.arrivals);
    for (uint32_t n = 0; n < OVERTAKES_MOST && before && now - q->arrival > now - before->arrival; n++)
        before = before->before;
    line_put(&gate->waiting, before, q);
}

struct queued *gates_first(struct receiver *r, pid_t from)
{
    uint32_t top = atomic_load(&r->gates_top);
    for (uint32_t i = 0; i < top; i++)
        for (struct queued *q = r->gates[i]->waiting.first; q; q = q->after) {
            q->from = thread_of((struct conn *)(void *)q);
            if (comes_from(q, from))
                return q;
        }
    return NULL;
}

/* ---- several bells */

void bells_read_all(struct receiver *r, struct bells *ret_bells)
{
    ret_bells->made = atomic_load(&r->gates_made); /* before the gates */
    uint32_t top = atomic_load(&r->gates_top), n = 2;
    const a32 *news = atomic_load(&r->self->news);
    ret_bells->news = atomic_load(news);
    ret_bells->count = n;
    if (top == 0)
        return;
    struct bell_list *all = ret_bells->all ? ret_bells->all : malloc(sizeof *all);
    ret_bells->all = all;
    if (!all)
        return; /* then it looks at the gates at each slice's end */
    all->words[0] = sleep_word(&r->port->bell, ret_bells->own);
    all->words[1] = sleep_word(news, ret_bells->news);
    for (uint32_t i = 0; i < top; i++) {
        struct gate *gate = r->gates[i];
        if (atomic_load(&gate->count) == 0)
            continue;
        all->gates[n - 2] = gate;
        all->words[n++] = sleep_word(&gate->front->port.bell, atomic_load(&gate->front->port.bell));
    }
    ret_bells->count = n;
}

bool gates_spin(struct receiver *r, const struct bells *bells)
{
    uint32_t number = atomic_load_explicit(&r->rang_last, memory_order_relaxed), i = 2;
    while (i < bells->count && bells->all->gates[i - 2]->number != number)
        i++;
    bool found = i < bells->count;
    return spin(thread_spinner_receive(), found ? &bells->all->gates[i - 2]->front->port.bell : &r->port->bell,
                found ? (uint32_t)bells->all->words[i].value : bells->own, &r->peer_cpu);
}

/* At the gates, under the lock: none of them becomes another one while somebody is counted there. */
static bool announce(struct receiver *r, const struct bells *bells)
{
    pthread_mutex_lock(&r->lock);
    bool unchanged = atomic_load(&r->gates_made) == bells->made;
    for (uint32_t i = 0; unchanged && i < bells->count - 2; i++) {
        bells->all->gates[i]->sleepers++;
        atomic_fetch_add(&bells->all->gates[i]->front->port.sleepers, 1); /* (e) */
    }
    pthread_mutex_unlock(&r->lock);
    return unchanged;
}

static void withdraw(struct receiver *r, const struct bells *bells)
{
    pthread_mutex_lock(&r->lock);
    for (uint32_t i = 0; i < bells->count - 2; i++) {
        bells->all->gates[i]->sleepers--;
        atomic_fetch_sub(&bells->all->gates[i]->front->port.sleepers, 1);
    }
    pthread_mutex_unlock(&r->lock);
}

int bells_sleep(struct receiver *r, const struct bells *bells, bool first_slice, int64_t ns)
{
    bool alone = bells->count <= 2 && atomic_load(&r->gates_made) == bells->made;
    /* Who has no gate and no name for others expects in the first slice nobody but its own user. */
    if (alone && (bells->count == 0 || (first_slice && !helper_has_names(r->self))))
        return futex_sleep(&r->port->bell, bells->own, ns);
    if (alone) {
        struct sleep_word words[] = {sleep_word(&r->port->bell, bells->own),
                                     sleep_word(atomic_load(&r->self->news), bells->news)};
        return futex_sleep_on_any(words, 2, ns);
    }
    if (!announce(r, bells))
        return -EAGAIN;
    int slept = futex_sleep_on_any(bells->all->words, bells->count, ns);
    withdraw(r, bells);
    return slept;
}

void gates_publish_cpu(struct receiver *r, uint32_t here)
{
    uint32_t top = atomic_load_explicit(&r->gates_top, memory_order_relaxed);
    for (uint32_t i = 0; i < top; i++)
        port_publish_cpu(&r->gates[i]->front->port, here);
}
