/*
 * window.c - see window.h.
 *
 * A request is a stretch of the message (ASK) or of the reply buffer (GIVE), moved in chunks: chunk k lies at place
 * k % WINDOW_CHUNKS of the window. One side fills, the other drains, and each says in its own word how many chunks it
 * has done (layout.h, step_make): the filler is never more than WINDOW_CHUNKS ahead. Whoever can not go on sleeps on
 * the other's word. The losing order, had the receiver announced its sleep after it looked:
 *
 *     receiver                             sender
 *     sender_step: chunk 3 is not there
 *                                          fills it; sender_step = 4
 *                                          receiver_sleeping == 0: no wake
 *     receiver_sleeping = 1
 *     FUTEX_WAIT, for ever
 *
 * Ours: (a) sleeping = 1, (b) FUTEX_WAIT(step, as it was seen); and (c) step, (d) sleeping? wake. All seq_cst: if (d)
 * misses (a), (c) was before (b)'s comparison, which then fails. The same in the other direction.
 *
 * The sender may find requests in any order of its own steps, and must not take half of one request for another:
 *
 *     receiver                             sender, having slept through request 1
 *     word: ASK -> RECV (1 is given up)
 *     asked_from = .. of request 2         reads asked_number: 1, asked_from: of 2
 *     asked_number = 2
 *     word: RECV -> ASK                    word == ASK: goes on with a mixture
 *
 * Ours: number, fields, word, number again. If it saw anything of request 2, the word had left ASK before; if it
 * then sees ASK again, that is request 2's, and so is the number that it reads after it.
 *
 * Nor must it sleep on the word, which is the same in both requests:
 *
 *     receiver                             sender
 *     word: GIVE -> BUSY (1 is done)       has done all of request 1; word == GIVE, as I saw it
 *     word: BUSY -> GIVE (2)
 *     sleeping == 0: no wake
 *                                          sleeping = 1; FUTEX_WAIT(word, GIVE), for ever
 *
 * Ours: in ASK and GIVE it sleeps on receiver_step, which changes at each chunk, at each request's end (STEP_END),
 * and at the next one's beginning; read first, then the word once more.
 *
 * A receiver that is late must not write into the lines of another's request: fields are written in BUSY, from which
 * the sender can not leave, and receiver_step moves by compare and exchange.
 *
 * The sender leaves from ASK at once: what the receiver has read is thrown away, for the word has changed. It can not
 * leave from GIVE, where the receiver writes into its window: it says so (BUSYC), and the receiver, which looks between
 * two chunks, ends it. In both it makes its step leap, for the receiver may sleep on it. By one, or back and forth,
 * would not do: a step and a leap must not end where they began.
 *
 * A request that ends early, as the receiver's buffer is bad, must leave the window at rest: a chunk that the sender
 * still fills, or drains, would mix with those of the next request.
 *
 * Nobody waits for ever for the other: the sender looks whether the receiver lives at the end of each slice, as in
 * all of Send; the receiver looks too, and gives up a sender that does not move (deadline()).
 *
 * tests/model/window.pml is a model of all this; its labels are the names of these functions.
 */
#define _GNU_SOURCE
#include "window.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "signals.h"
#include "srr.h"
#include "state.h"

#define REQUEST_MAX ((uint64_t)(STEP_END - 1) * WINDOW_CHUNK) /* bytes of one request: what its steps can count */

static uint64_t chunks_of(uint64_t length) { return (length + WINDOW_CHUNK - 1) / WINDOW_CHUNK; }

static uint64_t chunk_length(uint64_t length, uint64_t k)
{
    uint64_t left = length - k * WINDOW_CHUNK;
    return left < WINDOW_CHUNK ? left : WINDOW_CHUNK;
}

static char *chunk_in(char *window, uint64_t k) { return window + k % WINDOW_CHUNKS * WINDOW_CHUNK; }

/* ---- the sender */

int window_prefill(struct place *place, const struct letter *letter)
{
    uint64_t n = letter->nbytes < WINDOW_SIZE ? letter->nbytes : WINDOW_SIZE;
    if (gather(place->window, n, letter->message, letter->message_parts, 0) < 0)
        return -EFAULT;
    atomic_store_explicit(&place->slot->prefilled, n, memory_order_relaxed); /* the word publishes it */
    return 0;
}

/* One more chunk is done, or none will ever be. All wake: a receiver that is late may sleep there, too. */
static void step(struct slot *slot, const struct letter *letter)
{
    atomic_store(&slot->sender_step, step_make(letter->number, letter->done)); /* (c) */
    if (atomic_load(&slot->receiver_sleeping))                                   /* (d) */
        futex_wake(&slot->sender_step, INT_MAX);
}

