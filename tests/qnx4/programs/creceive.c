/* creceive.c - Creceive never blocks: ENOMSG where nothing waits. The loop of a program that does other work, too. */
#include "../old.h"

static void client(long number)
{
    int n = (int) number;

    check("Send", Send(getppid(), &n, &n, sizeof(n), sizeof(n)), 0);
    check("the reply", n, (int) number + 1);
}

static void silent(long unused)
{
    Receive(getppid(), 0, 0);
}

main()
{
    pid_t one, two, quiet;
    int n, polls;
    pid_t from;

    check_fails("Creceive with nobody there", Creceive(0, &n, sizeof(n)), ENOMSG);
    check_fails("with a null pointer", Creceive(0, 0, 0), ENOMSG);
    check_fails("from a process that does not exist", Creceive(nobody(), 0, 0), ESRCH);
    quiet = start(silent, 0);
    until(quiet, STATE_RECEIVE_BLOCKED);
    check_fails("from a child that does not send", Creceive(quiet, 0, 0), ENOMSG);

    one = start(client, 1L);
    until_on(one, STATE_SEND_BLOCKED, getpid());
    check_fails("from a child that does not send, while another does", Creceive(quiet, 0, 0), ENOMSG);
    two = start(client, 2L);
    until_on(two, STATE_SEND_BLOCKED, getpid());
    check("from the second", Creceive(two, &n, sizeof(n)), two);
    check("its number", n, 2);
    ++n;
    check("Reply", Reply(two, &n, sizeof(n)), 0);
    good_end(two);
    check("from anybody, truncated to nothing", Creceive(0, 0, 0), one);
    check("Readmsg", Readmsg(one, 0, &n, sizeof(n)), sizeof(n));
    check("its number", n, 1);
    check_fails("the first is not received twice", Creceive(0, 0, 0), ENOMSG);
    ++n;
    check("Reply", Reply(one, &n, sizeof(n)), 0);
    good_end(one);
    check("Send to the quiet one", Send(quiet, 0, 0, 0, 0), -1);
    check("which ended without a reply", errno, ESRCH);
    ended(quiet);

    /* Polling, with a nap between the looks. */
    one = start(client, 3L);
    for (polls = 0; (from = Creceive(0, &n, sizeof(n))) == -1 && errno == ENOMSG && polls < PATIENCE; ++polls)
        usleep(1000);
    check("polled until it came", from, one);
    ++n;
    check("Reply", Reply(one, &n, sizeof(n)), 0);
    good_end(one);
    return finish();
}
