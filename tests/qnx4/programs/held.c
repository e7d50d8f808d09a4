/*
 * held.c - a server that holds several clients REPLY-blocked and answers them later, in an order of its own. A Reply
 * to whom is not blocked on us fails, and is harmless.
 */
#include "../old.h"

#define CLIENTS 5

int order[CLIENTS] = { 3, 1, 4, 0, 2 };

static void client(long number)
{
    int n = (int) number, reply = -1;

    check("Send", Send(getppid(), &n, &reply, sizeof(n), sizeof(reply)), 0);
    check("the reply is this client's own", reply, 100 + n);
}

/* A server that has our sibling's client. */
static void stranger(long pid)
{
    check_fails("Reply to another server's client", Reply((pid_t) pid, 0, 0), ESRCH);
    check_fails("Readmsg of another server's client", (int) Readmsg((pid_t) pid, 0, 0, 0), ESRCH);
    check_fails("Writemsg to another server's client", (int) Writemsg((pid_t) pid, 0, 0, 0), ESRCH);
}

main()
{
    pid_t clients[CLIENTS], from;
    int i, j, n, reply;

    check_fails("Reply to a client that has not sent", Reply(getppid(), 0, 0), ESRCH);
    check_fails("Reply to oneself", Reply(getpid(), 0, 0), ESRCH);
    for (i = 0; i < CLIENTS; ++i) {
        clients[i] = start(client, (long) i);
        until_on(clients[i], STATE_SEND_BLOCKED, getpid());
    }
    check_fails("Reply to a client that is SEND-blocked", Reply(clients[0], 0, 0), ESRCH);
    for (i = 0; i < CLIENTS; ++i) {
        from = Receive(0, &n, sizeof(n));
        check("all are received, one after the other", from, clients[i]);
        check("each with its number", n, i);
    }
    for (i = 0; i < CLIENTS; ++i)
        until_on(clients[i], STATE_REPLY_BLOCKED, getpid());
    good_end(start(stranger, (long) clients[0]));

    for (i = 0; i < CLIENTS; ++i) {
        reply = 100 + order[i];
        check("Reply, in another order", Reply(clients[order[i]], &reply, sizeof(reply)), 0);
        good_end(clients[order[i]]);
        check_fails("a second Reply", Reply(clients[order[i]], &reply, sizeof(reply)), ESRCH);
        for (j = i + 1; j < CLIENTS; ++j)
            until_on(clients[order[j]], STATE_REPLY_BLOCKED, getpid());
    }
    check_fails("nothing is left", Creceive(0, 0, 0), ENOMSG);
    return finish();
}
