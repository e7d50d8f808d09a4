/*
 * What libsrr-qnx4's functions do beside the kernel calls: names, circuits, descriptors, priorities, the process
 * table, programs, and the few of Watcom's. Each subject by its name as argument; prints what failed, exit status 0
 * if nothing did.
 */
#include <conio.h>
#include <errno.h>
#include <fcntl.h>
#include <process.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fd.h>
#include <sys/kernel.h>
#include <sys/name.h>
#include <sys/proxy.h>
#include <sys/psinfo.h>
#include <sys/resource.h>
#include <sys/sched.h>
#include <sys/stat.h>
#include <sys/vc.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failures;
static char *self;

#define CHECK(condition) check((condition) != 0, #condition, __LINE__)
#define FAILS(call, error) (errno = 0, (call) == -1 && errno == (error))

static int check(int right, const char *what, int line)
{
    if (right)
        return 1;
    printf("FAILED line %d: %s (errno %d, %s)\n", line, what, errno, srr_strerror(errno));
    fflush(stdout);
    failures++;
    return 0;
}

/* What has no event to wait for, a state of another process, is looked at until it is there. */
static int until_state(pid_t pid, int state, struct _psinfo *info)
{
    struct timespec pause = {0, 2000000};
    time_t end = time(NULL) + 20;
    while (qnx_psinfo(PROC_PID, pid, info, 0, NULL) == pid && info->state != state && time(NULL) < end)
        nanosleep(&pause, NULL);
    return info->pid == pid && info->state == state;
}

static pid_t child_that(void (*does)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        failures = 0;
        does();
        _exit(failures != 0);
    }
    return pid;
}

static int end_of(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        ;
    return status;
}

static void test_names(void)
{
    char longest[33] = "a/b.c:d e%f/01234567890123456789", longer[34] = "a/b.c:d e%f/012345678901234567890";
    struct _nameinfo info;
    unsigned copies = 9;
    nid_t nids[10];
    char alive[4] = {9, 9, 9, 9};
    int one, two, id, seen = 0;

    CHECK(strlen(longest) == 32 && strlen(longer) == 33);
    CHECK((one = qnx_name_attach(0, longest)) >= 0);
    CHECK((two = qnx_name_attach(getnid(), "/global")) >= 0 && two != one);
    CHECK(FAILS(qnx_name_attach(0, "/global"), EBUSY));
    CHECK(FAILS(qnx_name_attach(0, longer), EINVAL) && FAILS(qnx_name_attach(0, ""), EINVAL));
    CHECK(FAILS(qnx_name_attach(2, "there"), EHOSTUNREACH) && FAILS(qnx_name_detach(2, one), EHOSTUNREACH));
    CHECK(qnx_name_locate(0, longest, 0, &copies) == getpid() && copies == 1);
    CHECK(qnx_name_locate(1, "/global", 100, NULL) == getpid());
    CHECK(FAILS(qnx_name_locate(0, "nobody", 0, &copies), ESRCH) && copies == 0);
    CHECK(FAILS(qnx_name_locate(0, "", 0, NULL), ESRCH) && FAILS(qnx_name_locate(0, longer, 0, NULL), ESRCH));
    CHECK(FAILS(qnx_name_locate(2, "/global", 0, NULL), EHOSTUNREACH));
    for (id = 0; (id = qnx_name_query(PROC_PID, id, &info)) != -1; id++)
        seen += !strcmp(info.name, id == one ? longest : "/global") && (id == one || id == two) && info.nid == 1;
    CHECK(errno == EINVAL && seen == 2);
    CHECK(qnx_name_query(0, one, &info) == one && info.pid == getpid());
    CHECK(FAILS(qnx_name_query(9, 0, &info), ESRCH));
    CHECK(qnx_name_locators(nids) == 1 && nids[0] == getnid());
    nids[0] = 0;
    CHECK(qnx_name_nodes(0, "/global", 10, nids) == 1 && nids[0] == getnid());
    CHECK(qnx_name_nodes(0, "/nobody", 10, nids) == 0);
    CHECK(qnx_net_alive(alive, 4) == 1 && !alive[0] && alive[1] == 1 && !alive[2] && !alive[3]);
    CHECK(qnx_name_detach(0, one) == 0 && FAILS(qnx_name_detach(0, one), EINVAL));
    CHECK(FAILS(qnx_name_locate(0, longest, 0, NULL), ESRCH));
    CHECK(qnx_name_locate(0, "/global", 0, NULL) == getpid());
    CHECK(qnx_name_detach(1, two) == 0 && FAILS(qnx_name_detach(0, -1), EINVAL));
}

