/*
 * inform.c - _PPF_INFORM: a death message for every process that dies. Receive returns the dead one's pid; how it died
 * is in the message. (There are other processes in the world, whose deaths come, too.)
 */
#include <sys/sys_msg.h>
#include "../old.h"

struct death {
    struct _sysmsg_hdr hdr;
    struct _sysmsg_death body;
};

static void exits(long code)
{
    _exit((int) code);
}

static void waits(long unused)
{
    Receive(getppid(), 0, 0);
}

/* Its child is not ours to wait for. It ends when it is told to. */
static void grandparent(long unused)
{
    pid_t child = start(waits, 0);

    until_on(child, STATE_RECEIVE_BLOCKED, getpid());
    check("Send of the grandchild's pid", Send(getppid(), &child, 0, sizeof(child), 0), 0);
    kill(child, SIGKILL);
    ended(child);
    check("Receive of the end", Receive(getppid(), 0, 0), getppid());
    Reply(getppid(), 0, 0);
}

static void on_alarm(signo)
int signo;
{
}

/* Until the death of that one; not for ever. */
static void hear_of(pid_t pid, struct death *death)
{
    static struct _sysmsg_hdr_reply status = { EOK, 0 };
    pid_t from;

    alarm(10);
    do {
        memset(death, 0x55, sizeof(*death));
        from = Receive(0, death, sizeof(*death));
        if (from == -1) {
            check("a death that is told", -1, pid);
            return;
        }
        if (from != pid)
            Reply(from, &status, sizeof(status));
    } while (from != pid);
    alarm(0);
    check("its type", death->hdr.type, _SYSMSG);
    check("its subtype", death->hdr.subtype, _SYSMSG_SUBTYPE_DEATH);
}

main()
{
    struct death death;
    struct _psinfo ps;
    pid_t child, grandparent_pid, grandchild;

    check("a death message has 10 bytes", sizeof(death), 10);
    signal(SIGALRM, on_alarm);
    grandparent_pid = start(grandparent, 0);
    check("Receive from the child", Receive(0, &grandchild, sizeof(grandchild)), grandparent_pid);
    check("qnx_pflags", qnx_pflags(~0, _PPF_INFORM, 0, 0), 0);

    child = start(exits, 0L);
    hear_of(child, &death);
    check("exit(0): no signal", death.body.signum, 0);
    check("exit(0): its status", death.body.xstatus, 0);
    check("qnx_psinfo of the dead", qnx_psinfo(PROC_PID, child, &ps, 0, 0), child);
    check("its state", ps.state, STATE_DEAD);
    Reply(child, 0, 0);
    check("and wait() as ever", ended(child), 0);

    child = start(exits, 3L);
    hear_of(child, &death);
    check("exit(3): no signal", death.body.signum, 0);
    check("exit(3): its status", WEXITSTATUS(death.body.xstatus) == 3 || death.body.xstatus == 3, 1);
    Reply(child, 0, 0);
    check("and wait()", ended(child), 3);

    child = start(waits, 0);
    until_on(child, STATE_RECEIVE_BLOCKED, getpid());
    kill(child, SIGKILL);
    hear_of(child, &death);
    check("SIGKILL: the signal", death.body.signum, SIGKILL);
    Reply(child, 0, 0);
    check("and wait()", ended(child), -SIGKILL);

    child = start(waits, 0);
    until_on(child, STATE_RECEIVE_BLOCKED, getpid());
    kill(child, SIGTERM);
    hear_of(child, &death);
    check("SIGTERM: the signal", death.body.signum, SIGTERM);
    Reply(child, 0, 0);
    ended(child);

    Reply(grandparent_pid, 0, 0);
    hear_of(grandchild, &death);
    Reply(grandchild, 0, 0);
    check("Send of the end", Send(grandparent_pid, 0, 0, 0, 0), 0);
    hear_of(grandparent_pid, &death);
    Reply(grandparent_pid, 0, 0);
    good_end(grandparent_pid);

    check("qnx_pflags off", qnx_pflags(0, _PPF_INFORM, 0, 0), 0);
    while (Creceive(0, &death, sizeof(death)) != -1)
        ;                       /* those that had come before */
    child = start(exits, 0L);
    ended(child);
    check_fails("no deaths any more", Creceive(child, &death, sizeof(death)), ESRCH);
    return finish();
}
