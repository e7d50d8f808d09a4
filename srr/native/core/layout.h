/*
 * layout.h - the shared memory of one process: its row file and its life file.
 *
 *   row file, a memfd "srr-row", sealed against shrinking and growing; peers of the same user map
 *   parts of it read-write:
 *
 *     0        header      who I am, counters                           1 page
 *     4 KiB    port        bell, hints, arrival numbers                  1 page
 *     8 KiB    entries     4096 words: the sending threads I have met    8 pages
 *     40 KiB   proxies     256 of 128 bytes                              8 pages
 *     72 KiB   taken       whose messages await our reply                8 pages
 *     104 KiB  slot 0      state word, description, parts (3 pages); inline message; inline reply; window
 *     500 KiB  slot 1 ...  1024 slots; pages that nobody touched cost nothing
 *
 *   life file, a memfd "srr-life", which only its owner can ever write (F_SEAL_FUTURE_WRITE): one
 *   robust mutex a slot, held by the slot's thread. The kernel itself marks it when the thread dies
 *   or execs, so a receiver sees with one load whether a sender still lives.
 *
 *   gate file and pair file, memfds "srr-gate" and "srr-pair" that srr-helper makes, for two processes that may not open
 *   each other's rows (pair.h): a gate is the port of one receiver for the processes of one other user; a pair has
 *   PAIR_SLOTS slots, of one sending process to one receiver. The same fields, the same rules, but nothing in them
 *   is believed by anybody: not even whose they are, which the helper says.
 *
 * Fixed-width fields only: 32- and 64-bit processes share this. Every field says who may write it;
 * "hostile" readers take one copy, check it, and use the copy.
 */
#ifndef SRR_LAYOUT_H
#define SRR_LAYOUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_VERSION 4u
#define ROW_MAGIC UINT64_C(0x31776f722d727273)  /* "srr-row1" */
#define LIFE_MAGIC UINT64_C(0x656c69662d727273) /* "srr-life" */
#define ROW_FILE_NAME "srr-row"
#define LIFE_FILE_NAME "srr-life"
#define ROW_FD_LIKELY 60 /* where a process tries to put them: out of the way, quickly found, no larger table */

#define PAGE 4096u
#define SLOTS 1024u
#define ENTRIES 4096u
#define HINT_WORDS (ENTRIES / 64)
#define PROXIES 256u
#define PROXY_SIZE_MAX 100u
#define PARTS_MAX 255u
#define INLINE_SIZE 65536u

/* 8, as a member too: GCC before 11 and other compilers align it to 4 there where words have 32 bits. */
typedef _Atomic uint64_t a64 __attribute__((aligned(8)));
typedef _Atomic uint32_t a32;

/* Written by the owner only. */
struct row_header {
    uint64_t magic;
    uint32_t version;
    int32_t pid;          /* the owner, in its own pid namespace: a forked child inherits the file, not the name */
    uint64_t row_id;      /* random; what a slot's `target` names */
    uint64_t pid_ns;      /* inode of the owner's pid namespace */
    int32_t life_fd;      /* the life file's number in the owner's table */
    a32 slots_used;       /* slots 0 .. n-1 have been used */
    a32 clients;          /* entries whose senders we have met */
    a32 pad;
    a64 received;
    a64 healed;           /* what only a periodic look found: must stay 0 where nobody died */
};

