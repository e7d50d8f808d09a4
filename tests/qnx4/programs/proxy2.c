/*
 * proxy2.c - proxies between processes: attached to another one, triggered from signal handlers, in one queue with
 * messages, gone with their owner.
 */
#include <sys/proxy.h>
#include <sys/time.h>
#include "../old.h"

pid_t bell;

/* Told the id by a message; gets the proxy's data, and detaches it if it shall. */
static void owner(long detach)
{
    char msg[20];
    pid_t proxy, parent = getppid();

    check("Receive of the proxy's id", Receive(parent, &proxy, sizeof(proxy)), parent);
    check("Reply", Reply(parent, 0, 0), 0);
    check("Receive of the proxy that another attached for us", Receive(proxy, msg, sizeof(msg)), proxy);
    check("its data", strcmp(msg, "for you"), 0);
    if (detach) {
        check("qnx_proxy_detach by whom it is attached to", qnx_proxy_detach(proxy), 0);
        check_fails("Trigger after it", Trigger(proxy), ESRCH);
    }
    check("Receive of the last message", Receive(parent, 0, 0), parent);
    check("Reply", Reply(parent, 0, 0), 0);
}

static void for_another(int detach)
{
    pid_t child = start(owner, (long) detach), proxy;

    until(child, STATE_RECEIVE_BLOCKED);
    proxy = qnx_proxy_attach(child, "for you", 8, -1);
    check("qnx_proxy_attach for a child", proxy > 0 && proxy != child, 1);
    check("Send of the id", Send(child, &proxy, 0, sizeof(proxy), 0), 0);
    check("Trigger returns whom it is attached to", Trigger(proxy), child);
    check_fails("we do not receive it", Creceive(0, 0, 0), ENOMSG);
    if (detach) {
        check("the end", Send(child, 0, 0, 0, 0), 0);
        good_end(child);
        check_fails("qnx_proxy_detach after its own", qnx_proxy_detach(proxy), ESRCH);
    }
    else {
        until_on(child, STATE_RECEIVE_BLOCKED, getpid());
        check("qnx_proxy_detach by whom attached it", qnx_proxy_detach(proxy), 0);
        check_fails("Trigger after it", Trigger(proxy), ESRCH);
        check("the end", Send(child, 0, 0, 0, 0), 0);
        good_end(child);
    }
}

/* Its proxy goes with it. */
static void mortal(long unused)
{
    pid_t proxy = qnx_proxy_attach(0, 0, 0, -1);

    Send(getppid(), &proxy, 0, sizeof(proxy), 0);
    Receive(getppid(), 0, 0);
}

static void gone_with_its_owner()
{
    pid_t proxy, child = start(mortal, 0);

    check("Receive", Receive(child, &proxy, sizeof(proxy)), child);
    Reply(child, 0, 0);
    check("Trigger while it lives", Trigger(proxy), child);
    until_on(child, STATE_RECEIVE_BLOCKED, getpid());
    kill(child, SIGKILL);
    ended(child);
    check_fails("Trigger when it is dead", Trigger(proxy), ESRCH);
    check_fails("qnx_proxy_detach when it is dead", qnx_proxy_detach(proxy), ESRCH);
}

/* A proxy for a process that is dead is not there, either. */
static void sleeper(long unused)
{
    Receive(getppid(), 0, 0);
}

static void gone_with_whom_it_is_for()
{
    pid_t proxy, child = start(sleeper, 0);

    until(child, STATE_RECEIVE_BLOCKED);
    proxy = qnx_proxy_attach(child, "x", 1, -1);
    check("Trigger while it lives", Trigger(proxy), child);
    kill(child, SIGKILL);
    ended(child);
    check_fails("Trigger when it is dead", Trigger(proxy), ESRCH);
}

/* Waits for a proxy that is detached meanwhile, by whom attached it. */
static void waits_in_vain(long unused)
{
    pid_t proxy, parent = getppid();

    check("Receive of the proxy's id", Receive(parent, &proxy, sizeof(proxy)), parent);
    check("Reply", Reply(parent, 0, 0), 0);
    check_fails("Receive of a proxy that goes away", Receive(proxy, 0, 0), ESRCH);
}

