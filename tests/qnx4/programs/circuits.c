/*
 * circuits.c - virtual circuits and descriptors: on one's own node a process stands for itself, another node cannot be
 * reached; and Sendfd, to the process that a descriptor stands for.
 */
#include <sys/fd.h>
#include <sys/name.h>
#include <sys/sendmx.h>
#include <sys/vc.h>
#include "../old.h"

static void echo(long n)
{
    char msg[10];
    pid_t from;

    while (n-- > 0) {
        from = Receive(0, msg, sizeof(msg));
        ++msg[0];
        check("the server's Reply", Reply(from, msg, 2), 0);
    }
}

static void named(long unused)
{
    check("qnx_name_attach", qnx_name_attach(0, "old/vc") >= 0, 1);
    check("Send", Send(getppid(), 0, 0, 0, 0), 0);
    echo(1L);
}

static void circuits()
{
    static int flags[] = { _VC_AT_FIRST, _VC_AT_SHARE, _VC_AT_REM_ZOMBIE };
    pid_t child = start(echo, 3L), vid;
    struct _vc_poll_parm_set parameters;
    char reply[2];
    int i;

    check("getnid is a number", getnid() > 0, 1);
    for (i = 0; i < 3; ++i) {
        vid = qnx_vc_attach(i == 1 ? 0 : getnid(), child, 1000 * i, flags[i]);
        check("qnx_vc_attach on this node: the pid itself", vid, child);
        check("Send over it", Send(vid, "a", reply, 2, 2), 0);
        check("the reply", strcmp(reply, "b"), 0);
        if (i < 2)
            check("qnx_vc_detach", qnx_vc_detach(vid), 0);
    }
    good_end(child);
    check("qnx_vc_attach of Proc", qnx_vc_attach(getnid(), PROC_PID, 0, 0), PROC_PID);
    check_fails("qnx_vc_attach on another node", qnx_vc_attach(getnid() + 1, 1, 100, 0), EHOSTUNREACH);
    check_fails("qnx_vc_attach of nobody", qnx_vc_attach(getnid(), nobody(), 100, 0), ESRCH);
    check("qnx_vc_detach of no circuit", qnx_vc_detach(-1), -1);

    child = start(named, 0);
    check("Receive", Receive(child, 0, 0), child);
    check("qnx_vc_name_attach", qnx_vc_name_attach(getnid(), 100, "old/vc"), child);
    vid = qnx_vc_name_attach(0, 100, "old/vc");
    check("on node 0", vid, child);
    check_fails("on another", qnx_vc_name_attach(getnid() + 1, 100, "old/vc"), EHOSTUNREACH);
    Reply(child, 0, 0);
    check("Send over it", Send(vid, "a", reply, 2, 2), 0);
    good_end(child);
    check_fails("qnx_vc_name_attach of nobody's name", qnx_vc_name_attach(0, 100, "old/vc"), ESRCH);
    memset(&parameters, 0, sizeof(parameters));
    check("qnx_vc_poll_parm where there is no network", qnx_vc_poll_parm(1, &parameters), -1);
    check("qnx_vc_refresh", qnx_vc_refresh(), 0);
}

static void numbers()
{
    char text[20], *end;

    check("_VC_MAX_NAME_LEN", _VC_MAX_NAME_LEN, 32);
    check("the flags", _VC_AT_FIRST * 100 + _VC_AT_SHARE * 10 + _VC_AT_REM_ZOMBIE, 12);
    qnx_nidtostr(getnid(), text, sizeof(text));
    check("qnx_strtonid of qnx_nidtostr", qnx_strtonid(text, &end), getnid());
    check("all of it is used", *end, 0);
    check("qnx_strtonid of a path", qnx_strtonid("//12/bin/ls", &end), 12);
    check("the number alone is used", strncmp(end, "/bin", 4) == 0 || strncmp(end, "bin", 3) == 0, 1);
}

static void descriptors()
{
    pid_t child = start(echo, 3L);
    struct _mxfer_entry smx[2], rmx[1];
    struct _fd_entry entry;
    char reply[3];
    int fd = qnx_fd_attach(0, 5, 0, child, child, 0, 0), copy;

    check("qnx_fd_attach: the lowest free one from 5", fd, 5);
    check("Sendfd", Sendfd(fd, "a", reply, 2, 2), 0);
    check("its reply", strcmp(reply, "b"), 0);
    _setmx(&smx[0], "x", 1);
    _setmx(&smx[1], "", 1);
    _setmx(&rmx[0], reply, 2);
    check("Sendfdmx", Sendfdmx(fd, 2, 1, smx, rmx), 0);
    check("its reply", strcmp(reply, "y"), 0);
    check("qnx_fd_query", qnx_fd_query(PROC_PID, 0, fd, &entry), fd);
    check("it stands for the child", entry.pid, child);
    copy = dup(fd);
    check("dup of it", copy >= 0, 1);
    check("Sendfd with the copy", Sendfd(copy, "c", reply, 2, 2), 0);
    check("its reply", strcmp(reply, "d"), 0);
    good_end(child);
    check_fails("Sendfd when the process is dead", Sendfd(fd, "a", reply, 2, 2), ESRCH);
    check("qnx_fd_detach", qnx_fd_detach(fd), 0);
    check_fails("again", qnx_fd_detach(fd), EBADF);
    check_fails("Sendfd when it is detached", Sendfd(fd, "a", reply, 2, 2), EBADF);
    close(copy);
    check_fails("Sendfd when it is closed", Sendfd(copy, "a", reply, 2, 2), EBADF);
    check_fails("Sendfd of a file's", Sendfd(1, "a", reply, 2, 2), EBADF);
    check_fails("Sendfd of -1", Sendfd(-1, "a", reply, 2, 2), EBADF);
    check_fails("Sendfdmx of -1", Sendfdmx(-1, 2, 1, smx, rmx), EBADF);
    check_fails("qnx_fd_attach of nobody", qnx_fd_attach(0, 5, 0, nobody(), 0, 0, 0), ESRCH);
    check_fails("qnx_fd_attach on another node", qnx_fd_attach(0, 5, getnid() + 1, 1, 0, 0, 0), EHOSTUNREACH);
}

main()
{
    circuits();
    numbers();
    descriptors();
    return finish();
}