/* Another process's name is not ours to drop. */
static void test_names_of_others(void)
{
    int id = qnx_name_attach(0, "parent's");
    pid_t child = fork();
    if (child == 0) {
        CHECK(FAILS(qnx_name_detach(0, id), EINVAL) && qnx_name_locate(0, "parent's", 0, NULL) == getppid());
        _exit(failures != 0);
    }
    CHECK(end_of(child) == 0);
    CHECK(qnx_name_locate(0, "parent's", 0, NULL) == getpid() && qnx_name_detach(0, id) == 0);
}

static void test_vc(void)
{
    char text[8] = "xxxxxxx", *end;
    int name = qnx_name_attach(0, "vc");
    CHECK(getnid() == 1);
    CHECK(qnx_vc_attach(getnid(), PROC_PID, 0, 0) == PROC_PID);
    CHECK(qnx_vc_attach(0, getpid(), 100, _VC_AT_SHARE) == getpid());
    CHECK(FAILS(qnx_vc_attach(2, 1, 0, 0), EHOSTUNREACH) && FAILS(qnx_vc_attach(0, 0, 0, 0), EINVAL));
    CHECK(FAILS(qnx_vc_attach(0, 0x7ffffff0, 0, 0), ESRCH) && FAILS(qnx_vc_attach(0, 1, 0, 64), EINVAL));
    CHECK(qnx_vc_detach(getpid()) == 0 && FAILS(qnx_vc_detach(0), EINVAL) && FAILS(qnx_vc_detach(0x7ffffff0), ESRCH));
    CHECK(qnx_vc_name_attach(0, 100, (char *)"vc") == getpid());
    CHECK(FAILS(qnx_vc_name_attach(0, 0, (char *)"no"), ESRCH));
    CHECK(FAILS(qnx_vc_name_attach(7, 0, (char *)"vc"), EHOSTUNREACH));
    CHECK(FAILS(qnx_vc_name_attach(0, 0, (char *)""), EINVAL));
    CHECK(FAILS(qnx_vc_poll_parm(1, NULL), ENOSYS) && qnx_vc_refresh() == 0);
    CHECK(qnx_strtonid("12", NULL) == 12 && qnx_strtonid("//3/dev/con1", &end) == 3 && !strcmp(end, "/dev/con1"));
    CHECK(FAILS(qnx_strtonid("x1", &end), EINVAL) && !strcmp(end, "x1"));
    CHECK(FAILS(qnx_strtonid("99999999999", NULL), EINVAL));
    CHECK(qnx_nidtostr(1, text, sizeof text) == 1 && !strcmp(text, "1"));
    CHECK(qnx_nidtostr(12345, text, 3) == 5 && !strcmp(text, "12") && FAILS(qnx_nidtostr(1, text, 0), EINVAL));
    CHECK(qnx_name_detach(0, name) == 0);
}

static int client_fd;

static void send_by_descriptor(void)
{
    char answer[6] = "";
    struct _mxfer_entry sent, got;
    CHECK(Sendfd(client_fd, "hello", answer, 6, 6) == 0 && !strcmp(answer, "hallo"));
    _setmx(&sent, "again", 6);
    _setmx(&got, answer, 6);
    CHECK(Sendfdmx(client_fd, 1, 1, &sent, &got) == 0 && !strcmp(answer, "hallo"));
    CHECK(FAILS(Sendfd(0, "", "", 0, 0), EBADF) && FAILS(Sendfd(-1, "", "", 0, 0), EBADF));
}

