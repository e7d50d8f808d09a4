/*
 * alarms.c - EINTR, exactly: alarms at random moments of blocked calls, each of which must end its call.
 *
 *     alarms receive|send|reply|meet ROUNDS SEED
 *
 * One alarm a round, by handlers with SA_RESTART, as signal() has them; another one some milliseconds later ends the
 * call should the first have come before the call was entered. Lost is an alarm
 *   - whose handler ran inside the call (the interrupted instruction tells), which slept on until the second one;
 *   - that came inside the call and was put off to its end, where the thread went to sleep again before that end. The
 *     kernel counts how often a thread gave its CPU away by itself: no clock decides, and a busy machine is no error.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/kernel.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define RESCUE_US 2000

static volatile sig_atomic_t alarms;
static void *volatile first_at;
static volatile long slept_before = -1; /* sleeps of this thread when the first alarm was put off; -1: it was not */

static long sleeps(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

/* In place of libsrr's, which it calls: libsrr-qnx4 asks here first, at every signal. */
int srr_signal_arrived(int signo, const void *info, void *context)
{
    static int (*real)(int, const void *, void *);
    int put_off, error = errno;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "srr_signal_arrived");
    errno = error;
    put_off = real(signo, info, context);
    if (put_off && alarms == 0 && slept_before < 0)
        slept_before = sleeps();
    return put_off;
}

static void note(int signo, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    (void)signo, (void)info;
    if (alarms++ == 0) {
#if defined __x86_64__
        first_at = (void *)u->uc_mcontext.gregs[REG_RIP];
#elif defined __i386__
        first_at = (void *)u->uc_mcontext.gregs[REG_EIP];
#elif defined __aarch64__
        first_at = (void *)u->uc_mcontext.pc;
#endif
    }
}

static void plain(int signo) { (void)signo; alarms++; }

/* In this program, in libc's setitimer(), in the spelling, or in the first lines of the verb itself. */
static int was_before_entry(void)
{
    Dl_info where;
    const char *function;
    if (!dladdr(first_at, &where))
        return 0;
    function = where.dli_sname ? where.dli_sname : "?";
    if (strstr(where.dli_fname, "libc.so") ? strcmp(function, "syscall") != 0
        : strstr(where.dli_fname, "libsrr.so")
            ? strcmp(function, "srr_send") == 0 || strcmp(function, "srr_receive") == 0
            : 1)
        return 1;
    return 0;
}

/* Receives and never replies. */
static void hold_them_all(void)
{
    for (;;)
        Receive(0, 0, 0);
}

static void sleep_for_ever(void)
{
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    struct itimerval timer;
    struct sigaction action;
    pid_t child = 0;
    long round, rounds, early = 0, put_off = 0, lost = 0;
    char reply[16];
    const char *mode;
    if (argc != 4)
        return 2;
    mode = argv[1];
    rounds = atol(argv[2]);
    srandom((unsigned)atol(argv[3]));
    memset(&action, 0, sizeof action);
    memset(&timer, 0, sizeof timer);
    /* Half of them by signal() alone, and half with a handler that notes where it came. */
    signal(SIGALRM, plain);
    if (strcmp(mode, "receive") != 0) {
        child = fork();
        if (child == 0) {
            signal(SIGALRM, SIG_DFL);
            if (strcmp(mode, "reply") == 0)
                hold_them_all();
            if (strcmp(mode, "send") == 0)
                Creceive(0, 0, 0); /* it has rows, and never receives again */
            if (strcmp(mode, "meet") == 0)
                execlp("sleep", "sleep", "1000", (char *)0); /* it has no rows, and never will */
            sleep_for_ever();
        }
    }
    action.sa_sigaction = note;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGALRM, &action, 0);
    for (round = 0; round < rounds; round++) {
        int r;
        long slept;
        alarms = 0;
        first_at = 0;
        slept_before = -1;
        timer.it_value.tv_usec = 3 + random() % (round % 4 ? 150 : 15);
        timer.it_interval.tv_usec = RESCUE_US;
        setitimer(ITIMER_REAL, &timer, 0);
        r = strcmp(mode, "receive") == 0 ? (int)Receive(0, 0, 0) : Send(child, "hello", reply, 6, sizeof reply);
        if (r != -1 || errno != EINTR) {
            printf("round %ld: returned %d, errno %d\n", round, r, errno);
            return 1;
        }
        slept = slept_before < 0 ? 0 : sleeps() - slept_before;
        if (strcmp(mode, "meet") == 0)
            continue; /* that it ended is all: giving up a first contact takes the kernel some milliseconds (inotify) */
        if (slept_before >= 0)
            put_off++;
        if (slept > 0 || (slept_before < 0 && alarms > 1 && !was_before_entry())) {
            printf("round %ld: %d alarms, went to sleep %ld times after the first\n", round, (int)alarms, slept);
            lost++;
        } else if (alarms > 1) {
            early++;
        }
        timer.it_value.tv_usec = 0;
        timer.it_interval.tv_usec = 0;
        setitimer(ITIMER_REAL, &timer, 0);
    }
    if (child) {
        kill(child, SIGKILL);
        waitpid(child, 0, 0);
    }
    printf("%s: %ld alarms, %ld before the call was entered, %ld put off to its end, %ld lost\n", mode, rounds, early,
           put_off, lost);
    return lost != 0 || (put_off < rounds / 10 && strcmp(mode, "meet") != 0);
}
