/*
 * state.h - the one vocabulary of states, and the 64-bit word that decides them.
 *
 * Everything that must be true together is in one word, so that one CAS decides (rule 1):
 *
 *   63            42 41      32 31              4 3     0
 *   [ gen, high 22 ][ port 10 ][ gen, low 28    ][ state ]      the low half is the futex word
 *
 *        Send              take (CAS)              Reply, Writemsg (CAS)
 *  IDLE ──────▶ SENT ──────────────────▶ RECV ─────────────────────▶ BUSY ─────────▶ DONE ──▶ IDLE
 *   ▲            │  SEND-blocked          │  REPLY-blocked          │ ▲ │ Writemsg is done
 *   │ signal,    │                        │                         │ │ └──▶ RECV
 *   │ time-out   │                        │                         ▼ │
 *   ├────────────┘                        │                        BUSYC: the sender wants to leave;
 *   ├─────────────────────────────────────┘                        the writer ends it: FAILR, or DONE
 *   └── FAILN (failed, never received: safe to repeat) · FAILR (failed after it was received: in doubt)
 *       · RELAY (from BUSY: the receiver handed it on; the sender sends it to whom it says, as a new transaction)
 *
 *   Window lane (window.c):  BUSY ──▶ ASK ──▶ RECV    the sender's thread fills the window; it may leave, as from RECV
 *                            BUSY ──▶ GIVE ──▶ BUSY   the sender's thread drains it; it may not leave, as from BUSY
 *
 * Who may do what: the sender makes SENT, and IDLE from SENT, RECV and the terminal states; the
 * receiver makes all the others. The sender may end any state of a receiver that is certainly dead.
 * A generation never comes back while anybody can remember it: 50 bits, one more at each Send.
 *
 * These functions are pure: no memory, no system call. They are tested without processes.
 */
#ifndef SRR_STATE_H
#define SRR_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum slot_state {
    SLOT_IDLE = 0,
    SLOT_SENT = 1,  /* published; the sender is SEND-blocked */
    SLOT_RECV = 2,  /* taken; REPLY-blocked. The receiver may read the sender's memory */
    SLOT_BUSY = 3,  /* the receiver is writing into the sender: it may not leave */
    SLOT_BUSYC = 4, /* the same, and the sender wants to leave */
    SLOT_ASK = 5,   /* as RECV, and the receiver asks the sender's thread for bytes of the message */
    SLOT_GIVE = 6,  /* as BUSY, and the sender's thread takes bytes of the reply out of the window */
    SLOT_DONE = 7,  /* replied */
    SLOT_FAILN = 8, /* failed, never received */
    SLOT_FAILR = 9, /* failed, in doubt */
    SLOT_RELAY = 10, /* handed on: the sender itself publishes it again, to another receiver */
};

#define WORD_STATE_MASK UINT64_C(0xf)
#define WORD_PORT_SHIFT 32
#define WORD_PORT_MASK (UINT64_C(0x3ff) << WORD_PORT_SHIFT)
#define WORD_GEN_LOW_MASK UINT64_C(0xfffffff0)
#define WORD_GEN_HIGH_SHIFT 42
#define WORD_GENERATIONS (UINT64_C(1) << 50)

static inline enum slot_state word_state(uint64_t word)
{
    return (enum slot_state)(word & WORD_STATE_MASK);
}

static inline uint64_t word_with(uint64_t word, enum slot_state state)
{
    return (word & ~WORD_STATE_MASK) | (uint64_t)state;
}

static inline unsigned word_port(uint64_t word)
{
    return (unsigned)((word & WORD_PORT_MASK) >> WORD_PORT_SHIFT);
}

static inline uint64_t word_generation(uint64_t word)
{
    return ((word & WORD_GEN_LOW_MASK) >> 4) | (word >> WORD_GEN_HIGH_SHIFT) << 28;
}

static inline uint64_t word_make(uint64_t generation, unsigned port, enum slot_state state)
{
    generation &= WORD_GENERATIONS - 1;
    return (generation >> 28) << WORD_GEN_HIGH_SHIFT | ((uint64_t)port << WORD_PORT_SHIFT & WORD_PORT_MASK) |
           (generation << 4 & WORD_GEN_LOW_MASK) | (uint64_t)state;
}

/* The word of the next Send through this slot. */
static inline uint64_t word_next(uint64_t word, unsigned port)
{
    return word_make(word_generation(word) + 1, port, SLOT_SENT);
}

static inline bool word_same_transaction(uint64_t a, uint64_t b)
{
    return word_with(a, SLOT_IDLE) == word_with(b, SLOT_IDLE);
}

/* Nothing more will happen until the sender has looked. Impossible states count: the slot is in
 * shared memory, and a sender must not wait for ever on garbage. */
static inline bool state_is_terminal(enum slot_state state)
{
    return state == SLOT_IDLE || state >= SLOT_DONE;
}

static inline bool state_is_received(enum slot_state state)
{
    return (state >= SLOT_RECV && state <= SLOT_DONE) || state == SLOT_FAILR || state == SLOT_RELAY;
}

/* The sender's buffers are in somebody else's hands. */
static inline bool state_is_being_written(enum slot_state state)
{
    return state == SLOT_BUSY || state == SLOT_BUSYC || state == SLOT_GIVE;
}

/* The receiver wants the sender's thread to move bytes. */
static inline bool state_is_served(enum slot_state state) { return state == SLOT_ASK || state == SLOT_GIVE; }

/* What a sender that wants to leave (time-out, signal) makes of the word. Equal: it must wait. */
static inline uint64_t word_leaving(uint64_t word)
{
    switch (word_state(word)) {
    case SLOT_SENT:
    case SLOT_RECV:
    case SLOT_ASK:
        return word_with(word, SLOT_IDLE);
    case SLOT_BUSY:
    case SLOT_GIVE:
        return word_with(word, SLOT_BUSYC);
    default:
        return word;
    }
}

/* What a sender makes of the word once its receiver is certainly dead (all its threads). */
static inline uint64_t word_bereaved(uint64_t word)
{
    switch (word_state(word)) {
    case SLOT_SENT:
        return word_with(word, SLOT_FAILN);
    case SLOT_RECV:
    case SLOT_BUSY:
    case SLOT_BUSYC:
    case SLOT_ASK:
    case SLOT_GIVE:
        return word_with(word, SLOT_FAILR);
    default:
        return word;
    }
}

#endif
