/*
 * timers.c - timer_create with two arguments: a timer that sends a signal, or triggers a proxy. Of its struct sigevent
 * only sigev_signo is set, the rest is what happened to be on the stack.
 */
#include <time.h>
#include <sys/proxy.h>
#include <sys/timers.h>
#include "../old.h"

int alarms, users;

static void on_signal(signo)
int signo;
{
    if (signo == SIGALRM)
        ++alarms;
    else
        ++users;
}

static timer_t create(int signo)
{
    struct sigevent event;

    memset(&event, 0xa5, sizeof(event));
    event.sigev_signo = signo;
    return timer_create(CLOCK_REALTIME, &event);
}

static int run(timer_t id, long first, long every)
{
    struct itimerspec when;

    when.it_value.tv_sec = first / 1000;
    when.it_value.tv_nsec = first % 1000 * 1000000;
    when.it_interval.tv_sec = every / 1000;
    when.it_interval.tv_nsec = every % 1000 * 1000000;
    return timer_settime(id, 0, &when, 0);
}

static long now()
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The server's clock: a proxy that comes between the messages. */
static void with_a_proxy()
{
    pid_t proxy = qnx_proxy_attach(0, "tick", 5, -1);
    timer_t id = create(-proxy), second;
    struct itimerspec left, when;
    char msg[5];
    long began;
    int i;

    check("timer_create returns a small positive number", id > 0 && id < 32768, 1);
    began = now();
    check("timer_settime", run(id, 50L, 0L), 0);
    check("timer_gettime", timer_gettime(id, &left), 0);
    check("what is left", left.it_value.tv_sec == 0 && left.it_value.tv_nsec <= 50000000L, 1);
    check("no interval", left.it_interval.tv_nsec, 0);
    check("Receive of the proxy", Receive(0, msg, sizeof(msg)), proxy);
    check("its data", strcmp(msg, "tick"), 0);
    check("not before its time", now() - began >= 49, 1);
    check("timer_gettime", timer_gettime(id, &left), 0);
    check("it does not run any more", left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0, 1);

    check("timer_settime, every 5 ms", run(id, 5L, 5L), 0);
    for (i = 0; i < 10; ++i)
        if (Receive(proxy, 0, 0) != proxy)
            break;
    check("ten times", i, 10);
    check("timer_getoverrun", timer_getoverrun(id), 0);
    check("timer_gettime", timer_gettime(id, &left), 0);
    check("the interval", left.it_interval.tv_nsec, 5000000);
    check("timer_settime to 0 stops it", run(id, 0L, 0L), 0);
    while (Creceive(proxy, 0, 0) == proxy)
        ;

    clock_gettime(CLOCK_REALTIME, &when.it_value);
    when.it_value.tv_nsec += 30000000L;
    if (when.it_value.tv_nsec >= 1000000000L) {
        ++when.it_value.tv_sec;
        when.it_value.tv_nsec -= 1000000000L;
    }
    when.it_interval.tv_sec = when.it_interval.tv_nsec = 0;
    began = now();
    check("timer_settime with TIMER_ABSTIME", timer_settime(id, TIMER_ABSTIME, &when, 0), 0);
    check("Receive of the proxy", Receive(0, 0, 0), proxy);
    check("at that time", now() - began >= 29, 1);
    check("timer_settime", run(id, 3600000L, 2000L), 0);
    memset(&when, 0, sizeof(when));
    check("timer_settime that tells what was left", timer_settime(id, 0, &when, &left), 0);
    check("nearly an hour", left.it_value.tv_sec > 3500 && left.it_value.tv_sec <= 3600, 1);
    check("the interval", left.it_interval.tv_sec, 2);

    /* Two timers, one proxy; the later one is stopped in time. */
    second = create(-proxy);
    check("another id", second != id && second > 0, 1);
    check("an hour", run(second, 3600000L, 0L), 0);
    check("20 ms", run(id, 20L, 0L), 0);
    check("Receive", Receive(proxy, 0, 0), proxy);
    check("timer_delete of the one that runs", timer_delete(second), 0);
    check_fails("again", timer_delete(second), EINVAL);
    check_fails("timer_settime of it", run(second, 1L, 0L), EINVAL);
    check_fails("timer_gettime of it", timer_gettime(second, &left), EINVAL);

    /* A proxy that is not there any more does no harm. */
    check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);
    check("timer_settime", run(id, 1L, 0L), 0);
    do
        usleep(500);
    while (timer_gettime(id, &left) == 0 && (left.it_value.tv_sec != 0 || left.it_value.tv_nsec != 0));
    check_fails("nothing comes", Creceive(0, 0, 0), ENOMSG);
    check("timer_delete", timer_delete(id), 0);
}

