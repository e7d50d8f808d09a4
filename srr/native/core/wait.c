/*
 * wait.c - see wait.h.
 *
 * Spin, then sleep. Measured on two CPUs of a virtual machine: a blocked round trip across CPUs
 * 33 to 54 us, on one CPU 5 us, spinning across CPUs under 1 us, spinning on one CPU 105 us. So:
 * spin at most as long as a sleep would cost, never on the peer's own CPU, and after losing (the
 * spin ran out and a sleep followed) sleep through the next 2, 4, ... 64 waits before trying again.
 * A lost spin costs SPIN_LONGEST once, so waiting never costs more than about twice the better choice.
 */
#define _GNU_SOURCE
#include "wait.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "srr.h"


static int64_t read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 * MS + t.tv_nsec;
}

int64_t now_ns(void) { return read_clock(CLOCK_MONOTONIC); }
int64_t now_since_boot_ns(void) { return read_clock(CLOCK_BOOTTIME); }
int64_t now_roughly_ns(void) { return read_clock(CLOCK_MONOTONIC_COARSE); }

uint32_t cpu_here(void)
{
    int cpu = sched_getcpu();
    return cpu < 0 ? 0 : (uint32_t)cpu + 1;
}

int64_t spin_budget(void)
{
    static _Atomic int64_t budget = -1;
    int64_t b = atomic_load_explicit(&budget, memory_order_relaxed);
    if (b < 0) {
        b = SPIN_LONGEST;
        const char *set = getenv("SRR_SPIN_US");
        if (set && *set) {
            char *end;
            long us = strtol(set, &end, 10);
            if (*end == 0 && us >= 0 && us <= 1000)
                b = us * INT64_C(1000);
        }
        atomic_store_explicit(&budget, b, memory_order_relaxed);
    }
    return b;
}

void patience_begin(struct patience *p, const struct srr_wait *wait, int64_t first_slice)
{
    int64_t timeout = wait ? wait->timeout_ns : -1;
    p->wait = wait;
    p->deadline = INT64_MAX;
    p->slice = first_slice;
    p->looked = 0;
    if (timeout >= 0) {
        int64_t now = now_ns();
        p->deadline = timeout < INT64_MAX - now ? now + timeout : INT64_MAX;
    }
}

int patience_check(const struct patience *p)
{
    return p->deadline != INT64_MAX && now_ns() >= p->deadline ? -ETIMEDOUT : 0;
}

int patience_look(struct patience *p)
{
    p->looked = now_ns();
    if (p->slice < SLICE_LONGEST)
        p->slice = p->slice * 2 < SLICE_LONGEST ? p->slice * 2 : SLICE_LONGEST;
    return p->wait && p->wait->look && p->wait->look(p->wait->look_arg) ? -EINTR : 0;
}

bool patience_is_due(struct patience *p)
{
    int64_t now = now_ns();
    if (p->looked == 0)
        p->looked = now;
    return now - p->looked >= p->slice;
}

int64_t patience_slice(const struct patience *p)
{
    if (p->deadline == INT64_MAX)
        return p->slice;
    int64_t left = p->deadline - now_ns();
    return left < 0 ? 0 : left < p->slice ? left : p->slice;
}

int futex_sleep(a32 *word, uint32_t value, int64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / (1000 * MS)), .tv_nsec = (long)(ns % (1000 * MS))};
    /* No FUTEX_PRIVATE_FLAG: the word is shared between processes, the kernel knows it by its file. */
    return syscall(SYS_futex, word, FUTEX_WAIT, value, &t, NULL, 0) == 0 ? 0 : -errno;
}

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* on every machine */
#endif
#define WORD_OF_32_BITS 2u /* FUTEX_32; not FUTEX_PRIVATE_FLAG, as above */

struct sleep_word sleep_word(const a32 *word, uint32_t value)
{
    return (struct sleep_word){.value = value, .word = (uintptr_t)word, .flags = WORD_OF_32_BITS};
}

int futex_sleep_on_any(const struct sleep_word *words, uint32_t count, int64_t ns)
{
    int64_t end = now_ns() + ns;
    struct {
        int64_t s, ns; /* the kernel's __kernel_timespec, the same for 32 bits */
    } until = {end / (1000 * MS), end % (1000 * MS)};
    return syscall(SYS_futex_waitv, words, count, 0, &until, CLOCK_MONOTONIC) >= 0 ? 0 : -errno;
}

bool futex_sleeps_on_any(void) { return syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) == -1 && errno == EINVAL; }

void futex_wake(a32 *word, int sleepers)
{
    syscall(SYS_futex, word, FUTEX_WAKE, sleepers, NULL, NULL, 0);
}

bool await_value(const a32 *word, uint32_t value, int64_t ns)
{
    int64_t end = now_ns() + ns;
    while (atomic_load(word) != value) {
        if (now_ns() >= end)
            return false;
        sched_yield();
    }
    return true;
}

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#endif
}

bool spin(struct spinner *spinner, const a32 *word, uint32_t value, const a32 *peer_cpu)
{
    int64_t budget = spin_budget(), end = 0;
    uint32_t theirs = atomic_load_explicit(peer_cpu, memory_order_relaxed);
    if (budget == 0 || theirs == 0 || theirs == cpu_here())
        return false;
    if (spinner->skip > 0) {
        spinner->skip--;
        return false;
    }
    for (unsigned turn = 1;; turn++) {
        /* acquire: whoever changed the word wrote what it announces before */
        if (atomic_load_explicit(word, memory_order_acquire) != value) {
            spinner->losses = 0;
            return true;
        }
        pause_cpu();
        if (turn % 32 != 0)
            continue;
        int64_t now = now_ns();
        if (end == 0)
            end = now + budget;
        if (now >= end)
            break;
        if (atomic_load_explicit(peer_cpu, memory_order_relaxed) == cpu_here())
            return false; /* one of us has moved: let the peer run */
    }
    if (spinner->losses < 6)
        spinner->losses++;
    spinner->skip = (uint16_t)(1u << spinner->losses);
    return false;
}
