/*
 * wait.h - time, sleeping and spinning. The only file that calls futex.
 */
#ifndef SRR_WAIT_H
#define SRR_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

struct srr_wait;

#define MS INT64_C(1000000)
#define SLICE_FIRST (10 * MS)
#define SLICE_LONGEST (100 * MS) /* nobody sleeps longer without looking up */
#define SPIN_LONGEST (50 * INT64_C(1000))

/* CLOCK_MONOTONIC. Never compared across processes but for display: time namespaces shift it. */
int64_t now_ns(void);

/* The same to some milliseconds, for less. */
int64_t now_roughly_ns(void);

/* CLOCK_BOOTTIME, which processes' starts are told in. */
int64_t now_since_boot_ns(void);

/* The CPU this thread runs on, + 1. */
uint32_t cpu_here(void);

/* Most nanoseconds that a wait spins before it sleeps: SRR_SPIN_US, 0 turns spinning off. */
int64_t spin_budget(void);

/* How much longer a verb may block, and when it looks up next. */
struct patience {
    const struct srr_wait *wait;
    int64_t deadline; /* INT64_MAX: for ever */
    int64_t slice;
    int64_t looked; /* when it last looked up, 0: has not begun to sleep */
};
void patience_begin(struct patience *p, const struct srr_wait *wait, int64_t first_slice);
/* 0, or why the verb must end: -ETIMEDOUT. */
int patience_check(const struct patience *p);
/* At a slice's end: asks the caller's look(). 0 or -EINTR; lengthens the next slice. */
int patience_look(struct patience *p);
int64_t patience_slice(const struct patience *p);
/* A slice has passed since the last look: also a verb that is woken all the time for nothing must look up. */
bool patience_is_due(struct patience *p);

/*
 * Sleep while *word == value, at most ns. 0: woken (perhaps for nothing), -EAGAIN: the word had
 * changed, -ETIMEDOUT, -EINTR: a handler ran. Always with a time-out: FUTEX_WAIT without one is
 * restarted under SA_RESTART, and the EINTR that QNX4 promises would be lost.
 */
int futex_sleep(a32 *word, uint32_t value, int64_t ns);
void futex_wake(a32 *word, int sleepers);

/*
 * The same for several words at once: until one of them is not what was read there. One difference: the kernel goes on
 * sleeping after a handler with SA_RESTART has run, so that -EINTR comes for others only.
 */
#define WORDS_MAX 128u
struct sleep_word { /* the kernel's struct futex_waitv */
    uint64_t value, word;
    uint32_t flags, reserved;
};
struct sleep_word sleep_word(const a32 *word, uint32_t value);
int futex_sleep_on_any(const struct sleep_word *words, uint32_t count, int64_t ns);
/* Does this kernel have that? (5.16) */
bool futex_sleeps_on_any(void);

/* Give way until *word == value, at most ns: for what another thread is about to do. False: it did not. */
bool await_value(const a32 *word, uint32_t value, int64_t ns);

/* What a thread has learned about spinning; private to it. */
struct spinner {
    uint16_t losses; /* spins in a row that a sleep had to follow */
    uint16_t skip;   /* waits to sleep through without trying */
};

/*
 * Spin while *word == value: true if it changed. Only while the peer last ran on another CPU
 * (*peer_cpu, 0: unknown, do not spin): on one CPU a spinner keeps its peer from running.
 */
bool spin(struct spinner *spinner, const a32 *word, uint32_t value, const a32 *peer_cpu);

/* The futex half of a slot's word. */
static inline a32 *low_half(a64 *word)
{
    return (a32 *)(void *)word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

#endif
