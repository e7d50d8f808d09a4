/*
 * send.c - Send: publish, ring, wait, take the result.
 *
 * Guarantees B (ends exactly once) and C (no reply lands in a later transaction): the word decides. The
 * sender leaves only by a CAS from the state it has seen; a receiver writes into its buffers only after
 * its own CAS to BUSY, from which the sender can not leave:
 *
 *     losing                                         ours
 *     receiver: word == RECV? yes                    receiver: CAS RECV -> BUSY
 *     sender: time-out, word = IDLE, returns         sender: time-out, CAS RECV -> IDLE fails;
 *     sender: next Send, other buffers                       CAS BUSY -> BUSYC, waits
 *     receiver: writes into them                     receiver: writes, exchange -> DONE, wakes
 *
 * Sleeping on the word (guarantee A): the sender announces itself (sleeping = 1), then FUTEX_WAIT
 * compares the word; the receiver exchanges the word, then reads `sleeping`. One of them sees the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "lease.h"
#include "link.h"
#include "map.h"
#include "priority.h"
#include "process.h"
#include "proxy.h"
#include "signals.h"
#include "srr.h"
#include "state.h"
#include "traced.h"
#include "transfer.h"
#include "window.h"

#define TRY_AGAIN 1 /* beside 0 and -errno */
#define RELAYED 2
#define REFUSED 3

static int check_letter(struct letter *letter)
{
    int r = parts_length(letter->message, letter->message_parts, &letter->nbytes);
    return r < 0 ? r : parts_length(letter->reply, letter->reply_parts, &letter->room);
}

static void describe_parts(struct part *table, const struct iovec *parts, int count)
{
    for (int i = 0; i < count; i++) {
        atomic_store_explicit(&table[i].address, (uintptr_t)parts[i].iov_base, memory_order_relaxed);
        atomic_store_explicit(&table[i].length, parts[i].iov_len, memory_order_relaxed);
    }
}

/* This receiver will want a long message there: it did so the last time, or can do nothing else. */
static bool takes_window(const struct link *link)
{
    return (link->takes_window || !link->front) && forced_lane() != SRR_LANE_HELPER;
}

