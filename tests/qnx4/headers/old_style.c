/*
 * How programs of 1992 were written: what is not said is int, functions are called before anybody has declared them,
 * and Watcom's words are between the others. Must compile as gnu89, with warnings perhaps. Nothing runs it.
 */
#include <sys/kernel.h>
#include <sys/name.h>
#include <sys/proxy.h>
#include <sys/psinfo.h>
#include <sys/sys_msg.h>
#include <sys/vc.h>
#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <time.h>

#ifdef __KERNEL_H_INCLUDED
#define HAVE_KERNEL
#else
#error "programs ask for QNX4's include guards"
#endif

extern int errno;

/* Declared once more, without arguments. */
nid_t qnx_strtonid();
pid_t Receive();
timer_t timer_create();
char *strerror();

struct timer_create { int timer_create; };  /* a tag and a member of that name are nobody's business */

struct request {
    msg_t type;
    mpid_t from;
    nid_t node;
    ushort_t zero;
    char far *text;
};

static counter;
unsigned near table[4];

struct _psinfo psdata;
struct _sysmsg_version_reply version_stamp = {"old", __DATE__, 425, 'A', 0};
struct _sysmsg_hdr_reply version_header = {EOK, 0};

add(a, b)
{
    return a + b;
}

void far *address(seg, off)
unsigned seg, off;
{
    return MK_FP(seg, off);
}

on_signal(signo)
int signo;
{
    counter += signo;
}

timers(proxy)
pid_t proxy;
{
    struct sigevent event;
    struct itimerspec when;
    timer_t id, (*make)() = timer_create;
    clockid_t clock = CLOCK_REALTIME;

    event.sigev_signo = -proxy;
    if ((id = timer_create(clock, &event)) == -1)
        return -1;
    when.it_value.tv_sec = 1;
    when.it_value.tv_nsec = 0;
    when.it_interval = when.it_value;
    timer_settime(id, 0, &when, NULL);
    timer_gettime(id, &when);
    id = (*make)(CLOCK_REALTIME, 0);
    return timer_delete(id);
}

parts(pid, header, data, n)
pid_t pid;
struct request *header;
char *data;
{
    struct _mxfer_entry smx[2], rmx[1];

    _setmx(&smx[0], header, sizeof(*header))
    _setmx(&smx[1], data, n);
    _setmx(rmx, header, sizeof(*header));
    if (Sendmx(pid, 2, 1, smx, rmx) == -1 && errno == EDSTFAULT)
        undeclared_complaint("Sendmx", errno);
    return Replymx(pid, 0, 0);
}

main(argc, argv)
char **argv;
{
    struct request msg;
    union { struct _sysmsg_hdr hdr; struct _sysmsg_hdr_reply reply; struct request request; } any;
    pid_t pid, proxy;
    long flags;
    int id;
    nid_t nids[10];
    unsigned copies;
    char buf[100];

    signal(SIGALRM, on_signal);
    qnx_pflags(~0, _PPF_PRIORITY_REC | _PPF_SERVER, 0, 0);
    qnx_pflags(0L, 0L, &flags, NULL);
    id = qnx_name_attach(0, "old");
    proxy = qnx_proxy_attach(0, 0, 0, -1);
    pid = qnx_vc_attach(getnid(), PROC_PID, 0, 0);
    if (qnx_psinfo(pid, getpid(), &psdata, 0, NULL) != getpid() || psdata.state == STATE_DEAD)
        exit(1);
    sprintf(buf, "%5d %s %ld %c%c", proxy, psdata.un.proc.name, flags, version_stamp.letter, 'qu');
    for (;;) {
        pid = Receive(0, &any, sizeof(any));
        if (pid == proxy) continue;
        if (any.hdr.type == _SYSMSG && any.hdr.subtype == _SYSMSG_SUBTYPE_VERSION) {
            struct _mxfer_entry mx[2];
            _setmx(&mx[0], &version_header, sizeof(version_header));
            _setmx(&mx[1], &version_stamp, sizeof(version_stamp));
            Replymx(pid, 2, &mx);
            continue;
        }
        msg.type = any.request.type;
        msg.from = pid;
        if (Readmsg(pid, 0, &msg, sizeof(msg)) == -1)
            printf("%s\n", strerror(errno));
        Reply(pid, 0, 0);
        if (timers(proxy) == -1) break;
    }
    qnx_name_locate(0, "/old", 0, &copies);
    id = qnx_name_locators(&nids) + add(1, FP_OFF(buf));
    parts(pid, &msg, buf, sizeof buf);
    setprio(0, getprio(0) - 1);
    return qnx_name_detach(0, id);
}