enum found { NOTHING, REQUEST, LOOK_AGAIN };

/* What the slot asks for, copied and checked. Nonsense is nothing. */
static enum found read_request(struct slot *slot, struct letter *letter, uint64_t word)
{
    uint32_t number = atomic_load(&slot->asked_number);
    if (letter->begun && number == letter->number)
        return REQUEST;
    uint64_t from = atomic_load(&slot->asked_from), length = atomic_load(&slot->asked);
    if (atomic_load(&slot->word) != word || atomic_load(&slot->asked_number) != number)
        return LOOK_AGAIN;
    uint64_t end = word_state(word) == SLOT_ASK ? letter->nbytes : letter->room;
    if (number >= STEP_NUMBERS || length == 0 || length > REQUEST_MAX || from > end || length > end - from)
        return NOTHING;
    letter->begun = true;
    letter->number = number;
    letter->from = from;
    letter->length = length;
    letter->done = 0;
    atomic_store(&slot->sender_failed, 0);
    return REQUEST;
}

/* Our own buffer is bad: the receiver is told with a step, and this request is done with. */
static void fail(struct slot *slot, struct letter *letter)
{
    atomic_store(&slot->sender_failed, 1);
    letter->done = chunks_of(letter->length);
    step(slot, letter);
}

static int drain(struct place *place, struct letter *letter)
{
    uint64_t k = letter->done;
    return scatter(letter->reply, letter->reply_parts, letter->from + k * WINDOW_CHUNK, chunk_in(place->window, k),
                   chunk_length(letter->length, k)) < 0 ? -EFAULT : 0;
}

bool window_serve(struct place *place, struct letter *letter, uint64_t word, a32 **ret_futex, uint32_t *ret_value)
{
    struct slot *slot = place->slot;
    uint32_t theirs = atomic_load(&slot->receiver_step);
    *ret_futex = &slot->receiver_step;
    *ret_value = theirs;
    if (atomic_load(&slot->word) != word)
        return true;
    enum found found = read_request(slot, letter, word);
    if (found != REQUEST)
        return found == LOOK_AGAIN;
    uint64_t k = letter->done, their_chunks = step_chunks(theirs, letter->number);
    bool filling = word_state(word) == SLOT_ASK;
    if (k == chunks_of(letter->length) || k >= their_chunks + (filling ? WINDOW_CHUNKS : 0))
        return false;
    int64_t r = filling ? gather(chunk_in(place->window, k), chunk_length(letter->length, k), letter->message,
                                 letter->message_parts, letter->from + k * WINDOW_CHUNK)
                        : drain(place, letter);
    if (r < 0) {
        fail(slot, letter);
    } else {
        letter->done++;
        step(slot, letter);
    }
    return true;
}

int window_finish(struct place *place, struct letter *letter)
{
    struct slot *slot = place->slot;
    if (read_request(slot, letter, atomic_load(&slot->word)) != REQUEST)
        return -EPROTO;
    uint64_t count = chunks_of(letter->length), theirs = step_chunks(atomic_load(&slot->receiver_step), letter->number);
    if ((theirs != count && theirs != STEP_END) || count - letter->done > WINDOW_CHUNKS)
        return -EPROTO;
    for (; letter->done < count; letter->done++)
        if (drain(place, letter) < 0)
            return -EFAULT;
    return atomic_load(&slot->sender_failed) ? -EFAULT : 0;
}

void window_leave(struct place *place)
{
    struct slot *slot = place->slot;
    uint32_t old = atomic_load(&slot->sender_step); /* only this thread writes it: this one, or step() that we interrupt */
    atomic_store(&slot->sender_step, step_make(old / STEP_CHUNKS, old % STEP_CHUNKS + STEP_LEAP));
    if (atomic_load(&slot->receiver_sleeping))
        futex_wake(&slot->sender_step, INT_MAX);
}

/* ---- the receiver */

#define RATE_LEAST (UINT64_C(16) << 20) /* bytes a second that a sender must manage on the whole */

/* How long a sender may do nothing: SRR_STALL_MS. */
static int64_t stall_ns(void)
{
    static _Atomic int64_t stall = 0;
    int64_t ns = atomic_load_explicit(&stall, memory_order_relaxed);
    if (ns == 0) {
        const char *set = getenv("SRR_STALL_MS");
        char *end;
        long ms = set && *set ? strtol(set, &end, 10) : 0;
        ns = (ms > 0 && *end == 0 && ms <= 3600000 ? ms : 1000) * MS;
        atomic_store_explicit(&stall, ns, memory_order_relaxed);
    }
    return ns;
}

