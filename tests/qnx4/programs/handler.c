/*
 * handler.c - what old programs did in signal handlers: Send to a log server, look for messages, reply to a client,
 * bury children; one handler interrupted by another. The call that was interrupted ends with EINTR all the same.
 */
#include "../old.h"

pid_t logger, held;
int signals, nested, buried, deepest;

/* Counts what it is told, until it is told 0. */
static void log_server(long unused)
{
    int n, sum = 0;
    pid_t from;

    do {
        from = Receive(0, &n, sizeof(n));
        sum += n;
        Reply(from, &sum, sizeof(sum));
    } while (n != 0);
}

static void tell_logger(signo)
int signo;
{
    int one = 1, sum = -1;

    ++signals;
    if (Send(logger, &one, &sum, sizeof(one), sizeof(sum)) != 0 || sum != signals)
        check("Send by a handler", sum, signals);
}

static void answer_held(signo)
int signo;
{
    char c;

    ++signals;
    check("Reply by a handler", Reply(held, "r", 1), 0);
    check_fails("Creceive by a handler", Creceive(0, &c, 1), ENOMSG);
}

static void first(signo)
int signo;
{
    ++nested;
    raise(SIGUSR2);
    if (nested > deepest)
        deepest = nested;
    --nested;
}

static void second(signo)
int signo;
{
    ++nested;
    if (nested > deepest)
        deepest = nested;
    --nested;
}

static void bury(signo)
int signo;
{
    int status;

    while (waitpid(-1, &status, WNOHANG) > 0)
        ++buried;
}

static void kicker(long on)
{
    until_on(getppid(), on ? STATE_REPLY_BLOCKED : STATE_RECEIVE_BLOCKED, (pid_t) on);
    kill(getppid(), SIGUSR1);
}

static void client(long unused)
{
    char c = '.';

    check("Send that a handler answers", Send(getppid(), "s", &c, 1, 1), 0);
    check("its reply", c, 'r');
}

static void silent(long unused)
{
    for (;;)
        Receive(0, 0, 0);
}

static void brief(long unused)
{
    until_on(getppid(), STATE_RECEIVE_BLOCKED, 0);
}

static void sends_from_a_handler()
{
    pid_t server, child;
    int i, none = 0;

    logger = start(log_server, 0);
    server = start(silent, 0);
    signal(SIGUSR1, tell_logger);
    for (i = 0; i < 3; ++i) {
        child = start(kicker, 0);
        check_fails("Receive, interrupted by a handler that Sends", Receive(0, 0, 0), EINTR);
        good_end(child);
        child = start(kicker, (long) server);
        check_fails("Send, interrupted by a handler that Sends", Send(server, 0, 0, 0, 0), EINTR);
        good_end(child);
    }
    check("the handler has run each time", signals, 6);
    check("Send to the log server", Send(logger, &none, &none, sizeof(none), sizeof(none)), 0);
    check("which was told each time", none, 6);
    good_end(logger);
    kill(server, SIGKILL);
    ended(server);
}

static void replies_in_a_handler()
{
    pid_t child;

    signals = 0;
    signal(SIGUSR1, answer_held);
    held = start(client, 0);
    check("Receive", Receive(0, 0, 0), held);
    child = start(kicker, 0);
    check_fails("Receive, interrupted by a handler that Replies", Receive(0, 0, 0), EINTR);
    check("the handler has run", signals, 1);
    good_end(held);
    good_end(child);
}

static void handlers_in_handlers()
{
    struct sigaction action, was;
    pid_t child;

    signal(SIGUSR1, first);
    signal(SIGUSR2, second);
    child = start(kicker, 0);
    check_fails("Receive, interrupted by two handlers", Receive(0, 0, 0), EINTR);
    check("one in the other", deepest, 2);
    good_end(child);

    memset(&action, 0, sizeof(action));
    action.sa_handler = second;
    action.sa_flags = SA_RESETHAND;
    sigaction(SIGUSR1, &action, 0);
    child = start(kicker, 0);
    check_fails("Receive, interrupted by a handler that runs once only", Receive(0, 0, 0), EINTR);
    good_end(child);
    sigaction(SIGUSR1, 0, &was);
    check("then it is the default's turn", was.sa_handler == SIG_DFL, 1);

    action.sa_handler = first;
    action.sa_flags = 0;
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &action, 0);
    deepest = 0;
    child = start(kicker, 0);
    check_fails("Receive, interrupted by a handler that masks another", Receive(0, 0, 0), EINTR);
    check("one after the other", deepest, 1);
    good_end(child);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

/* A server that starts programs: SIGCHLD interrupts its Receive. */
static void children_come_and_go()
{
    int i;

    signal(SIGCHLD, bury);
    for (i = 0; i < 5; ++i) {
        start(brief, 0);
        check_fails("Receive, interrupted by SIGCHLD", Receive(0, 0, 0), EINTR);
        check("the handler has buried the child", buried, i + 1);
    }
    signal(SIGCHLD, SIG_DFL);
}

main()
{
    sends_from_a_handler();
    replies_in_a_handler();
    handlers_in_handlers();
    children_come_and_go();
    return finish();
}
