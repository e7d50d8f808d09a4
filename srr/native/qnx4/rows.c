/*
 * rows.c - a program that was linked with this library has its rows of the waiting table from the start, and so have
 * its forked children before fork() has returned in their parent, so that nobody can know their pid earlier. Messages
 * to a process without rows wait at their senders, and come in any order when it makes them: by its own first call, too
 * late for whoever had sent before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

#include <srr.h>

#include "signals.h"

#define CHILD_MS 100 /* the longest that a child which is killed or stopped at birth holds up its parent */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held during a fork */
static sem_t *made;                                      /* shared with the child that is being made */

/* Fails where there are no descriptors left, or no memory; the first real call then says so. */
static void make_rows(void) { srr_flags(0, 0, NULL, NULL); }

/* From here to the end of fork() handlers wait, in both: one may fork as well, or longjmp; or Send to the child. */
static void before_fork(void)
{
    srr_signals_hold();
    pthread_mutex_lock(&lock);
    if (!made) {
        void *page = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        made = page == MAP_FAILED ? NULL : page;
    }
    if (made)
        sem_init(made, 1, 0);
}

static void in_parent(void)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += CHILD_MS * 1000000L;
    if (end.tv_nsec >= 1000000000L) {
        end.tv_nsec -= 1000000000L;
        end.tv_sec++;
    }
    int error = errno;
    while (made && sem_timedwait(made, &end) != 0 && errno == EINTR)
        ;
    errno = error; /* fork()'s, where it has failed */
    pthread_mutex_unlock(&lock);
    srr_signals_release();
}

static void in_child(void)
{
    make_rows();
    if (made) {
        sem_post(made);
        munmap(made, sizeof *made);
        made = NULL;
    }
    pthread_mutex_init(&lock, NULL);
    srr_signals_release();
}

/* Not static: a static program's linker is told to ask for it (meson.build), and takes this file from the archive. */
void rows_begin(void);
__attribute__((constructor)) void rows_begin(void)
{
    signals_take_over();
    make_rows(); /* first: libsrr's own handler must run in a child before ours */
    pthread_atfork(before_fork, in_parent, in_child);
}
