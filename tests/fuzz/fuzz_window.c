/*
 * fuzz_window.c - the readers of a slot that somebody else can write to, in the hands of libFuzzer: window.c and
 * transfer.c as they are, with a smaller window.
 *
 * Whoever waits, or spins, lets the other one act: the input says what he does. The first byte says who is hostile:
 *
 *   nobody        the other side is our own code. What arrives must be what was sent, whatever the order of steps, unless
 *                 the sender has left
 *   the sender    writes what it likes to all fields of its slot, and to the word, while the receiver waits for it
 *   the receiver  the same, between any two steps of our sender
 *
 * Then a part table of any content. All buffers have exactly their size: AddressSanitizer sees whoever leaves them. No wait
 * may need more than a bounded number of the other one's acts.
 */
#include "layout.h"
#undef WINDOW_SIZE
#undef WINDOW_CHUNK
#define WINDOW_SIZE 512u
#define WINDOW_CHUNK 64u
#include "window.c"

#include <stdio.h>
#include <string.h>

#define CHECK(so) ((so) ? (void)0 : not_so(__LINE__, #so))
#define MOST 3000u /* bytes of a message, and of a reply */
#define ACTS_MOST 100000u

static _Noreturn void not_so(int line, const char *what)
{
    fprintf(stderr, "fuzz_window.c:%d: not so: %s\n", line, what);
    abort();
}

static const uint8_t *input, *input_end;
static unsigned byte(void) { return input < input_end ? *input++ : 0; }
static uint64_t number(uint64_t most) { return (byte() | byte() << 8) % (most + 1); }
static uint64_t wild(void)
{
    uint64_t bits = 0;
    unsigned kind = byte() % 4;
    for (unsigned i = 0; kind == 0 && i < 8; i++)
        bits = bits << 8 | byte();
    return kind == 0 ? bits : kind == 1 ? UINT64_MAX - byte() : kind == 2 ? byte() : (uint64_t)byte() << (byte() % 64);
}

static enum { NOBODY, SENDER, RECEIVER } hostile;
static struct slot *slot;
static struct place place;
static struct letter letter;
static struct conn conn;
static struct taken taken;
static bool left;
static int64_t now;
static uint32_t acts;
static uint64_t first_word;

/* The hostile one's: any field, as often as not nearly right. */
static void scribble(void)
{
    a64 *const wide[] = {&slot->nbytes, &slot->room, &slot->asked_from, &slot->asked, &slot->prefilled, &slot->word};
    a32 *const narrow[] = {&slot->asked_number, &slot->receiver_step, &slot->receiver_sleeping, &slot->sender_step,
                           &slot->sender_failed, &slot->sleeping, &slot->tid};
    unsigned which = byte() % 16;
    if (which < 5)
        atomic_store(wide[which], wild());
    else if (which < 12)
        atomic_store(narrow[which - 5], atomic_load(narrow[which - 5]) + (uint32_t)wild());
    else if (which == 12)
        atomic_store(narrow[byte() % 2 ? 1 : 3], step_make(atomic_load(&slot->asked_number), byte()));
    else if (which == 13)
        atomic_store(&slot->word, word_with(first_word, (enum slot_state)(byte() % 16)));
    else if (which == 14)
        atomic_store(&slot->word, wild());
    else
        place.window[byte() % WINDOW_SIZE] = (char)byte();
}

/* A handler or a time-out, as poke_sender() has it. */
static void leave(void)
{
    uint64_t word = atomic_load(&slot->word);
    if (left || (word_state(word) != SLOT_ASK && word_state(word) != SLOT_GIVE))
        return;
    left = true;
    atomic_store(&slot->word, word_with(word, word_state(word) == SLOT_ASK ? SLOT_IDLE : SLOT_BUSYC));
    window_leave(&place);
}

