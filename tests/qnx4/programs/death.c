/*
 * death.c - a client that dies: SEND-blocked, REPLY-blocked, RECEIVE-blocked; and one that we wait for.
 */
#include "../old.h"

#define BIG 3145728

char big[BIG];

static void sender(long n)
{
    Send(getppid(), big, big, (unsigned) n, (unsigned) n);
    _exit(7);
}

static void receiver(long unused)
{
    Receive(getppid(), 0, 0);
    _exit(7);
}

static void kill_in_its_sleep(pid_t pid)
{
    kill(pid, SIGKILL);
    check("it was killed, and not before", ended(pid), -SIGKILL);
}

/* Kills its brother when the parent waits for a message of his. */
static void murderer(long brother)
{
    until_on(getppid(), STATE_RECEIVE_BLOCKED, (pid_t) brother);
    kill((pid_t) brother, SIGKILL);
}

static void while_send_blocked(unsigned n)
{
    pid_t child = start(sender, (long) n);

    until_on(child, STATE_SEND_BLOCKED, getpid());
    kill_in_its_sleep(child);
    check_fails("its message is gone", Creceive(0, big, BIG), ENOMSG);
    check_fails("nobody of that number sends", Receive(child, big, BIG), ESRCH);
}

static void while_reply_blocked(unsigned n)
{
    pid_t child = start(sender, (long) n);

    check("Receive", Receive(0, 0, 0), child);
    until_on(child, STATE_REPLY_BLOCKED, getpid());
    kill_in_its_sleep(child);
    check_fails("Readmsg of the dead", (int) Readmsg(child, 0, big, n), ESRCH);
    check_fails("Writemsg to the dead", (int) Writemsg(child, 0, big, n), ESRCH);
    check_fails("Relay of the dead", Relay(child, getppid()), ESRCH);
    check_fails("Reply to the dead", Reply(child, big, n), ESRCH);
}

/* Dead, but not buried: its parent has not waited yet. */
static void zombie(unsigned n)
{
    pid_t child = start(sender, (long) n);

    check("Receive", Receive(0, 0, 0), child);
    kill(child, SIGKILL);
    until(child, STATE_DEAD);
    check_fails("Readmsg of the zombie", (int) Readmsg(child, 0, big, n), ESRCH);
    check_fails("Reply to the zombie", Reply(child, big, n), ESRCH);
    ended(child);
}

/* The default action of a signal ends a REPLY-blocked client as SIGKILL does. */
static void terminated()
{
    pid_t child = start(sender, 10L);

    check("Receive", Receive(0, 0, 0), child);
    kill(child, SIGTERM);
    check("SIGTERM's default action", ended(child), -SIGTERM);
    check_fails("Reply to the terminated", Reply(child, big, 10), ESRCH);
}

main()
{
    pid_t child, killer;

    while_send_blocked(0);
    while_send_blocked(100);
    while_send_blocked(BIG);
    while_reply_blocked(0);
    while_reply_blocked(100);
    while_reply_blocked(BIG);
    zombie(100);
    zombie(BIG);
    terminated();

    /* RECEIVE-blocked: on us, and we do not Send. Then we do. */
    child = start(receiver, 0);
    until_on(child, STATE_RECEIVE_BLOCKED, getpid());
    kill_in_its_sleep(child);
    check_fails("Send to the dead", Send(child, big, big, 1, 1), ESRCH);

    /* It dies while we wait for it, and for nobody else. */
    child = start(receiver, 0);
    until_on(child, STATE_RECEIVE_BLOCKED, getpid());
    killer = start(murderer, (long) child);
    check_fails("Receive from whom dies meanwhile", Receive(child, big, BIG), ESRCH);
    good_end(killer);
    ended(child);
    check_fails("nothing is left", Creceive(0, 0, 0), ENOMSG);
    return finish();
}
