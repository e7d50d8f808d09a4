/*
 * eintr.c - a signal's handler ends a blocked call with EINTR: by alarm(), by kill(); whatever signal() and SA_RESTART
 * have to say; SEND-, RECEIVE- and REPLY-blocked. And what the other side sees of it.
 */
#include <sys/time.h>
#include "../old.h"

enum { BY_SIGNAL, BY_SIGACTION, BY_SIGACTION_RESTART, BY_SIGINFO, WAYS };

char *ways[WAYS] = { "signal()", "sigaction()", "sigaction() with SA_RESTART", "sigaction() with SA_SIGINFO" };
int handled, from_whom;

static void handler(signo)
int signo;
{
    ++handled;
}

static void handler3(int signo, siginfo_t *info, void *context)
{
    ++handled;
    from_whom = info->si_pid;
}

static void install(int signo, int way)
{
    struct sigaction action;

    handled = 0;
    if (way == BY_SIGNAL) {
        signal(signo, handler);
        return;
    }
    memset(&action, 0, sizeof(action));
    sigemptyset(&action.sa_mask);
    if (way == BY_SIGINFO) {
        action.sa_sigaction = handler3;
        action.sa_flags = SA_SIGINFO;
    }
    else {
        action.sa_handler = handler;
        action.sa_flags = way == BY_SIGACTION_RESTART ? SA_RESTART : 0;
    }
    sigaction(signo, &action, 0);
}

/* Signals its parent when that is in the state. */
int state;

static void kicker(long on)
{
    until_on(getppid(), state, (pid_t) on);
    kill(getppid(), SIGUSR1);
}

static pid_t kick(int in_state, pid_t on)
{
    state = in_state;
    return start(kicker, (long) on);
}

static void receive_blocked(int way)
{
    char what[100];
    pid_t child;

    install(SIGUSR1, way);
    child = kick(STATE_RECEIVE_BLOCKED, 0);
    sprintf(what, "Receive, %s", ways[way]);
    check_fails(what, Receive(0, 0, 0), EINTR);
    check("the handler has run once", handled, 1);
    if (way == BY_SIGINFO)
        check("si_pid", from_whom, child);
    good_end(child);

    child = kick(STATE_RECEIVE_BLOCKED, getppid());
    check_fails("Receive from one", Receive(getppid(), 0, 0), EINTR);
    check("the handler has run again", handled, 2);
    good_end(child);
}

/* Receives when the gate opens: then nothing must be there. */
int gate[2];

static void deaf(long unused)
{
    char c;

    close(gate[1]);
    read(gate[0], &c, 1);
    check_fails("the interrupted message was never sent", Creceive(0, 0, 0), ENOMSG);
    check("the next one", Receive(0, &c, 1), getppid());
    check("is", c, '2');
    check("Reply", Reply(getppid(), 0, 0), 0);
}

static void send_blocked(int way)
{
    char what[100];
    pid_t server, child;

    install(SIGUSR1, way);
    pipe(gate);
    server = start(deaf, 0);
    close(gate[0]);
    child = kick(STATE_SEND_BLOCKED, server);
    sprintf(what, "Send, SEND-blocked, %s", ways[way]);
    check_fails(what, Send(server, "1", 0, 1, 0), EINTR);
    check("the handler has run once", handled, 1);
    good_end(child);
    close(gate[1]);
    until(server, STATE_RECEIVE_BLOCKED);
    check("Send", Send(server, "2", 0, 1, 0), 0);
    good_end(server);
}

/* Replies when its client is not there any more; it may come again. */
static void slow(long unused)
{
    char c;
    pid_t parent = getppid();

    check("Receive", Receive(0, &c, 1), parent);
    close(gate[1]);
    read(gate[0], &c, 1);
    check_fails("Reply to whom was interrupted", Reply(parent, "x", 1), ESRCH);
    check_fails("Readmsg of whom was interrupted", (int) Readmsg(parent, 0, &c, 1), ESRCH);
    check_fails("Writemsg to whom was interrupted", (int) Writemsg(parent, 0, &c, 1), ESRCH);
    check("the next one", Receive(0, &c, 1), parent);
    check("is", c, '2');
    check("Reply", Reply(parent, "y", 1), 0);
}