static bool acting;
static void sender_acts(void)
{
    unsigned what = byte();
    CHECK(++acts < ACTS_MOST);
    if (hostile == SENDER && what % 2) {
        scribble();
        return;
    }
    acting = true;
    if (what == 0xf0)
        leave();
    for (unsigned steps = what % 16 + (input >= input_end); steps > 0; steps--) {
        a32 *futex;
        uint32_t value;
        uint64_t word = atomic_load(&slot->word);
        if ((word_state(word) == SLOT_ASK || word_state(word) == SLOT_GIVE) && !left)
            window_serve(&place, &letter, word, &futex, &value);
    }
    acting = false;
}

/* wait.h, port.h, signals.h: what the two of them need */
_Thread_local struct thread_signals thread_signals;
bool faults_are_caught;
static struct spinner spinner;
struct spinner *thread_spinner_receive(void) { return &spinner; }
int64_t now_ns(void) { return now; }
void futex_wake(a32 *word, int sleepers)
{
    (void)word, (void)sleepers;
    if (hostile != RECEIVER && !acting)
        sender_acts();
}

bool conn_lives(struct conn *c)
{
    (void)c;
    return hostile == NOBODY || byte() % 8 != 7;
}

void conn_end(struct conn *c, const struct taken *t, enum slot_state state, uint32_t status)
{
    (void)status;
    CHECK(c == &conn && t == &taken);
    atomic_exchange(&slot->word, word_with(taken.word, state));
}

bool spin(struct spinner *s, const a32 *word, uint32_t value, const a32 *peer_cpu)
{
    (void)s, (void)peer_cpu;
    sender_acts();
    return atomic_load(word) != value;
}

int futex_sleep(a32 *word, uint32_t value, int64_t ns)
{
    CHECK(ns > 0 && ns <= SLICE_FIRST);
    sender_acts();
    if (atomic_load(word) != value)
        return 0;
    now += hostile == NOBODY ? 0 : ns;
    return -ETIMEDOUT;
}

static char *pattern(uint64_t size, unsigned seed)
{
    char *bytes = malloc(size + !size);
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 64 + seed);
    return bytes;
}

/* `size` bytes in a buffer of exactly that size for each of up to three parts. */
static int cut_up(char *whole, uint64_t size, struct iovec parts[3])
{
    int count = 0;
    for (uint64_t at = 0; at < size; count++) {
        uint64_t n = count == 2 ? size - at : 1 + number(size - at - 1);
        parts[count] = (struct iovec){malloc(n), n};
        memcpy(parts[count].iov_base, whole + at, n);
        at += n;
    }
    return count;
}

static void put_together(char *whole, const struct iovec *parts, int count)
{
    for (int i = 0; i < count; whole += parts[i++].iov_len)
        memcpy(whole, parts[i].iov_base, parts[i].iov_len);
}

static void discard(struct iovec *parts, int count)
{
    while (count > 0)
        free(parts[--count].iov_base);
}

static void reads(const char *message)
{
    uint64_t offset = number(letter.nbytes), length = number(MOST);
    uint64_t most = length < taken.nbytes - offset ? length : taken.nbytes - offset;
    char *got = pattern(length, 99);
    struct iovec parts[3];
    int count = cut_up(got, length, parts);
    int64_t r = window_read(&conn, &taken, offset, parts, count);
    put_together(got, parts, count);
    discard(parts, count);
    CHECK(r < 0 || (uint64_t)r == most);
    if (hostile == NOBODY && !left)
        CHECK((uint64_t)r == most && memcmp(got, message + offset, most) == 0);
    if (r < 0)
        left = left || hostile == NOBODY;
    free(got);
}

static void writes(char *reply, unsigned seed, bool last)
{
    uint64_t offset = last ? 0 : number(letter.room), length = number(letter.room - offset);
    uint64_t word = taken.word;
    if (!atomic_compare_exchange_strong(&slot->word, &word, word_with(word, SLOT_BUSY)))
        return;
    char *data = pattern(length, seed);
    struct iovec parts[3];
    int count = cut_up(data, length, parts);
    int64_t r = window_write(&conn, &taken, offset, parts, count, length, last);
    CHECK(r < 0 || (uint64_t)r == length);
    if (hostile == NOBODY && !left)
        CHECK((uint64_t)r == length);
    if (r >= 0)
        memcpy(reply + offset, data, length);
    discard(parts, count);
    free(data);
    if (!last) {
        word = word_with(taken.word, SLOT_BUSY);
        atomic_compare_exchange_strong(&slot->word, &word, taken.word);
    } else if (r > 0 && !left) {
        atomic_exchange(&slot->word, word_with(taken.word, SLOT_DONE));
        window_close(&conn, &taken);
    }
}

