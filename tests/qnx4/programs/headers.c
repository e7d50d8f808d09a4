/*
 * headers.c - what old sources expect of the headers: that they are there, that their numbers are QNX4's, and the odd
 * words of the compiler that they were written for.
 */
#include <sys/kernel.h>
#include <sys/sendmx.h>
#include <sys/proxy.h>
#include <sys/name.h>
#include <sys/vc.h>
#include <sys/psinfo.h>
#include <sys/seginfo.h>
#include <sys/sched.h>
#include <sys/sys_msg.h>
#include <sys/timers.h>
#include <sys/fd.h>
#include <process.h>
#include <i86.h>
#include <conio.h>
#include <limits.h>
#include <time.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <sys/time.h>
#include "../old.h"

struct far_away { char far *text; short near *number; };

/* Its layout is the caller's business, and both sides' the same. */
struct packed_or_not {
    char c;
    long l;
    mpid_t pid;
    short s;
    double d;
};

static far_function(text)
char far *text;
{
    return strlen(text);
}

static void server(long unused)
{
    struct packed_or_not msg;
    int code;

    Receive(getppid(), &msg, sizeof(msg));
    check("a structure as it was: c", msg.c, 'c');
    check("l", msg.l, -123456789L);
    check("pid", msg.pid, getppid());
    check("s", msg.s, -2);
    check("d", msg.d == 2.5, 1);
    msg.pid = getpid();
    Reply(getppid(), &msg, sizeof(msg));
    Receive(getppid(), &code, sizeof(code));
    check("a constant of four characters", code, 'quit');
    Reply(getppid(), 0, 0);
}

static void errors()
{
    check("EOK", EOK, 0);
    check("ESRCH, EINTR, EAGAIN", ESRCH * 10000 + EINTR * 100 + EAGAIN, 30411);
    check("ENOMEM, EFAULT, EBUSY, EINVAL", ENOMEM * 1000000 + EFAULT * 10000 + EBUSY * 100 + EINVAL, 12141622);
    check("ENOREMOTE", ENOREMOTE, 1000);
    check("ENONDP", ENONDP, 1001);
    check("EBADFSYS", EBADFSYS, 1002);
    check("ENO32BIT", ENO32BIT, 1003);
    check("ENOVPE", ENOVPE, 1004);
    check("ENONETQ", ENONETQ, 1005);
    check("ENONETMAN", ENONETMAN, 1006);
    check("EVIDBUF2SML", EVIDBUF2SML, 1007);
    check("EVIDBUF2BIG", EVIDBUF2BIG, 1008);
    check("EMORE", EMORE, 1009);
    check("ECTRLTERM", ECTRLTERM, 1010);
    check("ENOLIC", ENOLIC, 1011);
    check("EDSTFAULT", EDSTFAULT, 1012);
    check("srr_strerror knows them", strstr(srr_strerror(EDSTFAULT), "1012") == 0, 1);
    check("and the others", strcmp(srr_strerror(ESRCH), strerror(ESRCH)), 0);
    check("_QNX_PREFIX_MAX", _QNX_PREFIX_MAX, 48);
    check("_QNX_ROOT_PREFIX_MAX", _QNX_ROOT_PREFIX_MAX, 128);
    check("_QNX_ATTACHEDNAME_MAX", _QNX_ATTACHEDNAME_MAX, 64);
    check("PROC_PID", PROC_PID, 1);
    check("_VCS_READY ... _VCS_GW_PROC_BLK", _VCS_READY * 10 + _VCS_GW_PROC_BLK, 19);
}

static void types()
{
    check("msg_t has 2 bytes", sizeof(msg_t), 2);
    check("ushort_t has 2", sizeof(ushort_t), 2);
    check("mpid_t holds a pid", sizeof(mpid_t), sizeof(pid_t));
    check("nid_t is a number", (nid_t) -1 < 0, 1);
    check("timer_t has an int's size", sizeof(timer_t), sizeof(int));
}