static void test_fd(void)
{
    struct _fd_entry entry;
    char text[6], number[16], descriptor[16];
    pid_t child;
    int i, fd = qnx_fd_attach(0, 30, 0, getpid(), getpid(), 0, 0), kept, copy;

    CHECK(fd == 30 && qnx_fd_attach(0, 30, 1, getpid(), 0, _FD_CLOSE_ON_EXEC, 0) == 31);
    CHECK(FAILS(qnx_fd_attach(0, 0, 2, getpid(), 0, 0, 0), EHOSTUNREACH));
    CHECK(FAILS(qnx_fd_attach(0, 0, 0, 0x7ffffff0, 0, 0, 0), ESRCH));
    CHECK(FAILS(qnx_fd_attach(0, 0, 0, getpid(), 1, 0, 0), EINVAL));
    CHECK(FAILS(qnx_fd_attach(0, -1, 0, getpid(), 0, 0, 0), EINVAL));
    CHECK(FAILS(qnx_fd_attach(1, 0, 0, 0, 0, 0, 7), ENOSYS));
    CHECK(qnx_fd_query(0, 0, 25, &entry) == 30 && entry.pid == getpid() && entry.vid == getpid() && entry.nid == 1);
    CHECK((entry.flags & _FD_CLOSE_ON_EXEC) == 0 && qnx_fd_query(PROC_PID, 0, 31, &entry) == 31);
    CHECK((entry.flags & _FD_CLOSE_ON_EXEC) != 0 && FAILS(qnx_fd_query(0, 0, 0x7ffffff0, &entry), EINVAL));
    CHECK(qnx_fd_query(0, 0, 0, &entry) == 0 && entry.pid == PROC_PID); /* a descriptor of Linux's */
    CHECK(FAILS(qnx_fd_query(0, 0x7ffffff0, 0, &entry), ESRCH) && FAILS(qnx_fd_query(5, 0, 0, &entry), ESRCH));
    copy = dup(fd);
    CHECK(qnx_fd_query(0, getppid(), 0, &entry) >= 0 || errno == EACCES);
    CHECK(close(fd) == 0 && qnx_fd_query(0, 0, copy, &entry) == copy && entry.pid == getpid());

    client_fd = copy; /* dup, fork */
    child = child_that(send_by_descriptor);
    for (i = 0; i < 2; i++) {
        CHECK(Receive(0, text, sizeof text) == child && Reply(child, "hallo", 6) == 0);
        CHECK(!strcmp(text, i == 0 ? "hello" : "again"));
    }
    CHECK(end_of(child) == 0);

    sprintf(number, "%d", getpid()); /* exec */
    sprintf(descriptor, "%d", copy);
    child = spawnl(P_NOWAIT, self, self, "fd-after-exec", descriptor, number, (char *)NULL);
    for (i = 0; i < 2; i++)
        CHECK(Receive(child, text, sizeof text) == child && Reply(child, "hallo", 6) == 0);
    CHECK(end_of(child) == 0);

    CHECK(qnx_fd_detach(copy) == 0 && FAILS(qnx_fd_detach(copy), EBADF) && FAILS(qnx_fd_detach(0), EBADF));
    kept = open("/dev/null", O_RDWR); /* the number is another's now */
    CHECK(kept >= 0 && FAILS(Sendfd(kept, "", "", 0, 0), EBADF));

    child = fork(); /* and the server's number may become another's: it is dead */
    if (child == 0)
        _exit(0);
    fd = qnx_fd_attach(0, 0, 0, child, child, 0, 0); /* a zombie, perhaps, by now */
    CHECK(fd >= 0 && end_of(child) == 0 && FAILS(Sendfd(fd, "", "", 0, 0), ESRCH));
}

static void fd_after_exec(char **argv)
{
    struct _fd_entry entry;
    client_fd = atoi(argv[2]);
    CHECK(qnx_fd_query(0, 0, client_fd, &entry) == client_fd && entry.pid == atoi(argv[3]));
    CHECK(FAILS(qnx_fd_detach(31), EBADF)); /* it was to be closed */
    send_by_descriptor();
}