static void exchange_bytes(void)
{
    char *message = pattern(letter.nbytes, 1), *expected = pattern(letter.room, 2);
    struct iovec out[3], in[3];
    letter.message_parts = cut_up(message, letter.nbytes, out);
    letter.reply_parts = cut_up(expected, letter.room, in);
    letter.message = out;
    letter.reply = in;
    if (byte() % 2)
        CHECK(window_prefill(&place, &letter) == 0);
    taken.prefilled = atomic_load(&slot->prefilled); /* checked against nbytes and the window by the taker */
    if (hostile == RECEIVER) {
        for (unsigned i = byte() + 20; i > 0; i--) {
            a32 *futex;
            uint32_t value;
            unsigned what = byte();
            if (what % 3 == 0)
                scribble();
            else if (what == 250)
                window_leave(&place);
            else
                window_serve(&place, &letter, atomic_load(&slot->word), &futex, &value);
        }
        window_finish(&place, &letter);
    } else {
        for (unsigned i = byte() % 6; i > 0 && !left; i--)
            if (byte() % 2)
                reads(message);
            else
                writes(expected, i, false);
        if (!left) {
            writes(expected, 77, true);
            if (hostile == SENDER)
                window_finish(&place, &letter);
            else if (word_state(atomic_load(&slot->word)) == SLOT_DONE)
                CHECK(left || window_finish(&place, &letter) == 0);
        }
        if (hostile == NOBODY && !left) {
            char *got = malloc(letter.room + !letter.room);
            put_together(got, in, letter.reply_parts);
            CHECK(memcmp(got, expected, letter.room) == 0);
            free(got);
        }
    }
    discard(out, letter.message_parts);
    discard(in, letter.reply_parts);
    free(message);
    free(expected);
}

static void load_parts(void)
{
    unsigned count = (unsigned)number(2 * PARTS_MAX + 10), there = count < PARTS_MAX ? count : PARTS_MAX;
    struct part *table = calloc(there + !there, sizeof *table);
    struct remote *remote = malloc(sizeof *remote);
    uint64_t length, sum = 0;
    for (unsigned i = 0; i < there; i++) {
        atomic_store(&table[i].address, wild());
        atomic_store(&table[i].length, wild());
    }
    if (remote_load(remote, table, count, &length) == 0) {
        CHECK(count <= PARTS_MAX && remote->count == (int)count && length <= LENGTH_MAX);
        for (unsigned i = 0; i < count; i++)
            sum += remote->parts[i].length;
        CHECK(sum == length && remote->length == length);
    }
    free(remote);
    free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    input_end = data + size;
    hostile = byte() % 3;
    acts = 0;
    left = false;
    now = 1;
    slot = aligned_alloc(64, sizeof *slot);
    memset(slot, 0, sizeof *slot);
    place = (struct place){.slot = slot, .window = malloc(WINDOW_SIZE)};
    memset(place.window, 0, WINDOW_SIZE);
    letter = (struct letter){.nbytes = number(MOST), .room = number(MOST)};
    atomic_store(&slot->sleeping, byte() % 2); /* then it acts at each step of the receiver's, too */
    first_word = word_with(word_next(0, 0), SLOT_RECV);
    atomic_store(&slot->word, first_word);
    conn = (struct conn){.slot = slot, .window = place.window};
    taken = (struct taken){.word = first_word, .nbytes = letter.nbytes, .room = letter.room};
    exchange_bytes();
    load_parts();
    free(place.window);
    free(slot);
    return 0;
}
