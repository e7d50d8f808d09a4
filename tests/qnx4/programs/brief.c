/*
 * brief.c - _PPF_INFORM: also of processes that live but a moment, and that are not our children, the deaths are told.
 * Twenty of them.
 */
#include <sys/sys_msg.h>
#include "../old.h"

#define MANY 20

static void on_alarm(signo)
int signo;
{
}

static void parent_of_many(long unused)
{
    pid_t dead[MANY];
    int i;

    for (i = 0; i < MANY; ++i)
        dead[i] = nobody();
    check("Send of their pids", Send(getppid(), dead, 0, sizeof(dead), 0), 0);
}

main()
{
    pid_t child, from, dead[MANY], told[1000];
    int i, j, n, heard;

    signal(SIGALRM, on_alarm);
    check("qnx_pflags", qnx_pflags(~0, _PPF_INFORM, 0, 0), 0);
    child = start(parent_of_many, 0);
    check("Receive of their pids", Receive(child, dead, sizeof(dead)), child);
    Reply(child, 0, 0);

    /* The child's own death is the last one. */
    alarm(10);
    for (n = 0; n < 1000; ++n) {
        told[n] = from = Receive(0, 0, 0);
        if (from == -1 || from == child)
            break;
        Reply(from, 0, 0);
    }
    check("the last death", from, child);
    good_end(child);
    for (i = 0, heard = 0; i < MANY; ++i)
        for (j = 0; j < n; ++j)
            if (told[j] == dead[i]) {
                ++heard;
                break;
            }
    check("deaths that were told", heard, MANY);
    return finish();
}
