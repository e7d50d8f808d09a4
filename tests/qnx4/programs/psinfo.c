/*
 * psinfo.c - qnx_psinfo: what state a process is in and on whom it is blocked; "that pid or the next higher one".
 */
#include <sys/proxy.h>
#include <sys/seginfo.h>
#include "../old.h"

struct _psinfo ps;

static void sends(long unused)
{
    Send(getppid(), 0, 0, 0, 0);
}

static void receives(long from)
{
    Receive((pid_t) from, 0, 0);
}

static void spins(long unused)
{
    for (;;)
        ;
}

static void waits(long unused)
{
    pid_t child = start(receives, (long) getppid());

    ended(child);
}

static void look(char *what, pid_t pid, int state)
{
    until(pid, state);
    check(what, qnx_psinfo(PROC_PID, pid, &ps, 0, 0), pid);
    check("its pid", ps.pid, pid);
    check("its state", ps.state, state);
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    ended(pid);
}

static void states()
{
    pid_t child, grandchild;

    check("the numbers", STATE_DEAD * 1000 + STATE_READY * 100 + STATE_SEND_BLOCKED * 10 + STATE_RECEIVE_BLOCKED, 123);
    check("and the others", STATE_REPLY_BLOCKED * 10000 + STATE_HELD * 1000 + STATE_SIGNAL_BLOCKED * 100
        + STATE_WAIT_BLOCKED * 10 + STATE_SEM_BLOCKED, 45678);

    child = start(sends, 0);
    look("SEND-blocked", child, STATE_SEND_BLOCKED);
    check("on us", ps.blocked_on, getpid());
    check("Receive", Receive(child, 0, 0), child);
    look("REPLY-blocked", child, STATE_REPLY_BLOCKED);
    check("on us", ps.blocked_on, getpid());
    kill(child, SIGSTOP);
    look("HELD", child, STATE_HELD);
    kill(child, SIGCONT);
    look("REPLY-blocked again", child, STATE_REPLY_BLOCKED);
    check("on us", ps.blocked_on, getpid());
    check("Reply", Reply(child, 0, 0), 0);
    look("DEAD, not buried", child, STATE_DEAD);
    ended(child);

    child = start(receives, 0);
    look("RECEIVE-blocked", child, STATE_RECEIVE_BLOCKED);
    check("on anybody", ps.blocked_on, 0);
    end(child);
    child = start(receives, (long) getpid());
    look("RECEIVE-blocked", child, STATE_RECEIVE_BLOCKED);
    check("on us", ps.blocked_on, getpid());
    end(child);

    child = start(spins, 0);
    look("READY", child, STATE_READY);
    end(child);

    child = start(waits, 0);
    look("WAIT-blocked", child, STATE_WAIT_BLOCKED);
    for (grandchild = 1; qnx_psinfo(PROC_PID, grandchild, &ps, 0, 0) != -1; grandchild = ps.pid + 1)
        if (!(ps.flags & _PPF_MID) && ps.un.proc.father == child)
            break;
    check("its child is found by its father", ps.un.proc.father, child);
    end(child);
    kill(ps.pid, SIGKILL);
}

static void about_oneself()
{
    check("qnx_psinfo of 0", qnx_psinfo(PROC_PID, 0, &ps, 0, 0), getpid());
    check("the pid", ps.pid, getpid());
    check("READY", ps.state, STATE_READY);
    check("the father", ps.un.proc.father, getppid());
    check("the group", ps.pid_group, getpgrp());
    check("uid", (unsigned short) ps.euid, geteuid() & 0xffff);
    check("gid", (unsigned short) ps.rgid, getgid() & 0xffff);
    check("the program", strstr(ps.un.proc.name, "psinfo") != 0, 1);
    check("a priority", ps.priority >= 1 && ps.priority <= 29, 1);
    check("of at most", ps.max_priority >= ps.priority, 1);
    check("proc_pid 0", qnx_psinfo(0, 0, &ps, 0, 0), getpid());
}

/* All of them, in ascending order; each is there once, and so are its father and we. */
static void walk()
{
    pid_t pid = 1, got, last = 0;
    int n = 0, self = 0, father = 0, disorder = 0;

    while ((got = qnx_psinfo(PROC_PID, pid, &ps, 0, 0)) != -1) {
        disorder += got < pid || got <= last || ps.pid != got;
        self += got == getpid();
        father += got == getppid();
        last = got;
        pid = got + 1;
        ++n;
    }
    check("the end of all processes", errno, EINVAL);
    check("in ascending order", disorder, 0);
    check("we are there, once", self, 1);
    check("and our parent", father, 1);
    check("there are some", n >= 2, 1);
    check_fails("nothing beyond the highest number", qnx_psinfo(PROC_PID, 0x7ffffff0, &ps, 0, 0), EINVAL);
    check_fails("a proc_pid that is not Proc's", qnx_psinfo(getpid(), 0, &ps, 0, 0), ESRCH);
    check_fails("a proc_pid of nobody", qnx_psinfo(nobody(), 0, &ps, 0, 0), ESRCH);
}

static void next_higher()
{
    pid_t dead = nobody(), got;

    got = qnx_psinfo(PROC_PID, dead, &ps, 0, 0);
    check("of whom is not there: a higher one, or none", got == -1 ? errno == EINVAL : got > dead, 1);
    if (got != -1)
        check("the buffer says who", ps.pid, got);
}

static void proxies()
{
    pid_t proxy = qnx_proxy_attach(0, 0, 0, 5);

    check("a proxy has an entry", qnx_psinfo(PROC_PID, proxy, &ps, 0, 0), proxy);
    check("with _PPF_MID", (ps.flags & _PPF_MID) != 0, 1);
    check("no trigger", ps.un.mproc.count, 0);
    Trigger(proxy);
    Trigger(proxy);
    check("qnx_psinfo", qnx_psinfo(PROC_PID, proxy, &ps, 0, 0), proxy);
    check("two triggers", ps.un.mproc.count, 2);
    check("its priority", ps.priority, 5);
    check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);
    check("it is gone", qnx_psinfo(PROC_PID, proxy, &ps, 0, 0) != proxy, 1);
}

main()
{
    states();
    about_oneself();
    walk();
    next_higher();
    proxies();
    return finish();
}