static void reply_blocked(int way)
{
    char what[100], reply = '.';
    pid_t server, child;

    install(SIGUSR1, way);
    pipe(gate);
    server = start(slow, 0);
    close(gate[0]);
    child = kick(STATE_REPLY_BLOCKED, server);
    sprintf(what, "Send, REPLY-blocked, %s", ways[way]);
    check_fails(what, Send(server, "1", &reply, 1, 1), EINTR);
    check("the handler has run once", handled, 1);
    check("no reply has come", reply, '.');
    good_end(child);
    close(gate[1]);
    check("Send", Send(server, "2", &reply, 1, 1), 0);
    check("no reply to the first came to the second", reply, 'y');
    good_end(server);
}

/* Receives everything, and answers nothing. */
static void silent(long unused)
{
    for (;;)
        Receive(0, 0, 0);
}

/* alarm(), as the books have it. Three at a time, each in a process of its own: it takes a second. */
static void alarmed(long how)
{
    pid_t server = -1;
    int result;

    install(SIGALRM, BY_SIGNAL);
    if (how) {
        server = start(silent, 0);
        if (how == 1) {
            until(server, STATE_RECEIVE_BLOCKED);
            kill(server, SIGSTOP);
            until(server, STATE_HELD);
        }
    }
    alarm(1);
    result = how ? Send(server, 0, 0, 0, 0) : Receive(0, 0, 0);
    check_fails(how == 0 ? "Receive, alarm(1)" : how == 1 ? "Send to a stopped server, alarm(1)"
        : "Send to one that does not reply, alarm(1)", result, EINTR);
    check("the handler has run once", handled, 1);
    if (how) {
        kill(server, SIGKILL);
        ended(server);
    }
}

/* Signals that are ignored, blocked, or at their default of being ignored end nothing. */
static void teaser(long unused)
{
    pid_t parent = getppid();

    until_on(parent, STATE_RECEIVE_BLOCKED, getpid());
    kill(parent, SIGUSR1);
    kill(parent, SIGUSR2);
    kill(parent, SIGWINCH);
    until_on(parent, STATE_RECEIVE_BLOCKED, getpid());
    check("Send to whom slept through it", Send(parent, 0, 0, 0, 0), 0);
}

static void unimpressed()
{
    sigset_t usr2, was;
    pid_t child;

    signal(SIGUSR1, SIG_IGN);
    install(SIGUSR2, BY_SIGNAL);
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    sigprocmask(SIG_BLOCK, &usr2, &was);
    child = start(teaser, 0);
    check("Receive while ignored and blocked signals come", Receive(child, 0, 0), child);
    check("no handler has run", handled, 0);
    Reply(child, 0, 0);
    good_end(child);
    sigprocmask(SIG_SETMASK, &was, 0);
    check("the blocked one comes when it may", handled, 1);
}

/* At random moments: the call has been entered, or is about to block, or is blocked. None may be lost. */
static void at_any_moment()
{
    struct itimerval once;
    pid_t server = start(silent, 0);
    int i, interrupted = 0, result;

    install(SIGALRM, BY_SIGNAL);
    memset(&once, 0, sizeof(once));
    once.it_interval.tv_usec = 20000;   /* once more, for those that came before the call */
    srand(1);
    for (i = 0; i < 400; ++i) {
        once.it_value.tv_usec = 1 + rand() % 400;
        setitimer(ITIMER_REAL, &once, 0);
        result = i % 2 ? Receive(server, 0, 0) : Send(server, 0, 0, 0, 0);
        interrupted += result == -1 && errno == EINTR;
    }
    memset(&once, 0, sizeof(once));
    setitimer(ITIMER_REAL, &once, 0);
    check("interrupted at any moment, of 400", interrupted, 400);
    check("each by a handler", handled >= 400, 1);
    kill(server, SIGKILL);
    ended(server);
}

main()
{
    pid_t children[3];
    int way;

    for (way = 0; way < 3; ++way)
        children[way] = start(alarmed, (long) way);
    for (way = 0; way < WAYS; ++way) {
        receive_blocked(way);
        send_blocked(way);
        reply_blocked(way);
    }
    unimpressed();
    at_any_moment();
    for (way = 0; way < 3; ++way)
        good_end(children[way]);
    return finish();
}
