/*
 * nobody.c - each call with a pid that nobody has, with a zombie's, and with one's own.
 */
#include <sys/proxy.h>
#include <sys/sched.h>
#include <sys/sendmx.h>
#include <sys/vc.h>
#include <sys/fd.h>
#include "../old.h"

static void each(pid_t pid)
{
    struct _mxfer_entry mx[1];
    char c = 'c';

    _setmx(&mx[0], &c, 1);
    check_fails("Send", Send(pid, &c, &c, 1, 1), ESRCH);
    check_fails("Send of nothing", Send(pid, 0, 0, 0, 0), ESRCH);
    check_fails("Sendmx", Sendmx(pid, 1, 1, mx, mx), ESRCH);
    check_fails("Receive", Receive(pid, &c, 1), ESRCH);
    check_fails("Receivemx", Receivemx(pid, 1, mx), ESRCH);
    check_fails("Creceive", Creceive(pid, &c, 1), ESRCH);
    check_fails("Creceivemx", Creceivemx(pid, 1, mx), ESRCH);
    check_fails("Reply", Reply(pid, &c, 1), ESRCH);
    check_fails("Replymx", Replymx(pid, 1, mx), ESRCH);
    check_fails("Readmsg", (int) Readmsg(pid, 0, &c, 1), ESRCH);
    check_fails("Readmsgmx", (int) Readmsgmx(pid, 0, 1, mx), ESRCH);
    check_fails("Writemsg", (int) Writemsg(pid, 0, &c, 1), ESRCH);
    check_fails("Writemsgmx", (int) Writemsgmx(pid, 0, 1, mx), ESRCH);
    check_fails("Relay of it", Relay(pid, getpid()), ESRCH);
    check_fails("Trigger", Trigger(pid), ESRCH);
    check_fails("qnx_proxy_attach", qnx_proxy_attach(pid, 0, 0, -1), ESRCH);
    check_fails("qnx_proxy_detach", qnx_proxy_detach(pid), ESRCH);
    check_fails("qnx_proxy_rem_attach", qnx_proxy_rem_attach(0, pid), ESRCH);
}

main()
{
    struct _psinfo ps;
    char c = 'c';
    pid_t pid = nobody();

    each(pid);
    check_fails("qnx_vc_attach", qnx_vc_attach(getnid(), pid, 0, 0), ESRCH);
    check_fails("getprio", getprio(pid), ESRCH);
    check_fails("setprio", setprio(pid, 10), ESRCH);
    check("qnx_psinfo finds another, or none", qnx_psinfo(PROC_PID, pid, &ps, 0, 0) != pid, 1);

    /* Dead, though not yet buried. */
    pid = start(leave, 0);
    until(pid, STATE_DEAD);
    each(pid);
    ended(pid);

    check_fails("Send to oneself", Send(getpid(), &c, &c, 1, 1), EDEADLK);
    check_fails("Send of nothing to oneself", Send(getpid(), 0, 0, 0, 0), EDEADLK);
    check_fails("Trigger of a process that is no proxy", Trigger(getppid()), ESRCH);
    check_fails("qnx_proxy_detach of a process that is no proxy", qnx_proxy_detach(getppid()), ESRCH);
    return finish();
}