/* One line a group of fields that are written together. */
struct port {
    /* line 0: what a spinning receiver watches */
    _Alignas(64) a32 bell; /* futex. Senders add 1 after a hint */
    a32 sleepers;          /* receivers: threads about to sleep on the bell, + SLEEPERS_WAKE_ALL */
    a32 cpu;               /* receivers: CPU + 1 that one of them last ran on; 0 unknown */
    a32 crowded;           /* senders: 1 = no free entry, please bury your dead */
    a64 since_ns;          /* receivers: when the last of them began to sleep, 0: none. For ps only */
    a32 from;              /* receivers: the sender that the last of them waits for, 0: anyone. For ps only */
    a32 flags;             /* owner: srr_flags(). Senders heed two of them, for their own good only */
    /* line 1: written by every sender */
    _Alignas(64) a64 summary; /* bit w: hints[w] is not 0. Set by senders after the hint */
    a32 arrivals;             /* senders take the next number before they publish */
    a32 proxies_top;          /* attachers: proxies[n] and above were never used */
    a64 proxy_hints[PROXIES / 64]; /* triggerers: bit i: look at proxy i. Cleared before it is followed */
    /* lines 2 to 9 */
    _Alignas(64) a64 hints[HINT_WORDS]; /* bit i: look at entry i. Cleared before it is followed */
};
#define SLEEPERS_WAKE_ALL UINT32_C(0x80000000) /* a receiver waits for one sender only: wake them all */

/*
 * An entry is one word, so that a sender killed while claiming it leaves nothing half done:
 *   63         44 43        34 33        22 21     0
 *   [ row fd 20 ][ slot 10   ][ nonce 12  ][ pid 22 ]     0: free
 * Claimed by the sender (CAS from 0), freed by the receiver alone, refused by the receiver in place
 * (nonce 0: I could not open your row; row fd: errno). The receiver keeps its own copy.
 */
static inline uint64_t entry_make(int32_t pid, uint32_t slot, uint32_t row_fd, uint64_t row_id)
{
    uint64_t nonce = row_id % 0xfff + 1;
    return (uint64_t)row_fd << 44 | (uint64_t)slot << 34 | nonce << 22 | (uint64_t)pid;
}
static inline int32_t entry_pid(uint64_t entry) { return (int32_t)(entry & 0x3fffff); }
static inline uint32_t entry_slot(uint64_t entry) { return (uint32_t)(entry >> 34 & 0x3ff); }
static inline uint32_t entry_fd(uint64_t entry) { return (uint32_t)(entry >> 44); }
static inline uint64_t entry_refused(uint64_t entry, int error)
{
    return (uint64_t)(unsigned)error << 44 | (entry & (UINT64_C(0x3ff) << 34 | 0x3fffff));
}
static inline int entry_refusal(uint64_t entry, uint64_t mine)
{
    return entry == entry_refused(mine, (int)entry_fd(entry)) ? (int)entry_fd(entry) : 0;
}
#define ENTRY_FD_MAX 0xfffff
#define ENTRY_PID_MAX 0x3fffff

/*
 * A proxy. Its count, the arrival number of the first trigger that was not received, and its generation are one word,
 * so that a trigger is one CAS and never hits a successor:
 *   63         48 47       32 31          0
 *   [ generation ][ count    ][ arrival    ]     odd generation: in service
 * Claimed by CAS of the id from 0 to the parked thread's tid; whoever finds that thread dead may free it. A proxy
 * that one process attached to another one has two of these: in the attacher's rows, where its id leads, and never
 * in service, and in the owner's.
 */
struct proxy {
    a64 word;
    a32 id;                /* 0: free. The parked thread's futex */
    a32 owner;             /* attacher: pid of the process that it delivers to */
    a32 at;                /* attacher: index of the proxy in the owner's rows */
    _Atomic uint8_t nbytes;   /* attacher, before it is in service, as the next two */
    _Atomic uint8_t priority;
    _Atomic uint16_t pad;
    _Atomic uint8_t data[PROXY_SIZE_MAX + 4];
};
static inline uint64_t proxy_word(uint32_t generation, uint32_t count, uint32_t arrival)
{
    return (uint64_t)(generation & 0xffff) << 48 | (uint64_t)(count & 0xffff) << 32 | arrival;
}
static inline uint32_t proxy_generation(uint64_t word) { return (uint32_t)(word >> 48); }
static inline uint32_t proxy_count(uint64_t word) { return (uint32_t)(word >> 32 & 0xffff); }
#define PROXY_COUNT_MAX 0xffffu

