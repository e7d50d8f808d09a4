/*
 * signals.c - see signals.h, and srr_signals_wrapped() in srr.h.
 *
 * QNX4's Send is one kernel call: a handler runs when the process is ready or blocked, never in between, and ends the
 * call it finds. A library's verb is many instructions, and there is no system call that queues, unblocks signals and
 * waits in one step. The losing order, whatever is checked before:
 *
 *     the thread                           a handler, on the same thread
 *     no handler ran yet? right
 *                                          alarm: runs, returns
 *     FUTEX_WAIT, for ever
 *
 * Ours, where each handler of the program is called by a wrapper that calls srr_signal_arrived() first:
 *
 *     verb_begin: depth = 1                wrapper: depth > 0: not now. It blocks the signal, sends it to
 *     ...                                  the thread again (it is pending now), notes it in put_off, pokes
 *     wait_begin                           and returns; so does the poked verb, which changes the very word
 *     (a) put_off? leave                   that the wait compares.
 *     (b) v = word; leave?
 *     (c) FUTEX_WAIT(word, v)
 *     wait_end ... depth = 0
 *     put_off: unblock: the handler runs
 *
 * Wherever the wrapper runs: before wait_begin, (a) sees put_off; between (a) and (c)'s comparison, the word is not
 * v any more, or (b) has seen that we are to leave; in (c) the same, whether the kernel restarts the call or ends it
 * with EINTR. After (c) the verb looks again. So the signal is never lost, SA_RESTART makes no difference, and no
 * handler ever finds a lock of ours held or a transaction half done: it may call any verb, or longjmp. It costs a
 * verb two additions to a thread's own variable; a system call only when there was a signal.
 *
 * Handlers that run at depth 0, a moment before the verb was entered or after it has ended, are before or
 * after the call, as on QNX4.
 */
#define _GNU_SOURCE
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "srr.h"

_Thread_local struct thread_signals thread_signals;
bool faults_are_caught;
void (*signals_catcher)(void);

#define KERNEL_SIGSET_SIZE 8

void srr_signals_wrapped(int faults, void (*catcher)(void))
{
    faults_are_caught = faults;
    signals_catcher = catcher;
}

/* The program's own mistake, told by the kernel: its handler must run at once, on this very instruction. */
static bool is_fault(int signo, const siginfo_t *info)
{
    switch (signo) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
        return info->si_code > 0;
    default:
        return false;
    }
}

int srr_signal_arrived(int signo, const void *info, void *context)
{
    struct thread_signals *me = &thread_signals;
    ucontext_t *interrupted = context;
    if (me->depth == 0 || signo < 1 || signo > 64 || is_fault(signo, info))
        return 0;
    int error = errno;
    uint64_t bit = UINT64_C(1) << (signo - 1);
    siginfo_t again;
    memcpy(&again, info, sizeof again);
    /* Blocked now (a handler with SA_NODEFER runs unblocked), and when the wrapper returns. */
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &bit, NULL, KERNEL_SIGSET_SIZE);
    sigaddset(&interrupted->uc_sigmask, signo);
    /* Pending, with all that it says. Where the user's limit of queued signals is reached: at least pending. */
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), (int)syscall(SYS_gettid), signo, &again) != 0)
        syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), signo);
    me->put_off |= bit;
    poke_call *how = me->poke;
    if (how)
        how(me->waiting, signo);
    errno = error;
    return 1;
}

void signals_let_in(void)
{
    uint64_t bits = thread_signals.put_off;
    int error = errno;
    thread_signals.put_off = 0;
    syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &bits, NULL, KERNEL_SIGSET_SIZE);
    errno = error;
}

void srr_signals_hold(void) { verb_begin(); }
void srr_signals_release(void) { verb_end(); }

void srr_fault_arrived(void)
{
    if (thread_signals.copying) {
        thread_signals.copying = false;
        go_back(thread_signals.fault_return); /* the wrapper was installed with SA_NODEFER: nothing is blocked */
    }
}
