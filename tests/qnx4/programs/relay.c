/*
 * relay.c - Relay: a server hands a client on to another process, which receives its message as if it had been sent
 * to it, and must reply. Chains of it, and the deaths of all who take part.
 */
#include "../old.h"

#define BIG 3145728

char big[BIG], copy[BIG];

static void client(long n)
{
    char reply[40];

    memset(big, 'c', (unsigned) n);
    memset(reply, '.', sizeof(reply));
    check("the client's Send", Send(getppid(), big, reply, (unsigned) n, sizeof(reply)), 0);
    check("its reply comes from the worker", strcmp(reply, "worker"), 0);
}

static void doomed_client(long unused)
{
    check_fails("the Send of a client whose worker ends", Send(getppid(), "c", copy, 1, 1), ESRCH);
}

/* Replies to one message. */
static void worker(long n)
{
    unsigned i, wrong = 0;
    pid_t from;

    memset(copy, 0, BIG);
    from = Receive(0, copy, (unsigned) n);
    for (i = 0; i < (unsigned) n; ++i)
        wrong += copy[i] != 'c';
    check("the worker receives the message from its first byte", wrong, 0);
    check("the sender is the client, not the server", from != getppid() && from > 0, 1);
    check("Readmsg by the worker", Readmsg(from, 0, copy, BIG), n);
    check("Writemsg by the worker", Writemsg(from, 0, "XXXXX", 5), 5);
    check("Reply by the worker", Reply(from, "worker", 7), 0);
}

/* Is handed its own parent. */
static void plain_worker(long unused)
{
    check("the worker receives from its parent", Receive(0, copy, 1), getppid());
    check("and replies", Reply(getppid(), "worker", 7), 0);
}

/* Hands the message that it gets on to the next in the chain. */
static void link_of(long next)
{
    pid_t from = Receive(0, 0, 0);

    check("Relay to the next", Relay(from, (pid_t) next), 0);
    check_fails("it is not ours any more", Reply(from, 0, 0), ESRCH);
}

/* End when they have received a message, or when that client waits for them to. */
static void quits_after(long unused)
{
    Receive(0, 0, 0);
}

static void quits_before(long pid)
{
    until_on((pid_t) pid, STATE_SEND_BLOCKED, getpid());
}

/* Waits for one client only. */
static void choosy(long pid)
{
    check("Receive from that client", Receive((pid_t) pid, copy, 1), pid);
    check("Reply to that client", Reply((pid_t) pid, "worker", 7), 0);
}

static void plain(unsigned n)
{
    pid_t child, other;

    other = start(worker, (long) n);
    child = start(client, (long) n);
    check("Receive of a part", Receive(0, copy, 1), child);
    until(other, STATE_RECEIVE_BLOCKED);
    check("Relay returns 0", Relay(child, other), 0);
    check_fails("Reply after Relay", Reply(child, "server", 7), ESRCH);
    check_fails("Readmsg after Relay", (int) Readmsg(child, 0, copy, 1), ESRCH);
    check_fails("Writemsg after Relay", (int) Writemsg(child, 0, copy, 1), ESRCH);
    check_fails("Relay after Relay", Relay(child, other), ESRCH);
    good_end(child);
    good_end(other);
}

main()
{
    pid_t child, other, third, dead;
    int i;

    plain(1);
    plain(1000);
    plain(BIG);

    /* The target is busy, or never receives: Relay does not block, and the client is blocked on the target. */
    other = start(worker, 1L);
    until(other, STATE_RECEIVE_BLOCKED);
    kill(other, SIGSTOP);
    until(other, STATE_HELD);
    child = start(client, 1L);
    check("Receive", Receive(0, 0, 0), child);
    until_on(child, STATE_REPLY_BLOCKED, getpid());
    check("Relay to a stopped process", Relay(child, other), 0);
    until_on(child, STATE_SEND_BLOCKED, other);
    kill(other, SIGCONT);
    good_end(child);
    good_end(other);

    /* Four in a chain. */
    other = start(worker, 1L);
    for (i = 0; i < 3; ++i)
        other = start(link_of, (long) other);
    child = start(client, 1L);
    check("Receive", Receive(0, 0, 0), child);
    check("Relay into the chain", Relay(child, other), 0);
    good_end(child);
    for (i = 0; i < 4; ++i)
        good_end(-1);

    /* To whom waits for this client only. */
    child = start(client, 1L);
    other = start(choosy, (long) child);
    check("Receive", Receive(0, 0, 0), child);
    until_on(other, STATE_RECEIVE_BLOCKED, child);
    check("Relay to whom waits for it", Relay(child, other), 0);
    good_end(child);
    good_end(other);

    /* To nobody: the client stays ours. */
    dead = nobody();
    child = start(client, 1L);
    until_on(child, STATE_SEND_BLOCKED, getpid());
    other = start(worker, 1L);
    check_fails("Relay of whom we have not received", Relay(child, other), ESRCH);
    check_fails("Relay of whom never sends", Relay(getppid(), other), ESRCH);
    check_fails("Relay of nobody", Relay(dead, other), ESRCH);
    check("Receive", Receive(0, 0, 0), child);
    check_fails("Relay to nobody", Relay(child, dead), ESRCH);
    until_on(child, STATE_REPLY_BLOCKED, getpid());
    check("Readmsg still", Readmsg(child, 0, copy, 1), 1);
    check("Relay to the worker still", Relay(child, other), 0);
    good_end(child);
    good_end(other);

    /* The worker ends when it has received. */
    other = start(quits_after, 0);
    child = start(doomed_client, 0);
    check("Receive", Receive(0, 0, 0), child);
    check("Relay", Relay(child, other), 0);
    good_end(child);
    good_end(other);

    /* The worker ends without having received. */
    child = start(doomed_client, 0);
    other = start(quits_before, (long) child);
    check("Receive", Receive(0, 0, 0), child);
    check("Relay", Relay(child, other), 0);
    good_end(child);
    good_end(other);

    /* The client is killed: its message vanishes from the worker's queue. */
    other = start(worker, 1L);
    until(other, STATE_RECEIVE_BLOCKED);
    kill(other, SIGSTOP);
    until(other, STATE_HELD);
    child = start(client, 1L);
    check("Receive", Receive(0, 0, 0), child);
    check("Relay", Relay(child, other), 0);
    kill(child, SIGKILL);
    check("the client is dead", ended(child), -SIGKILL);
    third = start(client, 1L);
    check("Receive", Receive(0, 0, 0), third);
    check("Relay of another", Relay(third, other), 0);
    kill(other, SIGCONT);
    good_end(third);
    good_end(other);

    /* The server that relayed ends: that is no business of client and worker. Here the server is a child. */
    other = start(plain_worker, 0);
    third = start(link_of, (long) other);
    memset(copy, '.', 40);
    check("Send that is relayed by whom ends", Send(third, "c", copy, 1, 40), 0);
    check("the reply", strcmp(copy, "worker"), 0);
    good_end(third);
    good_end(other);
    return finish();
}
