/*
 * order.c - in which order messages are received: as they came; from one process only, while others wait; and with
 * _PPF_PRIORITY_REC by the senders' priorities.
 */
#include <sys/sched.h>
#include <sys/proxy.h>
#include "../old.h"

#define CLIENTS 6

static void client(long number)
{
    int n = (int) number;

    check("Send", Send(getppid(), &n, 0, sizeof(n), 0), 0);
}

/* A client of that priority: lower than what one begins with, which everybody may choose. */
static void urgent(long priority)
{
    int n = (int) priority;

    check("setprio", setprio(0, (int) priority) != -1, 1);
    check("Send", Send(getppid(), &n, 0, sizeof(n), 0), 0);
}

static void hear(char *what, pid_t only, pid_t expected)
{
    int n = -1;
    pid_t from = Receive(only, &n, sizeof(n));

    check(what, from, expected);
    Reply(from, 0, 0);
    good_end(from);
}

static void queue(pid_t *clients)
{
    int i;

    for (i = 0; i < CLIENTS; ++i) {
        clients[i] = start(client, (long) i);
        until_on(clients[i], STATE_SEND_BLOCKED, getpid());
    }
}

/* Receives from our parent only, and has its sibling's message waiting meanwhile. */
static void choosy(long unused)
{
    int n = 0;
    pid_t other, parent = getppid();

    check("Receive from the parent while another waits", Receive(parent, &n, sizeof(n)), parent);
    check("the parent's number", n, 1000);
    check("Reply to the parent", Reply(parent, 0, 0), 0);
    other = Receive(0, &n, sizeof(n));
    check("then the other, who is not the parent", other != parent && other > 0, 1);
    check("the other's number", n, 2000);
    check("Reply to the other", Reply(other, 0, 0), 0);
}

static void sends_2000(long pid)
{
    int n = 2000;

    check("Send to a process that receives from another", Send((pid_t) pid, &n, 0, sizeof(n), 0), 0);
}

main()
{
    static int priorities[CLIENTS] = { 6, 3, 9, 6, 3, 9 };
    static int by_priority[CLIENTS] = { 2, 5, 0, 3, 1, 4 };
    pid_t clients[CLIENTS], server, other, proxy;
    int i, n;

    check_fails("nothing is there at the beginning", Creceive(0, 0, 0), ENOMSG);
    queue(clients);
    for (i = 0; i < CLIENTS; ++i)
        hear("by arrival", 0, clients[i]);

    queue(clients);
    hear("from the fourth only", clients[3], clients[3]);
    check("Creceive from the last only", Creceive(clients[5], 0, 0), clients[5]);
    Reply(clients[5], 0, 0);
    good_end(clients[5]);
    hear("the first of the others", 0, clients[0]);
    hear("from the fifth only", clients[4], clients[4]);
    hear("the first of the others", 0, clients[1]);
    hear("the last one left", 0, clients[2]);

    /* It waits for us, and the other's message, which comes earlier, must wait. */
    server = start(choosy, 0);
    until_on(server, STATE_RECEIVE_BLOCKED, getpid());
    other = start(sends_2000, (long) server);
    until_on(other, STATE_SEND_BLOCKED, server);
    until_on(server, STATE_RECEIVE_BLOCKED, getpid());
    n = 1000;
    check("Send to whom waits for us", Send(server, &n, 0, sizeof(n), 0), 0);
    good_end(server);
    good_end(other);

    check("_PPF_PRIORITY_REC on", qnx_pflags(~0, _PPF_PRIORITY_REC, 0, 0), 0);
    for (i = 0; i < CLIENTS; ++i) {
        clients[i] = start(urgent, (long) priorities[i]);
        until_on(clients[i], STATE_SEND_BLOCKED, getpid());
    }
    for (i = 0; i < CLIENTS; ++i)
        hear("by priority, then by arrival", 0, clients[by_priority[i]]);

    /* A proxy has a priority of its own. */
    clients[0] = start(urgent, 6L);
    until_on(clients[0], STATE_SEND_BLOCKED, getpid());
    proxy = qnx_proxy_attach(0, 0, 0, 8);
    check("Trigger of a proxy of priority 8", Trigger(proxy), getpid());
    check("it comes before a client of 6", Receive(0, 0, 0), proxy);
    check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);
    proxy = qnx_proxy_attach(0, 0, 0, 4);
    check("Trigger of a proxy of priority 4", Trigger(proxy), getpid());
    hear("a client of 6 comes before it", 0, clients[0]);
    check("then the proxy", Receive(0, 0, 0), proxy);
    check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);

    check("_PPF_PRIORITY_REC off", qnx_pflags(0, _PPF_PRIORITY_REC, 0, 0), 0);
    for (i = 0; i < CLIENTS; ++i) {
        clients[i] = start(urgent, (long) priorities[i]);
        until_on(clients[i], STATE_SEND_BLOCKED, getpid());
    }
    for (i = 0; i < CLIENTS; ++i)
        hear("by arrival again, whatever the priority", 0, clients[i]);
    return finish();
}
