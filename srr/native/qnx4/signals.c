/*
 * signals.c - every handler of the program is called by wrapper(), which asks libsrr first: see srr_signals_wrapped()
 * in srr.h for why, and srr/native/core/signals.c for how that makes EINTR exact.
 *
 * The functions by which a program installs handlers are defined here under libc's own names, so that they are
 * found before libc's wherever the call was compiled. The kernel knows wrapper() for each signal with a handler; what
 * the program asked for is kept here, done by the wrapper where the kernel can't do it, and told to whoever asks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <srr.h>

#include "signals.h"

#define PUBLIC __attribute__((visibility("default")))

/* glibc's own, under the name by which it exports it for wrappers. */
extern int __sigaction(int signo, const struct sigaction *action, struct sigaction *before);
/* Declared by <signal.h> to some programs only. */
sighandler_t bsd_signal(int signo, sighandler_t handler);

/* What the program wants: two copies, of which `now` is valid, so that a handler never sees half of one. */
static struct wish {
    struct sigaction action[2];
    _Atomic unsigned now;
    _Atomic bool wrapped; /* the kernel calls wrapper() */
} wishes[_NSIG];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held with all signals blocked */
static pid_t whose; /* process that the wishes are of: a child of vfork() shares the memory, not the kernel's table */

static bool is_handler(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0 || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static bool is_fault(int signo) { return signo == SIGSEGV || signo == SIGBUS; }

/* The default action, now: give the kernel back what it does by itself, and let it happen. */
static void die_of(int signo, const siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t only;
    __sigaction(signo, &action, NULL);
    if (is_fault(signo) && info->si_code > 0)
        return; /* the instruction faults again */
    sigemptyset(&only);
    sigaddset(&only, signo);
    syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), signo);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    /* It did not end us: it stopped us, or does nothing. */
    wishes[signo].wrapped = false;
}

static void wrapper(int signo, siginfo_t *info, void *context);

static int wrap(int signo, const struct sigaction *action)
{
    struct sigaction ours = *action;
    ours.sa_sigaction = wrapper;
    ours.sa_flags = (ours.sa_flags | SA_SIGINFO) & ~(int)SA_RESETHAND; /* the wrapper may have to come twice */
    if (is_fault(signo)) { /* libsrr may leave the handler by a longjmp: nothing may stay blocked */
        ours.sa_flags |= SA_NODEFER;
        sigemptyset(&ours.sa_mask);
    }
    return __sigaction(signo, &ours, NULL);
}

static void run(int signo, const struct sigaction *action, siginfo_t *info, void *context)
{
    sigset_t mask = action->sa_mask;
    if (is_fault(signo)) {
        if ((action->sa_flags & SA_NODEFER) == 0)
            sigaddset(&mask, signo);
        pthread_sigmask(SIG_BLOCK, &mask, NULL); /* until the kernel restores what was */
    }
    if (action->sa_flags & SA_SIGINFO)
        action->sa_sigaction(signo, info, context);
    else
        action->sa_handler(signo);
}

static void wrapper(int signo, siginfo_t *info, void *context)
{
    struct wish *wish = &wishes[signo];
    if (is_fault(signo) && info->si_code > 0) /* not one that somebody has sent */
        srr_fault_arrived();
    if (srr_signal_arrived(signo, info, context))
        return;
    struct sigaction action = wish->action[atomic_load(&wish->now) % 2];
    if (!is_handler(&action)) {
        if (action.sa_handler == SIG_DFL || (is_fault(signo) && info->si_code > 0))
            die_of(signo, info);
        return;
    }
    if ((unsigned)action.sa_flags & SA_RESETHAND) {
        struct sigaction reset = {.sa_handler = SIG_DFL};
        sigaction(signo, &reset, NULL);
    }
    run(signo, &action, info, context);
}

/* Under the lock. */
static int change(int signo, const struct sigaction *action)
{
    struct wish *wish = &wishes[signo];
    unsigned next = atomic_load(&wish->now) + 1;
    bool wrapped = is_handler(action) || is_fault(signo);
    wish->action[next % 2] = *action;
    if ((wrapped ? wrap(signo, action) : __sigaction(signo, action, NULL)) != 0)
        return -1;
    atomic_store(&wish->now, next);
    atomic_store(&wish->wrapped, wrapped);
    return 0;
}

