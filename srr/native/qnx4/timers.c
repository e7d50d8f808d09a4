/*
 * timers.c - <time.h>: timers whose event may be a proxy.
 *
 * The kernel's own timers, by its own numbers (+ 1: QNX4's are positive). One that triggers a proxy sends a real-time
 * signal to a thread of ours that waits for nothing else, so that no call of the program is interrupted by it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <srr.h>

#define PUBLIC __attribute__((visibility("default")))
/*
 * Sent to our own thread only, which waits for it. Not one that the program can name: whoever waits for a signal also
 * takes what is pending for the whole process. This is the C library's for the same purpose (SIGEV_THREAD), to a thread
 * of its own.
 */
#define SIGNAL_OF_TIMERS 32
#define KERNEL_SIGSET_SIZE 8

int srr_qnx4_timer_create(int clock, struct sigevent *event);
int srr_qnx4_timer_delete(int timer);
int srr_qnx4_timer_settime(int timer, int flags, const struct itimerspec *value, struct itimerspec *was);
int srr_qnx4_timer_gettime(int timer, struct itimerspec *value);
int srr_qnx4_timer_getoverrun(int timer);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    pid_t process, tid; /* whose thread: after a fork there is none */
    sem_t begun;
} thread;

static void *trigger_proxies(void *unused)
{
    uint64_t only = UINT64_C(1) << (SIGNAL_OF_TIMERS - 1);
    siginfo_t info;
    (void)unused;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &only, NULL, KERNEL_SIGSET_SIZE); /* libc's functions would leave it out */
    thread.tid = (pid_t)syscall(SYS_gettid);
    sem_post(&thread.begun);
    for (;;) {
        if (syscall(SYS_rt_sigtimedwait, &only, &info, NULL, KERNEL_SIGSET_SIZE) < 0 || info.si_code != SI_TIMER)
            continue;
        /* Each time counts: also those that came while we were not running. */
        for (int times = 0; times <= info.si_overrun; times++)
            if (srr_trigger(info.si_value.sival_int) < 0)
                break;
    }
    return NULL;
}

static int start_thread(void)
{
    pthread_t ignored;
    pthread_attr_t attr;
    sigset_t all, before;
    if (thread.process == getpid())
        return 0;
    sem_init(&thread.begun, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's handlers are not for this thread */
    int r = pthread_create(&ignored, &attr, trigger_proxies, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (r != 0)
        return -EAGAIN;
    while (sem_wait(&thread.begun) != 0)
        ; /* a handler ran */
    thread.process = getpid();
    return 0;
}

/* The thread's tid, or -EAGAIN. */
static pid_t thread_for_proxies(void)
{
    srr_signals_hold();
    pthread_mutex_lock(&lock);
    int r = start_thread();
    pthread_mutex_unlock(&lock);
    srr_signals_release();
    return r < 0 ? r : thread.tid;
}

static int fail(int r)
{
    errno = -r;
    return -1;
}

PUBLIC int srr_qnx4_timer_create(int clock, struct sigevent *event)
{
    /* Of the program's structure nothing but sigev_signo can be relied on. */
    int signo = event ? event->sigev_signo : SIGALRM, id;
    struct sigevent ours;
    memset(&ours, 0, sizeof ours);
    if (signo > 0) {
        ours.sigev_notify = SIGEV_SIGNAL;
        ours.sigev_signo = signo;
    } else if (signo == 0) {
        ours.sigev_notify = SIGEV_NONE;
    } else {
        pid_t tid = thread_for_proxies();
        if (tid < 0)
            return fail(tid);
        ours.sigev_notify = SIGEV_THREAD_ID;
        ours.sigev_signo = SIGNAL_OF_TIMERS;
        ours.sigev_value.sival_int = -signo;
        ours._sigev_un._tid = tid;
    }
    if (syscall(SYS_timer_create, clock, &ours, &id) != 0)
        return fail(-errno);
    return id + 1;
}

PUBLIC int srr_qnx4_timer_delete(int timer)
{
    return syscall(SYS_timer_delete, timer - 1) == 0 ? 0 : fail(-errno);
}

/* 32-bit programs have two of each; glibc's struct itimerspec is the one of `long` unless asked for more. */
#if defined SYS_timer_settime64 && defined _TIME_BITS && _TIME_BITS == 64
#define SETTIME SYS_timer_settime64
#define GETTIME SYS_timer_gettime64
#else
#define SETTIME SYS_timer_settime
#define GETTIME SYS_timer_gettime
#endif

PUBLIC int srr_qnx4_timer_settime(int timer, int flags, const struct itimerspec *value, struct itimerspec *was)
{
    return syscall(SETTIME, timer - 1, flags, value, was) == 0 ? 0 : fail(-errno);
}

PUBLIC int srr_qnx4_timer_gettime(int timer, struct itimerspec *value)
{
    return syscall(GETTIME, timer - 1, value) == 0 ? 0 : fail(-errno);
}

PUBLIC int srr_qnx4_timer_getoverrun(int timer)
{
    long n = syscall(SYS_timer_getoverrun, timer - 1);
    return n >= 0 ? (int)n : fail(-errno);
}