/* A request under way, as the receiver sees it. */
struct asking {
    struct conn *conn;
    struct slot *slot;
    uint64_t word;    /* in ASK or GIVE */
    uint32_t number;
    uint32_t step;    /* receiver_step as we left it */
    uint64_t length;
    int64_t last, moved; /* when it must be done, and when we saw the sender move last; 0: we have not waited yet */
};

/* In BUSY: from RECV the sender could leave, and these fields be another receiver's. */
static struct asking ask(struct conn *conn, const struct taken *taken, enum slot_state state, uint64_t offset,
                         uint64_t length)
{
    struct slot *slot = conn->slot;
    struct asking a = {.conn = conn, .slot = slot, .word = word_with(taken->word, state), .length = length};
    a.number = (atomic_load(&slot->asked_number) + 1) % STEP_NUMBERS;
    atomic_store(&slot->asked_from, offset);
    atomic_store(&slot->asked, length);
    a.step = step_make(a.number, 0);
    atomic_store(&slot->receiver_step, a.step);
    atomic_store(&slot->asked_number, a.number);
    return a;
}

/* Its thread sleeps on the word until there is something to do. */
static bool publish(struct asking *a)
{
    uint64_t word = word_with(a->word, SLOT_BUSY);
    if (!atomic_compare_exchange_strong(&a->slot->word, &word, a->word))
        return false;
    if (atomic_load(&a->slot->sleeping))
        futex_wake(low_half(&a->slot->word), 1);
    return true;
}

/* A compare and exchange: a sender that has left may be at another receiver's request by now, and the step be that
 * one's. */
static void receiver_stepped(struct asking *a, uint64_t chunks)
{
    uint32_t next = step_make(a->number, chunks);
    if (atomic_compare_exchange_strong(&a->slot->receiver_step, &a->step, next)) /* (c) */
        a->step = next;
    if (atomic_load(&a->slot->sleeping)) /* (d) */
        futex_wake(&a->slot->receiver_step, 1);
}

/* Out of ASK or GIVE. The sender may sleep on either word. False: it has left, or wants to. */
static bool withdraw(struct asking *a, enum slot_state to)
{
    uint64_t word = a->word;
    bool done = atomic_compare_exchange_strong(&a->slot->word, &word, word_with(a->word, to));
    receiver_stepped(a, STEP_END);
    if (atomic_load(&a->slot->sleeping))
        futex_wake(low_half(&a->slot->word), 1);
    return done;
}

void window_close(struct conn *conn, const struct taken *taken)
{
    struct asking a = {.conn = conn, .slot = conn->slot, .number = taken->asked / STEP_CHUNKS, .step = taken->asked};
    receiver_stepped(&a, STEP_END);
}

/* Why the sender's word is not what we made it. */
static int64_t lost(const struct asking *a)
{
    uint64_t now = atomic_load(&a->slot->word);
    return word_state(a->word) == SLOT_GIVE && now == word_with(a->word, SLOT_BUSYC) ? -ECANCELED : -ESRCH;
}

/* It sleeps, or is stopped, or is hostile: how long may it still? */
static int64_t deadline(struct asking *a)
{
    int64_t now = now_ns();
    if (a->last == 0)
        a->last = now + stall_ns() + (int64_t)(a->length / RATE_LEAST * UINT64_C(1000000000));
    if (a->moved == 0)
        a->moved = now;
    int64_t end = a->moved + stall_ns();
    return (end < a->last ? end : a->last) - now;
}

/* Until the sender has done so many chunks of this request. Their number, or why not. */
static int64_t await_chunks(struct asking *a, uint64_t wanted)
{
    struct slot *slot = a->slot;
    for (;;) {
        uint32_t seen = atomic_load(&slot->sender_step);
        uint64_t chunks = step_chunks(seen, a->number);
        if (atomic_load(&slot->word) != a->word)
            return lost(a);
        if (chunks >= wanted) {
            a->moved = 0;
            return atomic_load(&slot->sender_failed) ? -SRR_EDSTFAULT : (int64_t)chunks;
        }
        if (spin(thread_spinner_receive(), &slot->sender_step, seen, &slot->cpu) && deadline(a) > 0)
            continue;
        int64_t left = deadline(a);
        if (left <= 0)
            return -ETIME;
        atomic_fetch_add(&slot->receiver_sleeping, 1); /* (a) */
        int slept = futex_sleep(&slot->sender_step, seen, left < SLICE_FIRST ? left : SLICE_FIRST); /* (b) */
        atomic_fetch_sub(&slot->receiver_sleeping, 1);
        if (slept == -ETIMEDOUT && !conn_lives(a->conn))
            return -ESRCH;
    }
}

