/*
 * hello.c - the first program of every QNX4 book: a parent and a child that know each other by fork() alone.
 * What Send, Receive and Reply return, and that they return no length.
 */
#include "../old.h"

char request[] = "How are you?";
char answer[] = "Fine, and you?";

static child_that_receives()
{
    char msg[40];
    pid_t parent = getppid();
    pid_t from;

    memset(msg, 'x', sizeof(msg));
    from = Receive(parent, msg, sizeof(msg));
    check("Receive(getppid()) returns the parent's pid", from, parent);
    check_bytes("the child has the message", msg, request, sizeof(request));
    check("what is behind the message is as it was", msg[sizeof(request)], 'x');
    check("Reply returns 0, no length", Reply(from, answer, sizeof(answer)), 0);
}

static void body(long unused)
{
    child_that_receives();
}

static void client(long unused)
{
    char msg[40];

    check("the child's Send to its parent", Send(getppid(), request, msg, sizeof(request), sizeof(msg)), 0);
    check_bytes("the child has the reply", msg, answer, sizeof(answer));
}

/* Echoes, one more than it got, until it gets a 0. */
static void counter(long unused)
{
    int n;
    pid_t from;

    do {
        from = Receive(0, &n, sizeof(n));
        ++n;
        Reply(from, &n, sizeof(n));
    } while (n != 1);
}

main()
{
    char msg[40];
    pid_t child, from;
    int i, n, wrong;

    /* The parent sends. */
    memset(msg, 'x', sizeof(msg));
    child = start(body, 0);
    check("Send returns 0, no length", Send(child, request, msg, sizeof(request), sizeof(msg)), 0);
    check_bytes("the parent has the reply", msg, answer, sizeof(answer));
    check("what is behind the reply is as it was", msg[sizeof(answer)], 'x');
    good_end(child);

    /* The child sends. */
    child = start(client, 0);
    from = Receive(0, msg, sizeof(msg));
    check("Receive(0) returns the child's pid", from, child);
    check_bytes("the parent has the message", msg, request, sizeof(request));
    check("the parent's Reply", Reply(child, answer, sizeof(answer)), 0);
    good_end(child);

    /* A thousand times. */
    child = start(counter, 0);
    for (i = 1, wrong = 0; i <= 1000; ++i) {
        n = i;
        if (Send(child, &n, &n, sizeof(n), sizeof(n)) != 0 || n != i + 1)
            ++wrong;
    }
    check("round trips that went wrong, of 1000", wrong, 0);
    n = 0;
    check("the last one", Send(child, &n, &n, sizeof(n), sizeof(n)), 0);
    good_end(child);
    Yield();
    return finish();
}