static int at_exit_sum;

static void catcher(signo)
int signo;
{
    at_exit_sum += signo;
}

/* The C library's own structures, in a program that may be compiled with packing. */
static void c_library()
{
    struct stat st;
    struct tm *tm, *back;
    struct timeval tv;
    struct sigaction action, was;
    struct itimerval timer;
    time_t t = 86400L * 365;
    jmp_buf env;

    check("stat", stat("/", &st), 0);
    check("a folder", S_ISDIR(st.st_mode), 1);
    tm = gmtime(&t);
    check("gmtime's year", tm->tm_year, 71);
    check("gettimeofday", gettimeofday(&tv, 0), 0);
    check("its seconds", tv.tv_sec >= time(0) - 60 && tv.tv_usec < 1000000, 1);
    memset(&action, 0, sizeof(action));
    action.sa_handler = catcher;
    sigaddset(&action.sa_mask, SIGUSR2);
    action.sa_flags = SA_RESTART;
    check("sigaction", sigaction(SIGUSR1, &action, 0), 0);
    check("sigaction tells what was set", sigaction(SIGUSR1, 0, &was), 0);
    check("the handler", was.sa_handler == catcher, 1);
    check("the flags", was.sa_flags & SA_RESTART, SA_RESTART);
    check("the mask", sigismember(&was.sa_mask, SIGUSR2), 1);
    check("signal tells it, too", signal(SIGUSR1, SIG_DFL) == catcher, 1);
    check("and what it has set", signal(SIGUSR1, catcher) == SIG_DFL, 1);
    raise(SIGUSR1);
    check("the handler ran", at_exit_sum, SIGUSR1);
    raise(SIGUSR1);
    check("it stays installed", at_exit_sum, 2 * SIGUSR1);
    memset(&timer, 0, sizeof(timer));
    timer.it_value.tv_sec = 1000;
    check("setitimer", setitimer(ITIMER_REAL, &timer, 0), 0);
    check("getitimer", getitimer(ITIMER_REAL, &timer), 0);
    check("what is left", timer.it_value.tv_sec >= 900 && timer.it_value.tv_sec <= 1000, 1);
    check("alarm tells it, too", alarm(0) >= 900, 1);
    if (setjmp(env) == 0)
        longjmp(env, 1);
    check("longjmp", 1, 1);
}

static void programs()
{
    int status, pid;

    status = spawnl(P_WAIT, "/bin/sh", "sh", "-c", "exit 7", (char *) 0);
    check("spawnl(P_WAIT)", WIFEXITED(status) ? WEXITSTATUS(status) : -1, 7);
    pid = spawnlp(P_NOWAIT, "sh", "sh", "-c", "exit 8", (char *) 0);
    check("spawnlp(P_NOWAIT)", pid > 0, 1);
    check("wait tells how it ended", ended(pid), 8);
    check_fails("spawnl of nothing", spawnl(P_WAIT, "/there/is/nothing", "nothing", (char *) 0), ENOENT);
}

main()
{
    struct packed_or_not msg;
    struct far_away away;
    struct _seginfo seg;
    int code = 'quit';
    pid_t child;

    memset(&seg, 0, sizeof(seg));
    errors();
    types();
    c_library();
    programs();
    away.text = "far";
    check("a function of far pointers", far_function(away.text), 3);
    check("MK_FP and FP_OFF", MK_FP(FP_SEG(away.text), FP_OFF(away.text)) == (void *) away.text, 1);

    child = start(server, 0);
    msg.c = 'c';
    msg.l = -123456789L;
    msg.pid = getpid();
    msg.s = -2;
    msg.d = 2.5;
    check("Send of a structure", Send(child, &msg, &msg, sizeof(msg), sizeof(msg)), 0);
    check("pid", msg.pid, child);
    check("Send of a constant", Send(child, &code, 0, sizeof(code), 0), 0);
    good_end(child);
    return finish();
}
