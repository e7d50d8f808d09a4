/* janitor.c - see janitor.h. */
#define _GNU_SOURCE
#include "janitor.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/futex.h>

#include "confine.h"
#include "wait.h"

#define FILES_END 65536u
#define TICK 1000 /* us: how long a socket that lingers can keep it. A signal ends that */
#define LONG (INT64_C(3600) * 1000 * MS)

static const struct allowed calls[] = {
    {SYS_close, -1, 0},     {SYS_futex, 1, FUTEX_WAIT},  {SYS_futex, 1, FUTEX_WAKE},
    {SYS_setitimer, -1, 0}, {SYS_rt_sigreturn, -1, 0}, {SYS_restart_syscall, -1, 0},
};
static a64 to_close[FILES_END / 64]; /* a bit for each descriptor */
static uint32_t words;
static a32 rung, settled; /* settled: 1, or an errno + 1 */

/*
 * The bit goes before the descriptor does: its number is not anybody's until then, and if the broker gets it again and
 * hands it over again, that bit is a new one.
 */
static void close_all(void)
{
    const struct itimerval off = {0}, on = {.it_value.tv_usec = TICK, .it_interval.tv_usec = TICK};
    setitimer(ITIMER_REAL, &on, NULL);
    for (uint32_t i = 0; i < words; i++)
        for (uint64_t bits = atomic_load(&to_close[i]); bits; bits &= bits - 1) {
            atomic_fetch_and(&to_close[i], ~(bits & -bits));
            close((int)(i * 64 + (uint32_t)__builtin_ctzll(bits)));
        }
    setitimer(ITIMER_REAL, &off, NULL);
}

static void *run(void *nothing)
{
    int r = confine_process();
    if (r == 0)
        r = confine_calls(calls, sizeof calls / sizeof calls[0]);
    atomic_store(&settled, (uint32_t)(1 - r));
    futex_wake(&settled, 1);
    while (r == 0) {
        uint32_t before = atomic_load(&rung);
        close_all();
        futex_sleep(&rung, before, LONG);
    }
    return nothing;
}

int janitor_start(uint32_t files_most)
{
    pthread_t thread;
    sigset_t alarm;
    words = files_most / 64 + 1;
    int error = files_most < FILES_END ? pthread_create(&thread, NULL, run, NULL) : EMFILE;
    if (error != 0)
        return -error;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM); /* is for the janitor */
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    while (atomic_load(&settled) == 0)
        futex_sleep(&settled, 0, LONG);
    return 1 - (int)atomic_load(&settled);
}

void janitor_close(int fd)
{
    atomic_fetch_or(&to_close[fd / 64], UINT64_C(1) << fd % 64);
    atomic_fetch_add(&rung, 1);
    futex_wake(&rung, 1);
}

bool janitor_has_closed(int fd) { return (atomic_load(&to_close[fd / 64]) >> fd % 64 & 1) == 0; }
