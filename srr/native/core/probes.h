/*
 * probes.h - USDT probes: where a tracer may look. See bpf/README.md for what they say and what they cost.
 *
 * A probe is a function of its own that does nothing: one nop, and a note in the ELF file that tells its place. A
 * semaphore, which the kernel counts up in every process while somebody listens, stands before the call, so
 * that nobody listening costs a load and a branch that is not taken.
 *
 * All arguments are 64 bits and in the registers of the machine's calling convention, so that a tracer
 * needs no more than their number. Machines of 32 bits have no probes (probes.c); the table tells their states all
 * the same.
 */
#ifndef SRR_PROBES_H
#define SRR_PROBES_H

#include <stdint.h>

#if defined __x86_64__ || defined __aarch64__
#define HAVE_PROBES 1
#else
#define HAVE_PROBES 0
#endif

/* The first ones in the order of enum srr_kind_of_change (event.h), with its arguments. */
#define EACH_PROBE(X) \
    X(send) X(receive) X(reply) X(relay) X(trigger) X(wait) X(wake) X(transfer) X(signal) \
    X(done)   /* &struct srr_done, its size, id, server pid, bytes replied, 0 or -errno */ \
    X(frames) /* id, side, addresses, their number, text, 1 if there is one */ \
    X(idle)   /* a struct srr_done, its size: by srr_probe_cost() alone */

#define DECLARE_PROBE(name) \
    extern volatile unsigned short srr_##name##_semaphore __attribute__((visibility("hidden"))); \
    void srr_probe_##name(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) __attribute__((visibility("hidden")));

#if HAVE_PROBES
EACH_PROBE(DECLARE_PROBE)
#define PROBE_WANTED(name) __builtin_expect(srr_##name##_semaphore != 0, 0)
#define PROBE(name, a, b, c, d, e, f) \
    do { \
        if (PROBE_WANTED(name)) \
            srr_probe_##name((uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f)); \
    } while (0)
#else
#define PROBE_WANTED(name) 0
#define PROBE(name, a, b, c, d, e, f) ((void)(a), (void)(b), (void)(c), (void)(d), (void)(e), (void)(f))
#endif

#endif