PUBLIC int sigaction(int signo, const struct sigaction *action, struct sigaction *before)
{
    sigset_t all, mask;
    struct sigaction wanted, was;
    int r = 0;
    if (signo < 1 || signo >= _NSIG)
        return __sigaction(signo, action, before);
    if (action)
        wanted = *action; /* a bad address faults here, without the lock */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    pthread_mutex_lock(&lock);
    struct wish *wish = &wishes[signo];
    if (wish->wrapped)
        was = wish->action[wish->now % 2];
    else
        r = __sigaction(signo, NULL, &was);
    if (r == 0 && action)
        r = getpid() == whose ? change(signo, &wanted) : __sigaction(signo, &wanted, NULL);
    pthread_mutex_unlock(&lock);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (r == 0 && before)
        *before = was;
    return r;
}

static sighandler_t install(int signo, sighandler_t handler, int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, before;
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    return sigaction(signo, &action, &before) == 0 ? before.sa_handler : SIG_ERR;
}

/* As glibc has them: BSD's signal() restarts, System V's is for once. */
PUBLIC sighandler_t signal(int signo, sighandler_t handler) { return install(signo, handler, SA_RESTART); }
PUBLIC sighandler_t bsd_signal(int signo, sighandler_t handler) { return install(signo, handler, SA_RESTART); }
PUBLIC sighandler_t ssignal(int signo, sighandler_t handler) { return install(signo, handler, SA_RESTART); }
PUBLIC sighandler_t __sysv_signal(int signo, sighandler_t handler)
{
    return install(signo, handler, (int)((unsigned)SA_RESETHAND | SA_NODEFER));
}
PUBLIC sighandler_t sysv_signal(int signo, sighandler_t handler) { return __sysv_signal(signo, handler); }

PUBLIC sighandler_t sigset(int signo, sighandler_t handler)
{
    sigset_t only, before;
    sighandler_t was;
    struct sigaction action;
    if (signo < 1 || signo >= _NSIG) {
        errno = EINVAL;
        return SIG_ERR;
    }
    sigemptyset(&only);
    sigaddset(&only, signo);
    if (handler == SIG_HOLD) {
        if (sigaction(signo, NULL, &action) != 0)
            return SIG_ERR;
        pthread_sigmask(SIG_BLOCK, &only, &before);
        was = action.sa_handler;
    } else {
        was = install(signo, handler, 0);
        if (was == SIG_ERR)
            return SIG_ERR;
        pthread_sigmask(SIG_UNBLOCK, &only, &before);
    }
    return sigismember(&before, signo) ? SIG_HOLD : was;
}

/* siginterrupt() changes what the kernel knows: our wrapper, with another flag. Its own record is kept, too. */
PUBLIC int siginterrupt(int signo, int interrupts)
{
    struct sigaction action;
    if (sigaction(signo, NULL, &action) != 0)
        return -1;
    action.sa_flags = interrupts ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    return sigaction(signo, &action, NULL);
}

/*
 * A receiver with _PPF_SIGCATCH is told also of the signals that would end us, which must not, therefore. From the
 * first time that we wait for such a receiver they have a wrapper without a handler: it asks libsrr, and does what the
 * kernel would have done.
 */
static void wrap_default_actions(void)
{
    static const int fatal[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,   SIGALRM, SIGUSR1,
                                SIGUSR2, SIGPIPE, SIGPROF, SIGVTALRM, SIGXCPU, SIGPOLL};
    static atomic_bool done;
    sigset_t all, mask;
    if (atomic_exchange(&done, true))
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        struct sigaction now;
        struct wish *wish = &wishes[fatal[i]];
        if (!wish->wrapped && __sigaction(fatal[i], NULL, &now) == 0 && !is_handler(&now) &&
            now.sa_handler == SIG_DFL) {
            wish->action[wish->now % 2] = now;
            wish->wrapped = wrap(fatal[i], &now) == 0;
        }
    }
    pthread_mutex_unlock(&lock);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* A handler's thread may hold the lock while another one forks. */
static void after_fork(void)
{
    whose = getpid();
    pthread_mutex_init(&lock, NULL);
}

void signals_take_over(void)
{
    struct sigaction now;
    whose = getpid();
    pthread_atfork(NULL, NULL, after_fork);
    for (int signo = 1; signo < _NSIG; signo++)
        if (__sigaction(signo, NULL, &now) == 0 && (is_handler(&now) || is_fault(signo)))
            change(signo, &now);
    srr_signals_wrapped(1, wrap_default_actions);
}
