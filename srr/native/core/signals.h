/*
 * signals.h - what a signal handler may find, and what it does to a blocked verb. See signals.c.
 */
#ifndef SRR_SIGNALS_H
#define SRR_SIGNALS_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a handler does to the verb that this thread waits in: make the wait end, by changing the word that it
 * compares. Called in the middle of anything between wait_begin() and wait_end(), possibly several times. */
typedef void poke_call(void *arg, int signo);

/*
 * Where to go on after a fault. The compilers' own, which stores three words: libc's costs a short round trip three
 * parts in a hundred (measured). Clang has it for some machines only.
 */
#if !defined __clang__ || defined __x86_64__ || defined __i386__
typedef void *return_point[5];
#define set_return(point) __builtin_setjmp(point)
#define go_back(point) __builtin_longjmp(point, 1)
#else
typedef jmp_buf return_point;
#define set_return(point) _setjmp(point)
#define go_back(point) _longjmp(point, 1)
#endif

/* Of one thread, touched by it and by handlers that run on it: hence volatile, and nothing more. */
struct thread_signals {
    volatile unsigned depth;      /* > 0: in a verb: handlers wait */
    volatile uint64_t put_off;    /* bit signo - 1: it wants to run, and is blocked until the verb has ended */
    poke_call *volatile poke;
    void *volatile waiting;       /* the poke's argument */
    volatile bool copying;        /* a fault goes to fault_return */
    return_point fault_return;
};
/* initial-exec: nothing may be allocated in a handler, and a verb has no time to look it up. */
extern _Thread_local struct thread_signals thread_signals __attribute__((tls_model("initial-exec")));
extern bool faults_are_caught;
extern void (*signals_catcher)(void); /* or NULL: see srr_signals_wrapped() */

void signals_let_in(void);

static inline void verb_begin(void) { thread_signals.depth++; }

static inline void verb_end(void)
{
    if (--thread_signals.depth == 0 && __builtin_expect(thread_signals.put_off != 0, 0))
        signals_let_in();
}

/* A handler has asked for its turn since the verb began. */
static inline bool verb_is_interrupted(void) { return thread_signals.put_off != 0; }

/* From here on a handler pokes. One that came before must be asked for, after this: verb_is_interrupted(). */
static inline void wait_begin(poke_call *poke, void *arg)
{
    thread_signals.waiting = arg;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    thread_signals.poke = poke;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void wait_end(void)
{
    thread_signals.poke = NULL;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/*
 * Around a copy from or to the caller's memory:  if (!copy_begin()) return -EFAULT;  ...  copy_end();
 * Nothing but memcpy may stand between. A macro, since the frame that calls setjmp() must live on.
 */
#define copy_begin() (!faults_are_caught || (set_return(thread_signals.fault_return) == 0 && copy_is_guarded()))
static inline bool copy_is_guarded(void)
{
    thread_signals.copying = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return true;
}
static inline void copy_end(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    thread_signals.copying = false;
}

#endif