/*
 * The usual time-out: a signal ends the blocked call. It comes once more after a second, in case that this machine is
 * so busy that the first came before the call.
 */
static void with_a_signal(int signo, int *count, timer_t id)
{
    long began;

    *count = 0;
    signal(signo, on_signal);
    check("timer_create", id > 0, 1);
    began = now();
    check("timer_settime", run(id, 50L, 1000L), 0);
    check_fails("Receive that it ends", Receive(0, 0, 0), EINTR);
    check("not before its time", now() - began >= 49, 1);
    check("the handler has run", *count >= 1, 1);

    check("timer_settime, every 10 ms", run(id, 10L, 10L), 0);
    *count = 0;
    while (*count < 5)
        if (Receive(0, 0, 0) != -1)
            break;
    check("five times", *count >= 5, 1);
    check("timer_delete", timer_delete(id), 0);
    signal(signo, SIG_DFL);
}

static void silent(long unused)
{
    Receive(getppid(), 0, 0);
    Receive(getppid(), 0, 0);
}

static void ends_a_send()
{
    pid_t child = start(silent, 0);
    timer_t id = create(SIGUSR1);

    users = 0;
    signal(SIGUSR1, on_signal);
    check("timer_settime", run(id, 50L, 1000L), 0);
    check_fails("Send that is never answered", Send(child, 0, 0, 0, 0), EINTR);
    check("the handler has run", users >= 1, 1);
    check("timer_delete", timer_delete(id), 0);
    kill(child, SIGKILL);
    ended(child);
}

/* A signal that the program keeps for sigtimedwait(), while a timer triggers a proxy of its: nobody takes it away. */
static void leaves_other_signals_alone()
{
    pid_t proxy = qnx_proxy_attach(0, 0, 0, -1);
    timer_t id = create(-proxy);
    struct timespec wait = {5, 0};
    sigset_t one, before;

    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &one, &before);
    check("timer_settime", run(id, 1L, 0L), 0);
    kill(getpid(), SIGRTMIN);
    check("the timer's proxy", Receive(proxy, 0, 0), proxy);
    check("the program's signal", sigtimedwait(&one, 0, &wait), SIGRTMIN);
    sigprocmask(SIG_SETMASK, &before, 0);
    check("timer_delete", timer_delete(id), 0);
    check("detach", qnx_proxy_detach(proxy), 0);
}

main()
{
    struct itimerspec bad;
    timer_t id;

    with_a_proxy();
    with_a_signal(SIGUSR1, &users, create(SIGUSR1));
    with_a_signal(SIGALRM, &alarms, create(SIGALRM));
    with_a_signal(SIGALRM, &alarms, timer_create(CLOCK_REALTIME, 0));
    ends_a_send();
    leaves_other_signals_alone();

    check_fails("timer_create with no such clock", timer_create(12345, 0), EINVAL);
    check_fails("timer_create with no such signal", create(1000), EINVAL);
    id = create(SIGUSR1);
    memset(&bad, 0, sizeof(bad));
    bad.it_value.tv_nsec = 1000000000L;
    check_fails("timer_settime with too many nanoseconds", timer_settime(id, 0, &bad, 0), EINVAL);
    check("timer_delete", timer_delete(id), 0);
    check_fails("timer_getoverrun of none", timer_getoverrun(12345), EINVAL);
    check_fails("timer_delete of none", timer_delete(12345), EINVAL);
    id = create(0);
    check("timer_create of the sleep type", id > 0, 1);
    check("timer_settime of it", run(id, 10L, 0L), 0);
    check("timer_delete of it", timer_delete(id), 0);
    check("TIMEOFDAY", TIMEOFDAY, 0);
    return finish();
}