/* One request's bytes into parts, from `at` of them on. */
static int64_t take_chunks(struct asking *a, const struct iovec *parts, int count, uint64_t at)
{
    uint64_t total = chunks_of(a->length);
    for (uint64_t k = 0; k < total; k++) {
        int64_t there = await_chunks(a, k + 1);
        if (there < 0)
            return there;
        if ((uint64_t)there > total || (uint64_t)there > k + WINDOW_CHUNKS)
            return -EPROTO;
        if (scatter(parts, count, at + k * WINDOW_CHUNK, chunk_in(a->conn->window, k), chunk_length(a->length, k)) < 0) {
            there = await_chunks(a, k + WINDOW_CHUNKS < total ? k + WINDOW_CHUNKS : total);
            return there < 0 ? there : -EFAULT; /* the window is at rest: what comes next may use it */
        }
        receiver_stepped(a, k + 1);
    }
    return 0;
}

int64_t window_read(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count)
{
    uint64_t length, done = 0;
    int r = parts_length(parts, count, &length);
    if (r < 0)
        return r;
    if (length > taken->nbytes - offset)
        length = taken->nbytes - offset;
    if (offset < taken->prefilled) {
        done = taken->prefilled - offset < length ? taken->prefilled - offset : length;
        if (scatter(parts, count, 0, conn->window + offset, done) < 0)
            return -EFAULT;
    }
    while (done < length) {
        uint64_t now = length - done < REQUEST_MAX ? length - done : REQUEST_MAX, word = taken->word;
        if (!atomic_compare_exchange_strong(&conn->slot->word, &word, word_with(word, SLOT_BUSY)))
            return -ESRCH;
        struct asking a = ask(conn, taken, SLOT_ASK, offset + done, now);
        taken->prefilled = 0;
        if (!publish(&a)) {
            conn_end(conn, taken, SLOT_FAILR, EINTR); /* BUSYC: it wants to leave, and has waited for us */
            return -ESRCH;
        }
        int64_t failed = take_chunks(&a, parts, count, done);
        if (!withdraw(&a, SLOT_RECV))
            return -ESRCH;
        if (failed < 0)
            return failed;
        done += now;
    }
    return (int64_t)done;
}

/* One request's bytes out of parts, from `at` of them on; `drained`: and until the sender has them. */
static int64_t put_chunks(struct asking *a, const struct iovec *parts, int count, uint64_t at, bool drained)
{
    uint64_t total = chunks_of(a->length);
    int64_t taken = 0;
    for (uint64_t k = 0; k < total; k++) {
        if (k >= (uint64_t)taken + WINDOW_CHUNKS && (taken = await_chunks(a, k + 1 - WINDOW_CHUNKS)) < 0)
            return taken;
        if ((uint64_t)taken > k)
            return -EPROTO;
        if (gather(chunk_in(a->conn->window, k), chunk_length(a->length, k), parts, count, at + k * WINDOW_CHUNK) < 0) {
            taken = await_chunks(a, k);
            return taken < 0 ? taken : -EFAULT;
        }
        receiver_stepped(a, k + 1);
    }
    if (drained && (taken = await_chunks(a, total)) < 0)
        return taken;
    return 0;
}

int64_t window_write(struct conn *conn, struct taken *taken, uint64_t offset, const struct iovec *parts, int count,
                     uint64_t length, bool last)
{
    uint64_t done = 0;
    taken->prefilled = 0;
    if (last && length <= WINDOW_SIZE) {
        /* It fits: no need to wake the sender for it. */
        struct asking a = ask(conn, taken, SLOT_BUSY, offset, length);
        if (gather(conn->window, length, parts, count, 0) < 0)
            return -EFAULT;
        taken->asked = step_make(a.number, chunks_of(length));
        atomic_store(&a.slot->receiver_step, taken->asked);
        return (int64_t)length;
    }
    while (done < length) {
        uint64_t now = length - done < REQUEST_MAX ? length - done : REQUEST_MAX;
        bool end = last && done + now == length;
        struct asking a = ask(conn, taken, SLOT_GIVE, offset + done, now);
        if (!publish(&a))
            return -ECANCELED;
        int64_t failed = put_chunks(&a, parts, count, done, !end);
        if (end && failed == 0) {
            taken->asked = a.step;
            return (int64_t)length;
        }
        if (!withdraw(&a, SLOT_BUSY))
            return failed < 0 && failed != -EFAULT ? failed : -ECANCELED;
        if (failed < 0)
            return failed;
        done += now;
    }
    return (int64_t)done;
}