static void test_prio(void)
{
    int begin = getprio(0), may;
    struct rlimit nice_limit;
    CHECK(begin >= 1 && begin <= 29 && getprio(getpid()) == begin);
    CHECK(FAILS(setprio(0, 0), EINVAL) && FAILS(setprio(0, 30), EINVAL) && FAILS(setprio(-3, 10), EINVAL));
    CHECK(FAILS(getprio(0x7ffffff0), ESRCH) && FAILS(getprio(-1), EINVAL) && FAILS(setprio(0x7ffffff0, 10), ESRCH));
    CHECK(setprio(0, 3) == begin && getprio(0) == 3);
    CHECK(qnx_scheduler(0, 0, -1, 2, 0) == 3 && getprio(0) == 2 && qnx_scheduler(0, 0, -1, -1, 1) == SCHED_FAIR);
    CHECK(FAILS(qnx_scheduler(7, 0, -1, -1, 0), EHOSTUNREACH) && FAILS(qnx_scheduler(0, 0, 77, -1, 0), EINVAL));
    CHECK(getrlimit(RLIMIT_NICE, &nice_limit) == 0);
    may = geteuid() == 0;
    if (may) {
        CHECK(setprio(0, 22) == 2 && getprio(0) == 22 && sched_getscheduler(0) == SCHED_RR);
        CHECK(qnx_scheduler(0, 0, SCHED_FIFO, 21, 1) == SCHED_RR && getprio(0) == 21);
        CHECK(sched_getscheduler(0) == SCHED_FIFO);
        CHECK(qnx_scheduler(0, 0, SCHED_OTHER, 10, 0) == 21 && getprio(0) == 10);
        CHECK(sched_getscheduler(0) == SCHED_OTHER);
    } else if (nice_limit.rlim_cur < 20 - 9) {
        CHECK(FAILS(setprio(0, 19), EPERM) && getprio(0) == 2);
    }
}

static pid_t server;

static void block_on_server(void) { Send(server, "x", NULL, 1, 0); }

static void wait_for_child(void)
{
    pid_t grandchild = child_that((void (*)(void))pause);
    Send(getppid(), &grandchild, NULL, sizeof grandchild, 0);
    end_of(grandchild);
}

static void receive_from_parent(void)
{
    char c;
    Receive(getppid(), &c, 1);
    for (;;)
        pause(); /* and hold whoever has sent */
}

static void test_psinfo(void)
{
    struct _psinfo info;
    struct _seginfo seg;
    pid_t pid, found, child, client, grandchild;
    int me = 0;
    char c;

    CHECK(qnx_psinfo(PROC_PID, 0, &info, 0, NULL) == getpid() && info.pid == getpid());
    CHECK(info.state == STATE_READY && info.blocked_on == 0 && info.un.proc.father == getppid());
    CHECK(info.pid_group == getpgrp() && info.euid == (short)geteuid() && info.rgid == (short)getgid());
    CHECK(info.priority == getprio(0) && (info.flags & (_PPF_MID | _PPF_VID)) == 0);
    CHECK(strstr(info.un.proc.name, "functions"));
    CHECK(labs((long)info.un.proc.start_time - (long)time(NULL)) < 60 && info.sid == (getsid(0) & 0xffff));
    signal(SIGUSR1, SIG_IGN);
    sigset_t usr2;
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    sigprocmask(SIG_BLOCK, &usr2, NULL);
    kill(getpid(), SIGUSR2);
    umask(027);
    memset(&seg, 7, sizeof seg);
    CHECK(qnx_psinfo(0, getpid(), &info, 3, &seg) == getpid() && seg.selector == 0 && seg.nbytes == 0);
    CHECK((info.signal_ignore & 1 << (SIGUSR1 - 1)) && (info.signal_mask & 1 << (SIGUSR2 - 1)));
    CHECK((info.signal_pending & 1 << (SIGUSR2 - 1)) && info.umask == 027);
    CHECK(FAILS(qnx_psinfo(99, 1, &info, 0, NULL), ESRCH) && FAILS(qnx_psinfo(1, -1, &info, 0, NULL), EINVAL));
    CHECK(FAILS(qnx_psinfo(1, 1, NULL, 0, NULL), EFAULT) && FAILS(qnx_psinfo(1, 0x7ffffff0, &info, 0, NULL), EINVAL));
    CHECK(qnx_pflags(~0, _PPF_SERVER, NULL, NULL) == 0);
    CHECK(qnx_psinfo(PROC_PID, 0, &info, 0, NULL) == getpid() && (info.flags & _PPF_SERVER));
    for (pid = 1; (found = qnx_psinfo(PROC_PID, pid, &info, 0, NULL)) != -1; pid = found + 1) {
        CHECK(found >= pid && info.pid == found);
        me += found == getpid();
    }
    CHECK(errno == EINVAL && me == 1);

    child = child_that((void (*)(void))pause); /* never called the library */
    CHECK(until_state(child, STATE_REPLY_BLOCKED, &info) && info.blocked_on == PROC_PID);
    CHECK(info.un.proc.father == getpid());
    CHECK(qnx_psinfo(1, getpid(), &info, 0, NULL) == getpid() && info.un.proc.son == child);
    server = child;
    client = child_that(block_on_server);
    CHECK(until_state(client, STATE_SEND_BLOCKED, &info) && info.blocked_on == child);
    CHECK(qnx_psinfo(1, child, &info, 0, NULL) == child && info.un.proc.brother == client);
    kill(client, SIGSTOP);
    CHECK(until_state(client, STATE_HELD, &info) && info.blocked_on == child);
    kill(client, SIGCONT);
    CHECK(until_state(client, STATE_SEND_BLOCKED, &info));
    kill(child, SIGKILL);
    CHECK(until_state(child, STATE_DEAD, &info) && WTERMSIG(end_of(child)) == SIGKILL && end_of(client) == 0);

    child = child_that(receive_from_parent);
    CHECK(until_state(child, STATE_RECEIVE_BLOCKED, &info) && info.blocked_on == getpid());
    server = child;
    client = child_that(block_on_server);
    CHECK(until_state(client, STATE_SEND_BLOCKED, &info)); /* not the one that it wants */
    kill(client, SIGKILL);
    end_of(client);
    server = getpid();
    client = child_that(block_on_server);
    CHECK(Receive(client, &c, 1) == client && until_state(client, STATE_REPLY_BLOCKED, &info));
    CHECK(info.blocked_on == getpid());
    CHECK(Reply(client, NULL, 0) == 0 && end_of(client) == 0);
    kill(child, SIGKILL);
    end_of(child);

    child = child_that(wait_for_child);
    CHECK(Receive(child, &grandchild, sizeof grandchild) == child && Reply(child, NULL, 0) == 0);
    CHECK(until_state(child, STATE_WAIT_BLOCKED, &info) && info.un.proc.son == grandchild);
    kill(grandchild, SIGKILL);
    CHECK(end_of(child) == 0);
}