/* A stretch of the sender's memory. */
struct part {
    a64 address;
    a64 length;
};

/*
 * How far one side has come with a request, in one word, so that a late step of an earlier request is known for one:
 *   31        20 19      0
 *   [ number 12 ][ chunks ]
 */
#define STEP_CHUNKS (UINT32_C(1) << 20)
#define STEP_END (STEP_CHUNKS - 1)    /* the receiver has ended this request */
#define STEP_LEAP UINT32_C(0x55555)   /* the sender leaves: no small number of leaps and steps comes back to a value */
#define STEP_NUMBERS UINT32_C(4096)
static inline uint32_t step_make(uint32_t number, uint64_t chunks)
{
    return number << 20 | ((uint32_t)chunks & (STEP_CHUNKS - 1));
}
/* Chunks of that request; 0: the step is another one's. */
static inline uint32_t step_chunks(uint32_t step, uint32_t number)
{
    return step >> 20 == number ? step & (STEP_CHUNKS - 1) : 0;
}

struct slot {
    /* line 0: written by the sender before it publishes, then by the state's owner (state.h) */
    _Alignas(64) a64 word; /* state.h; the low half is the sender's futex */
    a64 target;            /* sender: row_id of the receiver. Stable while the word is not IDLE */
    a64 nbytes;            /* sender: length of the message */
    a64 room;              /* sender: length of the reply buffer */
    a32 tid;               /* sender: its thread */
    a32 arrival;           /* sender: arrival number at the target's port */
    a32 sleeping;          /* sender: 1 = about to sleep on the word (may be stale-high, never stale-low) */
    a32 cpu;               /* sender: CPU + 1 that it runs on */
    _Atomic uint16_t message_parts;
    _Atomic uint16_t reply_parts; /* with REPLY_BUFFER_IS_BAD */
    _Atomic uint8_t lane;     /* sender: of the message, enum srr_lane; receiver: the one that it took instead */
    _Atomic uint8_t traced;   /* sender: 1 = somebody wants to know the times (traced.h) */
    _Atomic uint8_t reply_lane; /* receiver, in BUSY */
    _Atomic uint8_t reply_flags; /* receiver, in BUSY: SRR_MESSAGE_TRUNCATED, SRR_BY_SERVER, REPLY_IS_LONGER */
    a32 status;              /* receiver, before DONE or FAILx: 0 or errno */
    a32 inlined;             /* receiver, in BUSY: bytes of the reply that are in the inline area */
    /* line 1: a short exchange touches it on the sender's side only */
    a64 replied;           /* receiver, in BUSY, with REPLY_IS_LONGER: length of the reply, if it is not `inlined` */
    a32 woken;             /* receiver, after a FUTEX_WAKE: the generation's low half. Only counts the lost */
    a64 since_ns;          /* sender: when it began to sleep, 0: not asleep. For ps only */
    a64 sends;             /* sender: counts */
    a32 peer;              /* sender: pid it sends to, 0: none. For ps only */
    a32 rung;              /* sender, after it has rung: the generation's low half. Only counts the lost */
    a32 meeting;           /* sender: 1 = `peer` has no rows yet; MEETING_AT_PAIR + n: see slot n of the pairs with it. For ps */
    a32 relay_to;          /* receiver, before RELAY: whom to send it to */
    a64 signals;           /* sender: signals it holds back in this transaction (SRR_FLAG_SIGCATCH) */
    a32 signalled;         /* sender: 1 = SIGNAL-blocked. For ps only */
    /* line 2 ... */
    _Alignas(64) struct part parts[2 * PARTS_MAX]; /* message_parts, then reply_parts */
    /* behind them: touched where `traced` */
    a64 received_ns;       /* sender: 0, before it publishes; receiver, in BUSY: when it took the message */
    a64 replied_ns;        /* the same: when it ended the transaction */
    a64 transfer_ns;       /* the same: how long it moved bytes */
    a32 taken_by;          /* the same: its thread that took the message */
    /* the window (window.c). One line for each side: what its own thread writes while bytes flow */
    _Alignas(64) a64 asked_from; /* receiver, before ASK, GIVE or DONE: first byte of the message, or of the reply buffer */
    a64 asked;             /* the same: how many bytes */
    a32 asked_number;      /* the same: of this request, STEP_NUMBERS of them in turn */
    a32 receiver_step;     /* receiver: step_make(): chunks that it has drained or filled; the sender's futex meanwhile */
    a32 receiver_sleeping; /* receivers: how many are about to sleep on sender_step */
    _Alignas(64) a64 prefilled; /* sender, before it publishes: bytes of the message that are in the window */
    a32 sender_step;       /* sender: step_make(): chunks that it has filled or drained; the receiver's futex meanwhile */
    a32 sender_failed;     /* sender, before a step: 1 = its own buffer is bad, it can not go on */
    a32 lent;              /* sender, before it publishes: 1 = srr-helper has a lease of its memory for this transaction */
};
#define MEETING_AT_PAIR 2u
#define REPLY_IS_LONGER 0x80
#define REPLY_BUFFER_IS_BAD 0x8000u /* the sender found out itself: a reply in the inline lane would not */
#define SLOT_CONTROL_SIZE (3 * PAGE)
#define SLOT_MESSAGE_AT SLOT_CONTROL_SIZE
#define SLOT_REPLY_AT (SLOT_MESSAGE_AT + INLINE_SIZE)
#define SLOT_WINDOW_AT (SLOT_REPLY_AT + INLINE_SIZE)
#define WINDOW_SIZE (256u << 10)
#define WINDOW_CHUNK (32u << 10)
#define WINDOW_CHUNKS (WINDOW_SIZE / WINDOW_CHUNK)
#define SLOT_STRIDE (SLOT_WINDOW_AT + WINDOW_SIZE)

