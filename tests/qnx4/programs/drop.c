/*
 * drop.c - a server that drops its client at any point: it ends, or is killed, or becomes another program, before it
 * receives, after, in the middle of the reply. The client's Send ends with ESRCH each time.
 */
#include <fcntl.h>
#include "../old.h"

#define BIG 3145728

enum { BEFORE, RECEIVED, RECEIVED_NOTHING, READ, WRITTEN, OTHER_REPLIED, POINTS };
enum { BY_EXIT, BY_SIGKILL, BY_SIGTERM, BY_EXEC, WAYS };

char *points[POINTS] = { "before it receives", "after Receive", "after a Receive of nothing", "after Readmsg",
    "after Writemsg", "after it has answered another" };
char *ways[WAYS] = { "exits", "is killed", "is terminated", "becomes another program" };

char msg[BIG], reply[BIG];

static void other(long server)
{
    check("the other's Send", Send((pid_t) server, 0, 0, 0, 0), 0);
}

static void server(long order)
{
    int point = (int) order / WAYS, way = (int) order % WAYS;
    pid_t from, parent = getppid(), child;

    if (point == BEFORE)
        until_on(parent, STATE_SEND_BLOCKED, getpid());
    else if (point == RECEIVED_NOTHING)
        Receive(parent, 0, 0);
    else
        Receive(parent, msg, BIG);
    if (point == READ)
        Readmsg(parent, 1, msg, BIG);
    if (point == WRITTEN) {
        msg[0] = msg[1] = 'w';
        Writemsg(parent, 0, msg, BIG);
    }
    if (point == OTHER_REPLIED) {
        child = start(other, (long) getpid());
        from = Receive(0, 0, 0);
        check("the other", from, child);
        Reply(from, 0, 0);
        good_end(child);
    }
    switch (way) {
    case BY_EXIT:
        _exit(failures);
    case BY_SIGKILL:
        kill(getpid(), SIGKILL);
    case BY_SIGTERM:
        kill(getpid(), SIGTERM);
    case BY_EXEC:
        execl("/bin/sh", "sh", "-c", "read line", (char *) 0);  /* lives until somebody ends its input */
    }
    _exit(99);
}

static void drop(int point, int way, unsigned n)
{
    int ends[2], expected;
    char what[100];
    pid_t child;

    if (pipe(ends) == -1) {
        perror("pipe");
        exit(1);
    }
    dup2(ends[0], 0);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    child = start(server, (long) (point * WAYS + way));
    sprintf(what, "Send of %u to a server that %s %s", n, ways[way], points[point]);
    check_fails(what, Send(child, msg, reply, n, n), ESRCH);
    close(ends[0]);
    close(ends[1]);
    close(0);
    expected = way == BY_SIGKILL ? -SIGKILL : way == BY_SIGTERM ? -SIGTERM : way == BY_EXEC ? 1 : 0;
    check("how the server ended", ended(child), expected);
}

main()
{
    int point, way;

    for (point = 0; point < POINTS; ++point)
        for (way = 0; way < WAYS; ++way) {
            if (point == BEFORE && way == BY_EXEC)
                continue;       /* the other program might receive */
            drop(point, way, 10);
            drop(point, way, BIG);
        }
    return finish();
}
