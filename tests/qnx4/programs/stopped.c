/*
 * stopped.c - a client that is stopped (SIGSTOP) while it is blocked: the server works on as if it ran; the client
 * finds its reply when it is continued. A stopped server keeps its clients waiting, no more.
 */
#include "../old.h"

#define BIG 3145728

char big[BIG], copy[BIG];

static void fill(char *buf, unsigned n, unsigned seed)
{
    unsigned i;

    for (i = 0; i < n; ++i)
        buf[i] = (char) (i * 11 + (i >> 8) + seed);
}

static void client(long n)
{
    fill(big, (unsigned) n, 1);
    check("the client's Send", Send(getppid(), big, copy, (unsigned) n, (unsigned) n), 0);
    fill(big, (unsigned) n, 2);
    check_bytes("the client's reply", copy, big, (unsigned) n);
}

static void stop(pid_t pid)
{
    kill(pid, SIGSTOP);
    until(pid, STATE_HELD);
}

static void go_on(pid_t pid)
{
    kill(pid, SIGCONT);
}

static void hear(pid_t child, unsigned n)
{
    memset(copy, 0, n);
    check("Receive from it", Receive(0, copy, n), child);
    fill(big, n, 1);
    check_bytes("its message", copy, big, n);
}

static void answer(pid_t child, unsigned n)
{
    fill(big, n, 2);
    check("Reply to it", Reply(child, big, n), 0);
}

/* Stopped when it has sent, and continued in the end. */
static void stopped_client(unsigned n)
{
    pid_t child = start(client, (long) n);

    until_on(child, STATE_SEND_BLOCKED, getpid());
    stop(child);
    hear(child, n);
    until(child, STATE_HELD);
    check("Readmsg of the stopped", Readmsg(child, 0, copy, n), n);
    check("Writemsg to the stopped", Writemsg(child, 0, copy, n), n);
    answer(child, n);
    until(child, STATE_HELD);
    go_on(child);
    good_end(child);

    /* Stopped when it was received, continued, and answered then. */
    child = start(client, (long) n);
    hear(child, n);
    stop(child);
    go_on(child);
    until_on(child, STATE_REPLY_BLOCKED, getpid());
    answer(child, n);
    good_end(child);

    /* Stopped and continued before it is received. */
    child = start(client, (long) n);
    until_on(child, STATE_SEND_BLOCKED, getpid());
    stop(child);
    go_on(child);
    until_on(child, STATE_SEND_BLOCKED, getpid());
    hear(child, n);
    answer(child, n);
    good_end(child);

    /* Killed while it is stopped. */
    child = start(client, (long) n);
    hear(child, n);
    stop(child);
    kill(child, SIGKILL);
    check("SIGKILL ends the stopped", ended(child), -SIGKILL);
    check_fails("Reply to it", Reply(child, copy, n), ESRCH);
}

static void server(long unused)
{
    pid_t from = Receive(0, copy, BIG);

    fill(big, BIG, 2);
    Reply(from, big, BIG);
}

/* Stops its brother, the server; lets it go on when the parent has sent. */
static void warden(long brother)
{
    stop((pid_t) brother);
    until_on(getppid(), STATE_SEND_BLOCKED, (pid_t) brother);
    go_on((pid_t) brother);
}

main()
{
    pid_t child, other;

    check_fails("nothing is there at the beginning", Creceive(0, 0, 0), ENOMSG);
    stopped_client(0);
    stopped_client(100);
    stopped_client(BIG);

    /* The server, RECEIVE-blocked. */
    child = start(server, 0);
    until(child, STATE_RECEIVE_BLOCKED);
    stop(child);
    go_on(child);
    until(child, STATE_RECEIVE_BLOCKED);
    other = start(warden, (long) child);
    until(child, STATE_HELD);
    fill(big, BIG, 1);
    check("Send to a stopped server that goes on later", Send(child, big, copy, BIG, BIG), 0);
    fill(big, BIG, 2);
    check_bytes("its reply", copy, big, BIG);
    good_end(other);
    good_end(child);
    return finish();
}
