/*
 * prio.c - getprio and setprio: 1 is the lowest, the higher the more urgent; and _PPF_PRIORITY_FLOAT, where the
 * system lets one go up as well as down.
 */
#include <sys/sched.h>
#include "../old.h"

static void waits(long unused)
{
    Receive(getppid(), 0, 0);
}

/* Whoever is not root may make himself less urgent, and no other user's process anything. */
static void ordinary(long unused)
{
    int was = getprio(0), root = getuid() == 0;

    if (root && setuid(65534) == -1)
        return;
    check("setprio downwards", setprio(0, was - 1), was);
    check_fails("setprio to 29", setprio(0, 29), EPERM);
    check("it is as it was", getprio(0), was - 1);
    if (root)
        check_fails("setprio of root's process", setprio(getppid(), 5), EPERM);
    check("getprio of the parent", getprio(getppid()) > 0, 1);
}

static void client(long priority)
{
    check("the client's setprio", setprio(0, (int) priority) != -1, 1);
    check("the client's Send", Send(getppid(), 0, 0, 0, 0), 0);
}

/* The server has the priority of the client that it works for. */
static void floating()
{
    static int priorities[] = { 8, 12, 4 };
    pid_t child, other;
    int i, was;

    was = getprio(0);
    if (setprio(0, was + 1) == -1) {    /* no way up, no floating: the flag is refused, or means priority receiving */
        if (qnx_pflags(~0, _PPF_PRIORITY_FLOAT, 0, 0) == -1)
            check_fails("_PPF_PRIORITY_FLOAT without the right to", -1, EPERM);
        child = start(client, 4L);
        check("Receive", Receive(0, 0, 0), child);
        check("the server's priority does not sink where it could not rise again", getprio(0), was);
        check("Reply", Reply(child, 0, 0), 0);
        good_end(child);
        return;
    }
    setprio(0, was);
    check("_PPF_PRIORITY_FLOAT", qnx_pflags(~0, _PPF_PRIORITY_FLOAT, 0, 0), 0);
    for (i = 0; i < 3; ++i) {
        child = start(client, (long) priorities[i]);
        check("Receive", Receive(0, 0, 0), child);
        check("the server has the client's priority", getprio(0), priorities[i]);
        check("Reply", Reply(child, 0, 0), 0);
        good_end(child);
    }

    /* While it works for one of 4, a client of 12 wants to be received. */
    child = start(client, 4L);
    check("Receive", Receive(0, 0, 0), child);
    check("the server has 4", getprio(0), 4);
    other = start(client, 12L);
    until_on(other, STATE_SEND_BLOCKED, getpid());
    for (i = 0; i < PATIENCE && getprio(0) != 12; ++i)
        usleep(1000);
    check("it is raised to 12", getprio(0), 12);
    check("Reply", Reply(child, 0, 0), 0);
    check("Receive", Receive(0, 0, 0), other);
    check("it has 12 still", getprio(0), 12);
    check("Reply", Reply(other, 0, 0), 0);
    good_end(child);
    good_end(other);

    /* Priority floating is priority receiving, too. */
    child = start(client, 4L);
    until_on(child, STATE_SEND_BLOCKED, getpid());
    other = start(client, 6L);
    until_on(other, STATE_SEND_BLOCKED, getpid());
    check("Receive of the more urgent one", Receive(0, 0, 0), other);
    check("Reply", Reply(other, 0, 0), 0);
    check("Receive of the other", Receive(0, 0, 0), child);
    check("Reply", Reply(child, 0, 0), 0);
    good_end(child);
    good_end(other);
    check("_PPF_PRIORITY_FLOAT off", qnx_pflags(0, _PPF_PRIORITY_FLOAT, 0, 0), 0);
    setprio(0, was);
    child = start(client, 5L);
    check("Receive", Receive(0, 0, 0), child);
    check("now it keeps its own", getprio(0), was);
    Reply(child, 0, 0);
    good_end(child);
}

main()
{
    pid_t child;
    int was = getprio(0), i, up;

    check("getprio of oneself", was >= 1 && was <= 29, 1);
    check("by pid", getprio(getpid()), was);
    check_fails("setprio to 0", setprio(0, 0), EINVAL);
    check_fails("setprio to 30", setprio(0, 30), EINVAL);
    check_fails("setprio to 1000", setprio(0, 1000), EINVAL);
    check("nothing has changed", getprio(0), was);
    child = nobody();
    check_fails("getprio of nobody", getprio(child), ESRCH);
    check_fails("setprio of nobody", setprio(child, 5), ESRCH);

    child = start(waits, 0);
    until(child, STATE_RECEIVE_BLOCKED);
    check("a child has its parent's", getprio(child), was);
    check("setprio of a child returns what it was", setprio(child, was - 2), was);
    check("getprio of the child", getprio(child), was - 2);
    check("down again", setprio(child, 1), was - 2);
    check("to the lowest", getprio(child), 1);
    check("ours is as it was", getprio(0), was);
    kill(child, SIGKILL);
    ended(child);

    check("qnx_scheduler that only asks", qnx_scheduler(0, 0, -1, -1, 0), was);
    child = start(waits, 0);
    until(child, STATE_RECEIVE_BLOCKED);
    check("qnx_scheduler returns what it was", qnx_scheduler(PROC_PID, child, SCHED_OTHER, 5, 0), was);
    check("getprio", getprio(child), 5);
    check("its algorithm", qnx_scheduler(0, child, -1, -1, 1), SCHED_OTHER);
    check_fails("qnx_scheduler with no such priority", qnx_scheduler(0, child, -1, 100, 0), EINVAL);
    kill(child, SIGKILL);
    ended(child);
    check_fails("qnx_scheduler of nobody", qnx_scheduler(0, child, -1, 5, 0), ESRCH);

    up = setprio(0, was + 1) == was;
    if (up) {
        for (i = 29; i >= 1; --i) {
            if (setprio(0, i) == -1)
                check("setprio", i, -1);
            if (getprio(0) != i)
                check("getprio", getprio(0), i);
        }
        check("each of 29 priorities", getprio(0), 1);
        check("and back", setprio(0, was), 1);
    }
    good_end(start(ordinary, 0));
    floating();
    return finish();
}
