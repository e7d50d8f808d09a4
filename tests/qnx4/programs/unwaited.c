/*
 * unwaited.c - _PPF_INFORM: one message a death. A child that nobody has waited for yet is told once; one whose first
 * thread leaves is told when the last one does.
 */
#include <pthread.h>
#include <sys/time.h>
#include "../old.h"

static int go_on;               /* a pipe: the second thread stays until something comes */

static void *stays(void *unused)
{
    char byte;

    read(go_on, &byte, 1);
    _exit(0);
    return unused;
}

static void without_its_first_thread(long ends)
{
    pthread_t other;

    go_on = (int) ends;
    pthread_create(&other, 0, stays, 0);
    pthread_exit(0);
}

static void on_alarm(int signo)
{
    (void) signo;
}

/* DEATH messages about that process within so many milliseconds; the first one ends it, if that is wanted. */
static int deaths(pid_t child, int milliseconds, int first)
{
    char buf[64];
    int found = 0;
    pid_t pid;

    signal(SIGALRM, on_alarm);
    {
        struct itimerval time;

        memset(&time, 0, sizeof(time));
        time.it_value.tv_sec = milliseconds / 1000;
        time.it_value.tv_usec = milliseconds % 1000 * 1000;
        setitimer(ITIMER_REAL, &time, 0);
    }
    while ((pid = Receive(0, buf, sizeof(buf))) != -1) {
        Reply(pid, 0, 0);
        if (pid == child && ++found == 1 && first)
            break;
    }
    alarm(0);
    return found;
}

main()
{
    int ends[2];
    pid_t child;

    check("qnx_pflags", qnx_pflags(_PPF_INFORM, _PPF_INFORM, 0, 0), 0);
    child = fork();
    if (child == 0)
        _exit(3);
    check("told", deaths(child, PATIENCE, 1), 1);
    check("and not again, unwaited for", deaths(child, 500, 0), 0);
    check("it is a child still", waitpid(child, 0, 0), child);

    check("pipe", pipe(ends), 0);
    child = fork();
    if (child == 0)
        without_its_first_thread(ends[0]);
    check("its first thread alone", deaths(child, 500, 0), 0);
    check("the other may go", write(ends[1], "x", 1), 1);
    check("told at the end", deaths(child, PATIENCE, 1), 1);
    check("once", deaths(child, 300, 0), 0);
    check("waitpid", waitpid(child, 0, 0), child);
    return finish();
}
