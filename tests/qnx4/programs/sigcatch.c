/*
 * sigcatch.c - _PPF_SIGCATCH: a client that is REPLY-blocked and gets a signal becomes SIGNAL-blocked, the server is
 * told by a system message, and either finishes the work or gives it up.
 */
#include <sys/sys_msg.h>
#include "../old.h"

union message {
    struct _sysmsg_hdr hdr;
    struct {
        struct _sysmsg_hdr hdr;
        struct _sysmsg_signal body;
    } signal;
    struct {
        msg_t type;
        short value;
    } user;
};

int handled, handled_before;

static void handler(signo)
int signo;
{
    ++handled;
}

/* Sends; the reply's status is what the server wants it to be. The handler has run once, if the signal came. */
static void client(long flags)
{
    struct { msg_t status; short value; } reply;
    struct sigaction action;
    union message msg;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = (int) flags;
    sigaction(SIGUSR1, &action, 0);
    msg.user.type = 100;
    msg.user.value = 7;
    check("Send to a server that catches signals", Send(getppid(), &msg, &reply, sizeof(msg.user), sizeof(reply)), 0);
    check("the handler has run, once", handled, 1);
    check("the reply's status", reply.status == EOK || reply.status == EINTR, 1);
    check("the reply's value", reply.value, reply.status == EOK ? 8 : 0);
    check("one more Send, without a signal", Send(getppid(), &msg, &reply, sizeof(msg.user), sizeof(reply)), 0);
    check("the handler has not run again", handled, 1);
}

static void plain_client(long unused)
{
    signal(SIGUSR1, handler);
    check_fails("Send to a server that does not", Send(getppid(), 0, 0, 0, 0), EINTR);
    check("the handler has run", handled, 1);
}

/* SEND-blocked: nobody has its message yet, so the flag does not matter. */
static void early_client(long unused)
{
    signal(SIGUSR1, handler);
    check_fails("Send that was not received", Send(getppid(), 0, 0, 0, 0), EINTR);
    check("the handler has run", handled, 1);
}

static void orphan(long unused)
{
    pid_t server;

    signal(SIGUSR1, handler);
    Receive(getppid(), &server, sizeof(server));
    Reply(getppid(), 0, 0);
    check_fails("Send to a server that ends instead", Send(server, 0, 0, 0, 0), ESRCH);
    check("the handler has run", handled, 1);
}

/* A server that catches signals and ends when it is told of one. */
static void quitter(long unused)
{
    union message msg;
    pid_t from, again;

    qnx_pflags(~0, _PPF_SIGCATCH, 0, 0);
    from = Receive(0, 0, 0);
    again = Receive(from, &msg, sizeof(msg));
    check("the signal message comes from the client", again, from);
    check("its type", msg.hdr.type, _SYSMSG);
}

static void take(pid_t child)
{
    union message msg;

    check("the client's message", Receive(0, &msg, sizeof(msg)), child);
    check("its type", msg.user.type, 100);
    check("its value", msg.user.value, 7);
}

static void told(pid_t child)
{
    union message msg;

    kill(child, SIGUSR1);
    memset(&msg, 0x55, sizeof(msg));
    check("the signal message", Receive(0, &msg, sizeof(msg)), child);
    check("its type", msg.hdr.type, _SYSMSG);
    check("its subtype", msg.hdr.subtype, _SYSMSG_SUBTYPE_SIGNAL);
    check("the signal's bit", msg.signal.body.bits, 1L << (SIGUSR1 - 1));
    until_on(child, STATE_SIGNAL_BLOCKED, getpid());
}

static void answer(pid_t child, int status)
{
    struct { msg_t status; short value; } reply;

    reply.status = (msg_t) status;
    reply.value = status == EOK ? 8 : 0;
    check("Reply", Reply(child, &reply, sizeof(reply)), 0);
}

static void both_endings(int flags)
{
    static int endings[] = { EOK, EINTR };
    pid_t child;
    int i;

    for (i = 0; i < 2; ++i) {
        child = start(client, (long) flags);
        take(child);
        told(child);
        check("its message can be read still", Readmsg(child, 0, 0, 0), 0);
        answer(child, endings[i]);
        take(child);
        until_on(child, STATE_REPLY_BLOCKED, getpid());
        check_fails("no second signal message", Creceive(0, 0, 0), ENOMSG);
        answer(child, EOK);
        good_end(child);
    }
}

main()
{
    pid_t child, server, killed;

    check("a signal message has 8 bytes", sizeof(((union message *) 0)->signal), 8);
    check("qnx_pflags", qnx_pflags(~0, _PPF_SIGCATCH, 0, 0), 0);
    both_endings(0);
    both_endings(SA_RESTART);

    /* SIGKILL ends the REPLY-blocked, and the SIGNAL-blocked, all the same. */
    child = start(client, 0);
    take(child);
    kill(child, SIGKILL);
    check("SIGKILL while REPLY-blocked", ended(child), -SIGKILL);
    check_fails("Reply", Reply(child, 0, 0), ESRCH);
    child = start(client, 0);
    take(child);
    told(child);
    kill(child, SIGKILL);
    check("SIGKILL while SIGNAL-blocked", ended(child), -SIGKILL);
    check_fails("Reply", Reply(child, 0, 0), ESRCH);

    child = start(early_client, 0);
    until_on(child, STATE_SEND_BLOCKED, getpid());
    kill(child, SIGUSR1);
    good_end(child);
    check_fails("the message was never received", Creceive(0, 0, 0), ENOMSG);

    check("qnx_pflags off", qnx_pflags(0, _PPF_SIGCATCH, 0, 0), 0);
    child = start(plain_client, 0);
    check("Receive", Receive(0, 0, 0), child);
    kill(child, SIGUSR1);
    good_end(child);
    check_fails("Reply to the interrupted", Reply(child, 0, 0), ESRCH);
    check_fails("no signal message", Creceive(0, 0, 0), ENOMSG);

    /* The server ends while its client is SIGNAL-blocked. */
    server = start(quitter, 0);
    killed = start(orphan, 0);
    check("Send of the server's pid", Send(killed, &server, 0, sizeof(server), 0), 0);
    until_on(killed, STATE_REPLY_BLOCKED, server);
    kill(killed, SIGUSR1);
    good_end(killed);
    good_end(server);
    return finish();
}