static void gone_while_waited_for()
{
    pid_t child = start(waits_in_vain, 0), proxy;

    until(child, STATE_RECEIVE_BLOCKED);
    proxy = qnx_proxy_attach(child, 0, 0, -1);
    check("Send of the id", Send(child, &proxy, 0, sizeof(proxy), 0), 0);
    until_on(child, STATE_RECEIVE_BLOCKED, proxy);
    check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);
    good_end(child);
}

/* A handler that wakes the main loop by a proxy: nothing is lost that way. */
static void on_alarm(signo)
int signo;
{
    Trigger(bell);
}

static void from_a_handler()
{
    struct itimerval every;
    pid_t from;
    int rang = 0, interrupted = 0;

    bell = qnx_proxy_attach(0, "ring", 5, -1);
    signal(SIGALRM, on_alarm);
    memset(&every, 0, sizeof(every));
    every.it_interval.tv_usec = every.it_value.tv_usec = 2000;
    setitimer(ITIMER_REAL, &every, 0);
    while (rang < 100) {
        from = Receive(bell, 0, 0);
        if (from == bell)
            ++rang;
        else if (from == -1 && errno == EINTR)
            ++interrupted;
        else
            break;
    }
    memset(&every, 0, sizeof(every));
    setitimer(ITIMER_REAL, &every, 0);
    check("Triggers by a handler", rang, 100);
    check("it interrupted Receive now and then", interrupted > 0, 1);
    signal(SIGALRM, SIG_DFL);
    while (Creceive(bell, 0, 0) == bell)
        ;
    check("qnx_proxy_detach", qnx_proxy_detach(bell), 0);
}

static void client(long n)
{
    int number = (int) n;

    check("Send", Send(getppid(), &number, 0, sizeof(number), 0), 0);
}

/* One queue, by arrival; and what is received by name leaves the others where they are. */
static void one_queue()
{
    pid_t proxy = qnx_proxy_attach(0, 0, 0, -1), first, second;

    Trigger(proxy);
    first = start(client, 1L);
    until_on(first, STATE_SEND_BLOCKED, getpid());
    Trigger(proxy);
    check("the proxy came first", Receive(0, 0, 0), proxy);
    check("the client, though the proxy was triggered again", Receive(first, 0, 0), first);
    check("Reply", Reply(first, 0, 0), 0);
    good_end(first);
    check("the proxy again", Receive(0, 0, 0), proxy);

    first = start(client, 1L);
    until_on(first, STATE_SEND_BLOCKED, getpid());
    Trigger(proxy);
    second = start(client, 2L);
    until_on(second, STATE_SEND_BLOCKED, getpid());
    check("the client came first", Receive(0, 0, 0), first);
    check("then the proxy", Receive(0, 0, 0), proxy);
    check("then the other client", Receive(0, 0, 0), second);
    Trigger(proxy);
    check("Creceive of the proxy while two are held", Creceive(0, 0, 0), proxy);
    check("Reply", Reply(second, 0, 0), 0);
    check("Reply", Reply(first, 0, 0), 0);
    good_end(first);
    good_end(second);
    check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);
}

/* Triggered by forty children at once. */
static void ring(long proxy)
{
    int i, n;

    for (i = 0, n = 0; i < 25; ++i)
        n += Trigger((pid_t) proxy) == getppid();
    check("25 Triggers by a child", n, 25);
}

static void by_forty()
{
    pid_t proxy = qnx_proxy_attach(0, "x", 1, -1), children[40];
    int i, n;

    for (i = 0; i < 40; ++i)
        children[i] = start(ring, (long) proxy);
    for (n = 0; n < 1000; ++n)
        if (Receive(0, 0, 0) != proxy)
            break;
    check("1000 Triggers by forty children", n, 1000);
    for (i = 0; i < 40; ++i)
        good_end(children[i]);
    check_fails("and no more", Creceive(0, 0, 0), ENOMSG);
    check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);
}

main()
{
    for_another(0);
    for_another(1);
    gone_with_its_owner();
    gone_with_whom_it_is_for();
    gone_while_waited_for();
    from_a_handler();
    one_queue();
    by_forty();
    return finish();
}
