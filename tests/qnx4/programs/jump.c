/*
 * jump.c - a handler that does not return: the time-out by setjmp() and longjmp(), out of Receive and out of Send.
 * Messages work as before when that is over; and the server's late Reply lands nowhere.
 */
#include <setjmp.h>
#include "../old.h"

sigjmp_buf out;
int jumps;

static void handler(signo)
int signo;
{
    ++jumps;
    siglongjmp(out, 1);
}

static void kicker(long on)
{
    int want = on ? STATE_REPLY_BLOCKED : STATE_RECEIVE_BLOCKED;

    until_on(getppid(), want, (pid_t) on);
    kill(getppid(), SIGUSR1);
}

/* Holds n messages, whose senders jump away, and answers the one that comes then. */
static void holder(long n)
{
    char c;
    pid_t parent = getppid();

    while (n-- > 0) {
        check("Receive by the server that does not reply", Receive(0, &c, 1), parent);
        check("the message", c, 'w');
    }
    check("Receive", Receive(0, &c, 1), parent);
    check("the last message", c, 'x');
    check("Reply", Reply(parent, "y", 1), 0);
    check_fails("none of the others awaits one", Reply(parent, "z", 1), ESRCH);
}

main()
{
    static pid_t child, server;
    static int i;
    static char reply;

    signal(SIGUSR1, handler);
    for (i = 0; i < 5; ++i) {
        child = start(kicker, 0);
        if (sigsetjmp(out, 1) == 0) {
            Receive(0, 0, 0);
            check("Receive does not return", 0, 1);
        }
        good_end(child);
    }
    check("jumps out of Receive", jumps, 5);

    server = start(holder, 5L);
    for (i = 0; i < 5; ++i) {
        child = start(kicker, (long) server);
        if (sigsetjmp(out, 1) == 0) {
            reply = '.';
            Send(server, "w", &reply, 1, 1);
            check("Send does not return", 0, 1);
        }
        good_end(child);
    }
    check("jumps out of Send", jumps, 10);
    check("no reply has come", reply, '.');
    check("Send after all that", Send(server, "x", &reply, 1, 1), 0);
    check("its reply", reply, 'y');
    good_end(server);
    check_fails("Creceive after all that", Creceive(0, 0, 0), ENOMSG);
    return finish();
}
