/*
 * main.c - srr-helper: introduces processes of different users to each other. docs/man8/srr-helper.8 is its manual.
 *
 * It begins with what it was started with, gets its socket, and gives up all that it does not need for the rest of
 * its life: its user, capabilities, system calls. Only then it listens to anybody.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

#include "broker.h"
#include "confine.h"
#include "janitor.h"
#include "listen.h"
#include "log.h"
#include "notify.h"
#include "transfer.h"

#ifndef SRR_VERSION
#define SRR_VERSION "of no version"
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#endif

_Static_assert(4 * (UNREAD_TOTAL + PROCESSES) < FILES_MOST, "what is on its way counts against the same limit");

static const char usage[] =
    "Usage: srr-helper [--socket PATH] [--transfer]   for all users, as root; it goes on as user srr, or nobody\n"
    "       srr-helper --user [--socket PATH]         for your own processes only\n"
    "\n"
    "Introduces processes that may not open each other's memory, so that they can Send, Receive and Reply.\n"
    "\n"
    "  --socket PATH   where processes find it, as their SRR_HELPER says (" HELPER_SOCKET ",\n"
    "                  with --user $XDG_RUNTIME_DIR/srr/helper.sock)\n"
    "  --transfer      also move bytes between them; enabling this is trusting it like root\n"
    "  --version\n"
    "  --help\n"
    "\n"
    "systemd starts it by srr-helper.socket. Manual: srr-helper(8).\n";

/* All that the broker does from now on. */
static const struct allowed calls[] = {
    {SYS_epoll_pwait, -1, 0},
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, -1, 0},
#endif
#ifdef SYS_poll
    {SYS_poll, -1, 0},
#endif
    {SYS_ppoll, -1, 0},
    {SYS_epoll_ctl, -1, 0},
    {SYS_clock_gettime, -1, 0},
    {SYS_accept4, -1, 0},
    {SYS_getsockopt, -1, 0},
    {SYS_recvmsg, -1, 0},
    {SYS_sendmsg, -1, 0},
    {SYS_shutdown, -1, 0},
    {SYS_ioctl, 1, SIOCOUTQ},
    {SYS_fcntl, 1, F_ADD_SEALS},
    {SYS_fcntl, 1, F_GET_SEALS},
    {SYS_fcntl, 1, F_GETLK},
    {SYS_memfd_create, -1, 0},
    {SYS_ftruncate, -1, 0},
    {SYS_pwrite64, -1, 0},
    {SYS_mmap, 2, PROT_READ | PROT_WRITE},
    {SYS_munmap, -1, 0},
    {SYS_futex, 1, FUTEX_WAKE},
    {SYS_getrandom, -1, 0},
    {SYS_close, -1, 0},
    {SYS_write, -1, 0},
    {SYS_restart_syscall, -1, 0},
    {SYS_exit_group, -1, 0},
    {SYS_pidfd_send_signal, 1, SIGKILL}, /* the last: with --transfer only, to a worker that takes too long */
};

static _Noreturn void fail(const char *what, int error)
{
    log_line(3, "%s: %s", what, strerror(error));
    exit(EXIT_CANNOT);
}

/* The kernel itself must say which process is at the other end. */
static void check_kernel(void)
{
    int pair[2], pidfd;
    socklen_t size = sizeof pidfd;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        fail("socketpair", errno);
    if (getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) != 0) {
        log_line(3, "this kernel does not tell who is at the other end (SO_PEERPIDFD). Linux 6.5 or newer is needed");
        exit(EXIT_CANNOT);
    }
    close(pidfd);
    close(pair[0]);
    close(pair[1]);
}

static void wake_up(int signo) { (void)signo; } /* SIGALRM: that close() ends is all (janitor.c) */

static void set_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, wake = {.sa_handler = wake_up};
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGHUP);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL); /* stderr may be a large file */
    sigaction(SIGALRM, &wake, NULL);
    sigprocmask(SIG_SETMASK, &ends, NULL);
    broker.signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    if (broker.signals < 0)
        fail("signalfd", errno);
}