/* Everything about the Send but the word. Relaxed: the word's store publishes it. -EFAULT: a bad message. */
static int describe(struct process *self, struct place *place, struct link *link, struct letter *letter)
{
    struct slot *slot = place->slot;
    struct traced *traced = &place->traced;
    enum srr_lane lane = letter->nbytes == 0              ? SRR_LANE_NONE
                         : letter->nbytes <= inline_max() ? SRR_LANE_INLINE
                         : forced_lane() == SRR_LANE_WINDOW ? SRR_LANE_WINDOW
                                                            : SRR_LANE_DIRECT;
    uint64_t begun = now_if(traced->on);
    atomic_store_explicit(&slot->prefilled, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->lent, 0, memory_order_relaxed);
    if (lane == SRR_LANE_INLINE && gather(place->message, letter->nbytes, letter->message, letter->message_parts, 0) < 0)
        return -EFAULT;
    if ((lane == SRR_LANE_WINDOW || (lane == SRR_LANE_DIRECT && takes_window(link))) && window_prefill(place, letter) < 0)
        return -EFAULT;
    if (traced->on) {
        traced->transfer_ns += (uint64_t)now_ns() - begun;
        atomic_store_explicit(&slot->received_ns, 0, memory_order_relaxed);
        atomic_store_explicit(&slot->replied_ns, 0, memory_order_relaxed);
        atomic_store_explicit(&slot->transfer_ns, 0, memory_order_relaxed);
        atomic_store_explicit(&slot->taken_by, 0, memory_order_relaxed);
    }
    atomic_store_explicit(&slot->traced, traced->on, memory_order_relaxed);
    /* What a reply may fill before anybody writes into our buffer. */
    uint64_t unseen = takes_window(link) || forced_lane() == SRR_LANE_WINDOW ? WINDOW_SIZE : inline_max();
    unsigned bad = 0;
    if (!is_writable(letter->reply, letter->reply_parts, letter->room < unseen ? letter->room : unseen))
        bad = REPLY_BUFFER_IS_BAD;
    if (link->front && forced_lane() != SRR_LANE_WINDOW && (lane == SRR_LANE_DIRECT || letter->room > inline_max()))
        process_let_in(self, link->peer.pid);
    atomic_store_explicit(&slot->target, link_target(link, place), memory_order_relaxed);
    atomic_store_explicit(&slot->nbytes, letter->nbytes, memory_order_relaxed);
    atomic_store_explicit(&slot->room, letter->room, memory_order_relaxed);
    atomic_store_explicit(&slot->tid, (uint32_t)thread_id(), memory_order_relaxed);
    atomic_store_explicit(&slot->cpu, cpu_here(), memory_order_relaxed);
    atomic_store_explicit(&slot->message_parts, (uint16_t)letter->message_parts, memory_order_relaxed);
    atomic_store_explicit(&slot->reply_parts, (uint16_t)((unsigned)letter->reply_parts | bad),
                          memory_order_relaxed);
    atomic_store_explicit(&slot->lane, (uint8_t)lane, memory_order_relaxed);
    atomic_store_explicit(&slot->status, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->reply_flags, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->signals, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->sends, atomic_load_explicit(&slot->sends, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (link->front) { /* another user is not to know where our memory is */
        describe_parts(slot->parts, letter->message, letter->message_parts);
        describe_parts(slot->parts + letter->message_parts, letter->reply, letter->reply_parts);
    }
    return 0;
}

/* A transaction under way, and what a handler may do to it. */
struct sending {
    struct process *self;
    struct link *link;
    struct place *place;
    struct port *port;      /* the receiver's */
    uint64_t word;          /* as published */
    unsigned entry;
    struct letter *letter;  /* and how far its bytes have gone through the window */
    volatile uint64_t left; /* by a handler: the word that it left from */
    volatile bool must_leave; /* the same, while the receiver was writing */
    volatile bool caught;   /* the receiver was told of a signal instead: SIGNAL-blocked */
    uint32_t news;          /* the helper's word, before we looked last */
};

/* The receiver's. Another user's are not heeded: it could keep our handlers from running. */
static uint32_t heeded_flags(const struct sending *s)
{
    return s->link->front ? atomic_load(&s->port->flags) : 0;
}

/*
 * A handler wants to run (signals.c): leave, so that the message is gone from the queue before it does; the word, which
 * the wait compares, changes. From a receiver that catches signals nobody leaves: it is told, and decides.
 */
static void poke_sender(void *arg, int signo)
{
    struct sending *s = arg;
    struct slot *slot = s->place->slot;
    uint64_t word = atomic_load(&slot->word);
    while (!state_is_terminal(word_state(word)) && word_same_transaction(word, s->word)) {
        if (word_state(word) != SLOT_SENT && heeded_flags(s) & SRR_FLAG_SIGCATCH) {
            s->caught = true;
            atomic_store(&slot->signalled, 1);
            atomic_fetch_or(&slot->signals, UINT64_C(1) << (signo - 1));
            PROBE(signal, word_generation(word), s->link->peer.pid, 0, 0, 0, signo);
            port_ring(s->port, s->entry);
            return;
        }
        uint64_t leaving = word_leaving(word), seen = word;
        if (leaving == seen)
            return;
        if (!atomic_compare_exchange_strong(&slot->word, &word, leaving))
            continue;
        if (word_state(leaving) == SLOT_IDLE)
            s->left = seen;
        else
            s->must_leave = true;
        if (state_is_served(word_state(seen)))
            window_leave(s->place);
        return;
    }
}

/* At a slice's end: is the receiver alive, and does it still know us? Returns why to leave, or 0. */
static int look_up(struct sending *s, uint64_t seen)
{
    struct link *link = s->link;
    link_watch(s->self, link);
    s->news = helper_news(s->self);
    helper_look(s->self);
    if (!link_alive(link)) {
        atomic_compare_exchange_strong(&s->place->slot->word, &seen, word_bereaved(seen));
        return -ESRCH;
    }
    if (word_state(seen) != SLOT_SENT)
        return 0;
    bool claimed;
    int entry = link_entry(s->self, link, s->place, &claimed);
    if (entry < 0)
        return entry == -EAGAIN ? 0 : entry;
    if (claimed) { /* ours was scribbled over */
        s->entry = (unsigned)entry;
        port_ring(s->port, s->entry);
    }
    return 0;
}

/* Until the futex changes. After the first slice, until the helper has news, too: somebody may have died. */
static int sleep_a_slice(struct sending *s, a32 *futex, uint32_t value, struct patience *patience, int64_t ns)
{
    if (patience->looked == 0 || helper_joins(s->self) == 0)
        return futex_sleep(futex, value, ns);
    struct sleep_word words[] = {sleep_word(futex, value), sleep_word(atomic_load(&s->self->news), s->news)};
    int r = futex_sleep_on_any(words, 2, ns);
    if (helper_news(s->self) == s->news)
        return r;
    patience->slice = MS / 2; /* a death is told a moment before everybody sees it: look now, and soon again */
    return -ETIMEDOUT;
}

/*
 * Sleep once, while *futex == value: the word itself, or what the receiver does in the window. Returns why the Send
 * must end (it may not be able to yet), or 0.
 */
static int sleep_on(struct sending *s, uint64_t seen, a32 *futex, uint32_t value, struct patience *patience, bool leaving)
{
    struct slot *slot = s->place->slot;
    if (atomic_load_explicit(&slot->since_ns, memory_order_relaxed) == 0)
        atomic_store_explicit(&slot->since_ns, (uint64_t)now_ns(), memory_order_relaxed);
    atomic_store(&slot->sleeping, 1);
    /* One that is leaving has no time left, but must stay until the copy into its buffer is done. */
    int r = sleep_a_slice(s, futex, value, patience, leaving ? SLICE_FIRST : patience_slice(patience));
    if (r == -EINTR)
        return s->caught ? 0 : -EINTR;
    if (r != -ETIMEDOUT)
        return 0;
    uint64_t now = atomic_load(&slot->word);
    if (now != seen) {
        /* The end came as our time ran out: its wake must be under way. If it isn't, it was lost. */
        if (s->left == 0 && state_is_terminal(word_state(now)) &&
            !await_value(&slot->woken, (uint32_t)word_generation(now), SLICE_LONGEST))
            atomic_fetch_add_explicit(&s->self->front->header.healed, 1, memory_order_relaxed);
        return 0;
    }
    int why = look_up(s, seen);
    if (why == 0)
        why = patience_look(patience);
    return why != 0 ? why : patience_check(patience);
}

/*
 * It writes into the pair, not into our memory: who wants to leave need not wait for it, be it stopped or hostile.
 * But the
 * slot is not used again before it says that it has done (link.c).
 */
static bool may_abandon(struct sending *s, uint64_t word)
{
    if (s->link->front || !state_is_being_written(word_state(word)))
        return false;
    uint64_t seen = word;
    s->place->abandoned = atomic_compare_exchange_strong(&s->place->slot->word, &word, word_with(word, SLOT_BUSYC));
    if (s->place->abandoned && state_is_served(word_state(seen)))
        window_leave(s->place);
    return s->place->abandoned;
}

/* Wait until the word is terminal, or until we have left. Returns the last word of the transaction; *ret_why
 * is 0 if the receiver ended it. */
static uint64_t wait_for_end(struct sending *s, struct patience *patience, int *ret_why)
{
    struct slot *slot = s->place->slot;
    int why = patience->deadline == INT64_MAX ? 0 : patience_check(patience);
    for (unsigned spins = 0;;) {
        uint64_t word = atomic_load(&slot->word);
        if (s->left != 0 || s->must_leave)
            why = -EINTR;
        if (state_is_terminal(word_state(word)) || !word_same_transaction(word, s->word)) {
            *ret_why = why;
            return s->left != 0 ? s->left : word;
        }
        if (why != 0 && may_abandon(s, word)) {
            *ret_why = why;
            return word;
        }
        if (why != 0 && word_leaving(word) != word) {
            uint64_t left = word_leaving(word);
            if (!atomic_compare_exchange_strong(&slot->word, &word, left))
                continue;
            if (state_is_served(word_state(word)))
                window_leave(s->place);
            if (word_state(left) != SLOT_IDLE)
                continue;
            *ret_why = why;
            return word; /* what it was when we left: SENT, RECV or ASK */
        }
        a32 *futex = low_half(&slot->word);
        uint32_t value = (uint32_t)word;
        bool served = why == 0 && state_is_served(word_state(word)) &&
                      window_serve(s->place, s->letter, word, &futex, &value);
        if (served || (why == 0 && spin(thread_spinner_send(), futex, value, &s->port->cpu))) {
            /* A receiver that never has enough, or that changes the word and never ends, must not keep us for ever. */
            if (served || ++spins % 64 == 0)
                why = patience_is_due(patience) ? patience_look(patience) : patience_check(patience);
            continue;
        }
        int now = sleep_on(s, word, futex, value, patience, why != 0);
        why = why != 0 ? why : now;
    }
}

/* Point of no return is behind us: the transaction has ended, one way or another. */
static int read_result(struct place *place, struct letter *letter, uint64_t end, int why, struct srr_sent *sent)
{
    struct slot *slot = place->slot;
    enum slot_state state = word_state(end);
    uint8_t flags = atomic_load_explicit(&slot->reply_flags, memory_order_relaxed);
    uint32_t status = atomic_load_explicit(&slot->status, memory_order_relaxed);
    sent->message_lane = atomic_load_explicit(&slot->lane, memory_order_relaxed);
    if (state_is_received(state))
        sent->flags |= SRR_RECEIVED;
    if (state == SLOT_FAILN || state == SLOT_FAILR) {
        if (why != 0)
            return why; /* we ended it, or the receiver did because we wanted to leave */
        return status > 0 && status < 4096 ? -(int)status : -EPROTO;
    }
    if (state == SLOT_RELAY) {
        place->relay_to = (pid_t)atomic_load(&slot->relay_to);
        return why != 0 && why != -ESRCH ? why : RELAYED; /* we wanted to leave; who relayed may be dead by now */
    }
    if (state != SLOT_DONE) /* we left; or garbage in our slot */
        return why != 0 && (state == SLOT_SENT || state == SLOT_RECV || state == SLOT_ASK || place->abandoned) ? why
                                                                                                               : -EPROTO;
    sent->flags |= flags & (SRR_MESSAGE_TRUNCATED | SRR_BY_SERVER);
    if (status != 0)
        return status < 4096 ? -(int)status : -EPROTO;
    uint32_t inlined = atomic_load_explicit(&slot->inlined, memory_order_relaxed);
    sent->replied = flags & REPLY_IS_LONGER ? atomic_load_explicit(&slot->replied, memory_order_relaxed) : inlined;
    sent->stored = sent->replied < letter->room ? sent->replied : letter->room;
    if (sent->replied > letter->room)
        sent->flags |= SRR_REPLY_TRUNCATED;
    sent->reply_lane = atomic_load_explicit(&slot->reply_lane, memory_order_relaxed);
    if (sent->reply_lane == SRR_LANE_INLINE) {
        if (inlined > INLINE_SIZE)
            return -EPROTO;
        uint64_t begun = now_if(place->traced.on);
        if (scatter(letter->reply, letter->reply_parts, 0, place->reply, inlined) < 0)
            return -EFAULT;
        if (place->traced.on)
            place->traced.transfer_ns += (uint64_t)now_ns() - begun;
    } else if (sent->reply_lane == SRR_LANE_WINDOW) {
        return window_finish(place, letter);
    } else if (sent->reply_lane != SRR_LANE_DIRECT && sent->reply_lane != SRR_LANE_HELPER) {
        sent->reply_lane = SRR_LANE_NONE;
    }
    return 0;
}

/* From the first contact to the result; the slot is ours. RELAYED: it must be sent on to slot->relay_to. */
static int transact(struct process *self, struct link *link, struct place *place, struct letter *letter,
                    struct patience *patience, struct srr_sent *sent)
{
    struct slot *slot = place->slot;
    letter->begun = false; /* of a receiver that relayed it */
    int why, r, entry = link_entry_patiently(self, link, place, patience);
    if (entry < 0)
        return entry;
    if ((r = describe(self, place, link, letter)) < 0)
        return r;
    if (verb_is_interrupted())
        return -EINTR;
    struct port *port = link_port(link, place);
    atomic_store_explicit(&slot->arrival, atomic_fetch_add(&port->arrivals, 1), memory_order_relaxed);
    struct sending sending = {.self = self,
                              .link = link,
                              .place = place,
                              .port = port,
                              .word = word_next(place->word, 0),
                              .entry = (unsigned)entry,
                              .letter = letter};

    int lent = lease_begin(self, link, place, letter, sending.word);
    place->traced.published_ns = now_if(place->traced.on);
    place->traced.id = word_generation(sending.word);
    PROBE(send, word_generation(sending.word), link->peer.pid, 0, letter->nbytes,
          atomic_load_explicit(&slot->lane, memory_order_relaxed), letter->room);

    /* Point of no return: from here on the transaction must be ended. */
    atomic_store(&slot->word, sending.word);
    port_ring(port, (unsigned)entry);
    atomic_store_explicit(&slot->rung, (uint32_t)word_generation(sending.word), memory_order_release);
    wait_begin(poke_sender, &sending);
    for (uint64_t bits = thread_signals.put_off; bits; bits &= bits - 1)
        poke_sender(&sending, __builtin_ctzll(bits) + 1);
    uint32_t flags = heeded_flags(&sending);
    if (flags & SRR_FLAG_PRIORITY_FLOAT)
        priority_lend(link->peer.pid);
    if (flags & SRR_FLAG_SIGCATCH && signals_catcher)
        signals_catcher();
    uint64_t end = wait_for_end(&sending, patience, &why);
    wait_end();
    if (place->traced.on)
        traced_woken(place);
    if (lent >= 0)
        lease_end(self, link, place, lent);
    r = read_result(place, letter, end, why, sent);
    if (letter->nbytes > inline_max())
        link->takes_window = sent->message_lane == SRR_LANE_WINDOW;

    atomic_store_explicit(&slot->sleeping, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->since_ns, 0, memory_order_relaxed);
    if (sending.caught)
        atomic_store_explicit(&slot->signalled, 0, memory_order_relaxed);
    place->word = word_with(sending.word, SLOT_IDLE);
    if (!place->abandoned)
        atomic_store(&slot->word, place->word);
    return r;
}

/* Had the present holder of that number started by then (CLOCK_MONOTONIC)? Not if it is the one we knew. */
static bool successor_of(const struct peer *peer, int64_t then)
{
    uint64_t started = process_started(peer->pid);
    if (started == 0 || peer->started == 0 || started == peer->started)
        return false;
    int64_t tick = 1000 * MS / sysconf(_SC_CLK_TCK);
    return (int64_t)(started + 1) * tick <= then + now_since_boot_ns() - now_ns();
}

/* Over a link. TRY_AGAIN: it was to a dead process, and the number was another's already, who is meant. REFUSED: it
 * is of our user, but may not open our rows. */
static int send_over(struct process *self, struct link *link, struct place *own, struct letter *letter,
                     struct patience *patience, struct srr_sent *sent)
{
    int64_t begun = now_roughly_ns();
    struct place *place;
    int r = link_place(self, link, own, patience, &place);
    if (r == 0) {
        r = transact(self, link, place, letter, patience, sent);
        if (PROBE_WANTED(frames) && r != RELAYED)
            frames_tell(word_generation(place->word), 0);
        link_place_back(self, own, place);
    }
    if (r == -EACCES && link->front && sent->flags == 0)
        r = REFUSED;
    if (r == -ESRCH && !(sent->flags & SRR_BY_SERVER)) {
        link_bury(self, link);
        if (!(sent->flags & SRR_RECEIVED) && successor_of(&link->peer, begun))
            r = TRY_AGAIN;
    }
    link_put(self, link);
    return r;
}

/* To each receiver in turn that it is relayed to. */
static int send_to(struct process *self, pid_t to, struct place *place, struct letter *letter,
                   struct patience *patience, struct srr_sent *sent)
{
    struct slot *slot = place->slot;
    struct link *link;
    bool refused = forced_lane() == SRR_LANE_HELPER && helper_mover(self, NULL) >= 0; /* it moves bytes in pairs only */
    int r;
    do {
        if (to == self->pid && !may_send_to_itself)
            return -EDEADLK;
        atomic_store_explicit(&slot->tid, (uint32_t)thread_id(), memory_order_relaxed);
        atomic_store_explicit(&slot->peer, (uint32_t)to, memory_order_relaxed);
        if (place->traced.on)
            traced_next(&place->traced, to);
        r = link_get(self, to, refused, patience, &slot->meeting, &link);
        if (r < 0)
            return r;
        r = send_over(self, link, place, letter, patience, sent);
        refused |= r == REFUSED;
        if (r == RELAYED)
            to = place->relay_to;
    } while (r == TRY_AGAIN || r == REFUSED || (r == RELAYED && to > 0));
    return r == RELAYED ? -EPROTO : r;
}

static int send_letter(pid_t to, struct letter *letter, const struct srr_wait *wait, struct srr_sent *sent)
{
    struct patience patience;
    struct place *place;
    int r;
    struct process *self = process_self(&r);
    if (!self)
        return r;
    if (to <= 0)
        return -ESRCH;
    if (to == self->pid && !may_send_to_itself)
        return -EDEADLK;
    if ((r = place_take(self, &place)) < 0)
        return r;
    patience_begin(&patience, wait, SLICE_FIRST);
    traced_begin(&place->traced);
    r = send_to(self, to, place, letter, &patience, sent);
    atomic_store_explicit(&place->slot->peer, 0, memory_order_relaxed);
    if (r == -ESRCH && sent->flags == 0 && proxy_trigger(self, to) > 0)
        r = 0; /* a proxy's id: the number is no process's */
    if (place->traced.on)
        traced_done(place, letter->message, letter->message_parts, letter->nbytes, sent, r);
    place_give(self, place);
    return r;
}

int srr_send(pid_t to, const struct iovec *message, int message_parts, const struct iovec *reply, int reply_parts,
             const struct srr_wait *wait, struct srr_sent *ret_sent)
{
    struct srr_sent unwanted, *sent = ret_sent ? ret_sent : &unwanted;
    struct letter letter = {.message = message, .reply = reply, .message_parts = message_parts, .reply_parts = reply_parts};
    verb_begin();
    memset(sent, 0, sizeof *sent);
    int r = check_letter(&letter);
    if (r == 0)
        r = send_letter(to, &letter, wait, sent);
    verb_end();
    return r;
}