static void test_psinfo_proxies(void)
{
    struct _psinfo info;
    pid_t proxy = qnx_proxy_attach(0, "x", 1, 7), pid, found;
    int seen = 0;
    CHECK(proxy > 0 && qnx_psinfo(PROC_PID, proxy, &info, 0, NULL) == proxy);
    CHECK((info.flags & _PPF_MID) && info.un.mproc.count == 0 && info.priority == 7);
    CHECK(info.blocked_on == getpid() && info.state == STATE_RECEIVE_BLOCKED);
    CHECK(Trigger(proxy) == getpid() && Trigger(proxy) == getpid());
    CHECK(qnx_psinfo(PROC_PID, proxy, &info, 0, NULL) == proxy && info.un.mproc.count == 2);
    CHECK(info.state == STATE_SEND_BLOCKED);
    for (pid = 1; (found = qnx_psinfo(PROC_PID, pid, &info, 0, NULL)) != -1; pid = found + 1)
        seen += found == proxy && (info.flags & _PPF_MID);
    CHECK(seen == 1 && qnx_proxy_detach(proxy) == 0);
    CHECK(qnx_psinfo(PROC_PID, proxy, &info, 0, NULL) != proxy);
}

static void test_spawn(void)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)"exit ${CODE:-5}", NULL}, *envp[] = {(char *)"CODE=6", NULL};
    int status;
    pid_t pid;
    unsetenv("CODE");
    CHECK(WEXITSTATUS(spawnl(P_WAIT, "/bin/sh", "sh", "-c", "exit 3", (char *)NULL)) == 3);
    CHECK(WEXITSTATUS(spawnlp(P_WAIT, "sh", "sh", "-c", "exit 4", (char *)NULL)) == 4);
    CHECK(WEXITSTATUS(spawnle(P_WAIT, "/bin/sh", "sh", "-c", "exit $CODE", (char *)NULL, envp)) == 6);
    CHECK(WEXITSTATUS(spawnlpe(P_WAIT, "sh", "sh", "-c", "exit $CODE", (char *)NULL, envp)) == 6);
    CHECK(WEXITSTATUS(spawnv(P_WAIT, "/bin/sh", argv)) == 5 && WEXITSTATUS(spawnvp(P_WAIT, "sh", argv)) == 5);
    CHECK(WEXITSTATUS(spawnve(P_WAIT, "/bin/sh", argv, envp)) == 6);
    CHECK(WEXITSTATUS(spawnvpe(P_WAIT, "sh", argv, envp)) == 6);
    CHECK(WTERMSIG(spawnlp(P_WAIT, "sh", "sh", "-c", "kill -9 $$", (char *)NULL)) == SIGKILL);
    CHECK((pid = spawnlp(P_NOWAIT, "sh", "sh", "-c", "exit 7", (char *)NULL)) > 0);
    CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
    CHECK((pid = spawnlp(P_NOWAITO, "sh", "sh", "-c", "exit 7", (char *)NULL)) > 0);
    CHECK(FAILS(waitpid(pid, &status, 0), ECHILD) && FAILS(wait(&status), ECHILD));
    CHECK(FAILS(spawnlp(P_WAIT, "no/such", "x", (char *)NULL), ENOENT));
    CHECK(FAILS(spawnlp(P_NOWAITO, "no/such", "x", (char *)NULL), ENOENT));
    CHECK(FAILS(spawnlp(P_OVERLAY, "no/such", "x", (char *)NULL), ENOENT));
    CHECK(FAILS(spawnlp(99, "sh", "x", (char *)NULL), EINVAL));
    if ((pid = fork()) == 0) {
        spawnl(P_OVERLAY, "/bin/sh", "sh", "-c", "exit 8", (char *)NULL);
        _exit(1);
    }
    CHECK(WEXITSTATUS(end_of(pid)) == 8);
}

