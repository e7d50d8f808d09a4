/*
 * old.h - what the old programs share: each checks its own results, prints a line for each check, and
 * exits with 0 or 1. It uses QNX4's calls and the C library only, as they do. A parameter that is a long
 * needs its prototype: an int that is passed without one is half a long on a 64-bit machine.
 */
#ifndef OLD_H
#define OLD_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/kernel.h>
#include <sys/psinfo.h>

#define PATIENCE 20000          /* milliseconds that a state is waited for: a loaded machine is slow */

static int failures;

/* A line of its own, and at once: children and parent share the output, and a child inherits no half of it. */
static void tell(int good, char *what, long got, long expected)
{
    if (good)
        printf("ok %s\n", what);
    else {
        printf("FAILED %s: got %ld expected %ld (in process %d)\n", what, got, expected, (int) getpid());
        ++failures;
    }
    fflush(stdout);
}

static void check(char *what, long got, long expected)
{
    tell(got == expected, what, got, expected);
}

/* A call that must return -1 and leave this errno behind. */
static void check_fails(char *what, long got, int error)
{
    int was = errno;

    if (got != -1)
        tell(0, what, got, -1);
    else
        tell(was == error, what, was, error);
}

static void check_bytes(char *what, void *got, void *expected, unsigned nbytes)
{
    unsigned i = 0;

    while (i < nbytes && ((char *) got)[i] == ((char *) expected)[i])
        ++i;
    tell(i == nbytes, what, i, nbytes);  /* where they differ */
}

/* A child that runs f(arg) and exits with what its checks say. */
static pid_t start(void (*f)(long), long arg)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == -1) {
        perror("fork");
        exit(1);
    }
    if (pid == 0) {
        failures = 0;
        (*f)(arg);
        exit(failures != 0);
    }
    return pid;
}

/* Until process pid is in that state, as the Process manager sees it. `on`: blocked on whom; -1: no matter. */
static void until_on(pid_t pid, int state, pid_t on)
{
    struct _psinfo ps;
    int waited, last = -1;

    for (waited = 0; waited < PATIENCE; ++waited) {
        if (qnx_psinfo(PROC_PID, pid, &ps, 0, 0) == pid) {
            last = ps.state;
            if (last == state && (on == -1 || ps.blocked_on == on))
                return;
        }
        usleep(1000);
    }
    tell(0, "the state that was waited for", last, state);
    exit(1);
}

static void until(pid_t pid, int state)
{
    until_on(pid, state, -1);
}

/* A child's end: its exit status, or minus the signal that killed it. */
static int ended(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            return -1000;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void good_end(pid_t pid)
{
    check("a child found nothing wrong", ended(pid), 0);
}

static int finish()
{
    return failures != 0;
}

/* A pid that nobody has: its owner has just been buried. */
static void leave(long unused)
{
    _exit(0);
}

static pid_t nobody()
{
    pid_t pid = start(leave, 0);

    ended(pid);
    return pid;
}

#endif