#define ROW_PORT_AT PAGE
#define ROW_ENTRIES_AT (2 * PAGE)
#define ROW_PROXIES_AT (ROW_ENTRIES_AT + ENTRIES * 8)
#define ROW_TAKEN_AT (ROW_PROXIES_AT + PROXIES * 128)
#define ROW_SLOTS_AT (ROW_TAKEN_AT + ENTRIES * 8)
#define ROW_SIZE ((uint64_t)ROW_SLOTS_AT + (uint64_t)SLOTS * SLOT_STRIDE)

/* What a sender maps of its receiver, and a process of itself: all but the slots. */
struct row_front {
    struct row_header header;
    _Alignas(4096) struct port port;
    _Alignas(4096) a64 entries[ENTRIES];
    _Alignas(4096) struct proxy proxies[PROXIES];
    /* owner: whose message, by the sender's entry, awaits our reply, and which of our threads took it: sending tid << 32 |
     * tid, 0: none. For ps and tracers only: not in the slot, whose lines the sender spins on. */
    _Alignas(4096) a64 taken[ENTRIES];
};

/* A life is 64 bytes: a robust, process-shared pthread mutex. Peers read only its futex word. */
#define LIFE_STRIDE 64u
#define LIFE_AT PAGE /* after the life header's page */
#define LIFE_SIZE (LIFE_AT + SLOTS * LIFE_STRIDE)
struct life_header {
    uint64_t magic;
    int32_t pid;
    uint32_t word_at; /* byte offset of the futex word in the mutex: the C library's choice */
    uint64_t row_id;
};
static inline bool life_is_sound(const struct life_header *header)
{
    return header->magic == LIFE_MAGIC && header->word_at <= LIFE_STRIDE - 4 && header->word_at % 4 == 0;
}