static void test_misc(void)
{
    char text[70], letters[] = "aBc1";
    CHECK(!strcmp(itoa(-12, text, 10), "-12") && !strcmp(itoa(-1, text, 16), "ffffffff"));
    CHECK(!strcmp(itoa(0, text, 2), "0"));
    CHECK(!strcmp(utoa(4000000000u, text, 10), "4000000000") && !strcmp(ultoa(35, text, 36), "z"));
    CHECK(!strcmp(ltoa(-2147483647L - 1, text, 10), "-2147483648") && !strcmp(itoa(5, text, 37), ""));
    CHECK(strlen(ultoa(~0UL, text, 2)) == 8 * sizeof(long));
    CHECK(!stricmp("HeLLo", "hEllO") && stricmp("a", "B") < 0 && !strcmpi("X", "x") && !strnicmp("abX", "ABy", 2));
    CHECK(!strcmp(strupr(letters), "ABC1") && !strcmp(strlwr(letters), "abc1"));
    CHECK(strstr(srr_strerror(EDSTFAULT), "address") && strcmp(srr_strerror(EOK), strerror(1012)));
    CHECK(!strcmp(srr_strerror(ESRCH), strerror(ESRCH)) && strstr(srr_strerror(ENOLIC), "licence"));
}

/* On a terminal: the test types. */
static int keys(void)
{
    int c;
    if (kbhit() != 0 || ungetch('u') != 'u' || ungetch('v') != EOF || kbhit() != 1 || getch() != 'u')
        return 2;
    cputs("ready\r\n");
    while ((c = getch()) != 'q')
        if (putch(c == 'e' ? getche() : c + 1) == EOF)
            return 3;
    return 0;
}

int main(int argc, char **argv)
{
    char *what = argc > 1 ? argv[1] : (char *)"";
    self = argv[0];
    if (!strcmp(what, "names"))
        test_names(), test_names_of_others();
    else if (!strcmp(what, "vc"))
        test_vc();
    else if (!strcmp(what, "fd"))
        test_fd();
    else if (!strcmp(what, "fd-after-exec"))
        fd_after_exec(argv);
    else if (!strcmp(what, "prio"))
        test_prio();
    else if (!strcmp(what, "psinfo"))
        test_psinfo(), test_psinfo_proxies();
    else if (!strcmp(what, "spawn"))
        test_spawn();
    else if (!strcmp(what, "misc"))
        test_misc();
    else if (!strcmp(what, "keys"))
        return keys();
    else
        return 99;
    return failures != 0;
}
