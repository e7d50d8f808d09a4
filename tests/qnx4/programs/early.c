/*
 * early.c - clients that Send to a process before it has made any call that has to do with messages. All the same the
 * messages wait there, in the order in which they came; and a client may be stopped, or killed, or interrupted.
 *
 * Each part is a server of its own, which begins with Receive.
 */
#include "../old.h"

#define CLIENTS 6

pid_t clients[CLIENTS];
int gate[2];

static void handler(signo)
int signo;
{
}

static void client(long server)
{
    int reply = -1;

    check("the client's Send", Send((pid_t) server, 0, &reply, 0, sizeof(reply)), 0);
    check("the client's reply", reply, getpid());
}

static void interrupted(long server)
{
    signal(SIGUSR1, handler);
    check_fails("the interrupted client's Send", Send((pid_t) server, 0, 0, 0, 0), EINTR);
}

/* Who sent is told by the parent, and in which order, when the gate opens. */
static void server(long unused)
{
    pid_t order[CLIENTS], from;
    int i, n;

    signal(SIGALRM, handler);
    close(gate[1]);
    n = read(gate[0], order, sizeof(order)) / sizeof(pid_t);
    for (i = 0; i < n; ++i) {
        alarm(5);               /* a message that never comes is one that is missing */
        from = Receive(0, 0, 0);
        check("by arrival", from, order[i]);
        Reply(from, &from, sizeof(from));
    }
    alarm(0);
    check_fails("then there is none", Creceive(0, 0, 0), ENOMSG);
}

static pid_t begin(int n)
{
    pid_t pid;
    int i;

    pipe(gate);
    pid = start(server, 0);
    close(gate[0]);
    for (i = 0; i < n; ++i) {
        clients[i] = start(client, (long) pid);
        until_on(clients[i], STATE_SEND_BLOCKED, pid);
    }
    return pid;
}

static void let_it_receive(int n)
{
    write(gate[1], clients, n * sizeof(pid_t));
    close(gate[1]);
}

main()
{
    pid_t pid, lost;
    int i;

    pid = begin(CLIENTS);
    let_it_receive(CLIENTS);
    for (i = 0; i < CLIENTS; ++i)
        good_end(clients[i]);
    good_end(pid);

    /* The second is stopped, and is received in its turn; it sees its reply when it is continued. */
    pid = begin(3);
    kill(clients[1], SIGSTOP);
    until(clients[1], STATE_HELD);
    let_it_receive(3);
    good_end(clients[0]);
    good_end(clients[2]);
    good_end(pid);
    kill(clients[1], SIGCONT);
    good_end(clients[1]);

    /* The last one is killed, and another is interrupted: their messages are not there any more. */
    pid = begin(3);
    lost = start(interrupted, (long) pid);
    until_on(lost, STATE_SEND_BLOCKED, pid);
    kill(lost, SIGUSR1);
    good_end(lost);
    kill(clients[2], SIGKILL);
    check("the killed one", ended(clients[2]), -SIGKILL);
    let_it_receive(2);
    good_end(clients[0]);
    good_end(clients[1]);
    good_end(pid);
    return finish();
}