/* Made, filled in and sealed by srr-helper. What the two parties believe of each other the helper told each of them. */
#define GATE_MAGIC UINT64_C(0x657461672d727273) /* "srr-gate" */
#define PAIR_MAGIC UINT64_C(0x726961702d727273) /* "srr-pair" */
#define GATE_FILE_NAME "srr-gate"
#define PAIR_FILE_NAME "srr-pair"
#define PAIR_SLOTS 32u
#define GATE_PAIRS (ENTRIES / PAIR_SLOTS) /* pairs of one gate: pair p's slot s has the hint p * PAIR_SLOTS + s */
struct gate_header {
    uint64_t magic;
    uint32_t version;
    uint32_t uid;         /* the senders' user */
    uint64_t gate_id;     /* random */
};
struct gate_front {
    struct gate_header header;
    _Alignas(4096) struct port port; /* without proxies and flags */
};
#define GATE_SIZE sizeof(struct gate_front)
struct pair_header {
    uint64_t magic;
    uint32_t version;
    uint32_t index;       /* at its gate */
    uint64_t pair_id;     /* random; what the slots' `target` is */
    int32_t sender, receiver; /* pids */
    uint32_t sender_uid, receiver_uid;
};
#define PAIR_SLOTS_AT PAGE
#define PAIR_SIZE (PAIR_SLOTS_AT + PAIR_SLOTS * SLOT_STRIDE)

_Static_assert(sizeof(struct row_front) == ROW_SLOTS_AT, "the front is what lies before the slots");
_Static_assert(offsetof(struct row_front, port) == ROW_PORT_AT, "port page");
_Static_assert(offsetof(struct row_front, entries) == ROW_ENTRIES_AT, "entries page");
_Static_assert(offsetof(struct row_front, taken) == ROW_TAKEN_AT, "taken");
_Static_assert(offsetof(struct row_front, proxies) == ROW_PROXIES_AT && sizeof(struct proxy) == 128, "proxies");
_Static_assert(offsetof(struct port, hints) == 128, "hints start line 2");
_Static_assert(sizeof(struct port) <= PAGE, "the port fits its page");
_Static_assert(offsetof(struct slot, replied) == 64, "what is taken is one line");
_Static_assert(offsetof(struct slot, parts) == 128, "parts start line 2");
_Static_assert(sizeof(struct slot) <= SLOT_CONTROL_SIZE, "the slot fits its pages");
_Static_assert(sizeof(pthread_mutex_t) <= LIFE_STRIDE, "a life holds a mutex");
_Static_assert(sizeof(a64) == 8 && _Alignof(a64) == 8 && sizeof(a32) == 4, "lock-free and plain");
/* Each line's last field, in numbers: the same for processes of 32 and of 64 bits. */
_Static_assert(offsetof(struct row_header, healed) == 56, "row header");
_Static_assert(offsetof(struct port, flags) == 28 && offsetof(struct port, proxy_hints) == 80, "port");
_Static_assert(offsetof(struct proxy, data) == 24, "proxy");
_Static_assert(offsetof(struct slot, room) == 24 && offsetof(struct slot, inlined) == 60, "slot, line 0");
_Static_assert(offsetof(struct slot, since_ns) == 80 && offsetof(struct slot, signalled) == 120, "slot, line 1");
_Static_assert(sizeof(struct part) == 16 && offsetof(struct slot, received_ns) == 8288 && offsetof(struct slot, asked_from) == 8320,
               "slot, parts");
_Static_assert(offsetof(struct slot, prefilled) == 8384 && sizeof(struct slot) == 8448, "slot, window");
_Static_assert(GATE_SIZE == 2 * PAGE && sizeof(struct gate_header) == 24 && sizeof(struct pair_header) == 40, "gate, pair");
_Static_assert(offsetof(struct life_header, word_at) == 12 && sizeof(struct life_header) == 24, "life");

#endif