static void set_limits(void)
{
    const struct rlimit files = {FILES_MOST, FILES_MOST}, size = {PAIR_SIZE, PAIR_SIZE};
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
        log_line(3, "needs %u open files: raise the hard limit (ulimit -H -n; LimitNOFILE=)", (unsigned)FILES_MOST);
        exit(EXIT_CANNOT);
    }
    if (setrlimit(RLIMIT_FSIZE, &size) != 0)
        fail("RLIMIT_FSIZE", errno);
}

static void drop_privileges(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    if (geteuid() == 0) {
        const struct passwd *user = getpwnam("srr");
        if (!user)
            user = getpwnam("nobody");
        if (!user || user->pw_uid == 0) {
            log_line(3, "there is neither a user srr nor nobody to go on as. Make one: useradd --system srr");
            exit(EXIT_CANNOT);
        }
        for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
            ;
        if (setgroups(0, NULL) != 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
            setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
            fail("becoming another user", errno);
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) != 0)
        fail("giving up capabilities", errno);
}

/* Now, so that memory can not run out later. */
static void touch_memory(void)
{
    volatile char *memory = (volatile char *)&broker;
    for (size_t i = 0; i < sizeof broker; i += PAGE)
        memory[i] = memory[i];
}

static char *path_of_user(void)
{
    static char path[256];
    const char *folder = getenv("XDG_RUNTIME_DIR");
    if (!folder || *folder != '/') {
        log_line(3, "XDG_RUNTIME_DIR is not set: name the socket with --socket PATH");
        exit(EXIT_USAGE);
    }
    snprintf(path, sizeof path, "%s/srr/helper.sock", folder);
    return path;
}

static _Noreturn void show(const char *text)
{
    fputs(text, stdout);
    exit(fflush(stdout) == 0 ? 0 : EXIT_CANNOT);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"socket", required_argument, NULL, 's'}, {"user", no_argument, NULL, 'u'},
        {"transfer", no_argument, NULL, 't'},     {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *path = NULL;
    bool is_users = false, transfers = false, is_wrong = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 's': path = optarg; break;
        case 'u': is_users = true; break;
        case 't': transfers = true; break;
        case 'v': show("srr-helper " SRR_VERSION "\n");
        case 'h': show(usage);
        default: is_wrong = true;
        }
    if (!is_wrong && optind != argc)
        fprintf(stderr, "srr-helper: unexpected argument '%s'\n", argv[optind]);
    else if (!is_wrong && is_users && transfers)
        fputs("srr-helper: --user and --transfer: your own processes need nobody else to move their bytes\n", stderr);
    if (is_wrong || optind != argc || (is_users && transfers)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return EXIT_CANNOT;
    int inherited = listen_inherited();
    syscall(SYS_close_range, inherited < 0 ? 3u : 4u, ~0u, 0u);
    check_kernel();
    set_signals();
    if (inherited < 0 && !path)
        path = is_users ? path_of_user() : HELPER_SOCKET;
    broker.listener = inherited >= 0 ? inherited : listen_at(path);
    broker.only_uid = listener_uid(broker.listener);
    broker.serves_all = broker.only_uid == 0 && !is_users;
    if (transfers) {
        int r = transfer_start();
        if (r < 0)
            fail("--transfer", -r);
        broker.is_transferring = true;
    }
    notify_open();
    set_limits();
    drop_privileges();
    touch_memory();
    broker.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (broker.epoll < 0)
        fail("epoll", errno);
    transfer_watch();
    int r = janitor_start(FILES_MOST);
    if (r == 0)
        r = confine_process();
    if (r == 0)
        r = confine_calls(calls, sizeof calls / sizeof calls[0] - !transfers);
    if (r < 0)
        fail("confining it", -r);
    /* Point of no return: nobody has been listened to so far. */
    broker.began = kernel_now();
    notify_ready();
    if (inherited < 0)
        log_line(6, "listens at %s", path);
    r = broker_run();
    notify_stopping();
    if (r < 0)
        fail("waiting", -r);
    return 0;
}
