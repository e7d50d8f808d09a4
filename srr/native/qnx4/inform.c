/*
 * inform.c - see inform.h.
 *
 * On QNX4 the process manager sent the message, and the process waited for the reply before it was gone. Linux tells
 * only the privileged (CAP_NET_ADMIN, not in a container) of every process's end, through the netlink connector.
 * Without it a thread of our own holds a pidfd of each process of this user's, which becomes readable at its death, and
 * looks through /proc for new ones: at the start, after each fork() of ours, when we have received from one that it
 * doesn't know, and SCAN_MS apart. A process that is neither our child nor our client and lives shorter than that may
 * go unnoticed.
 *
 * The thread has a table of descriptors of its own: the pidfds are not the program's to see, to fork or to run out of,
 * and they are closed when the thread ends.
 */
#define _GNU_SOURCE
#include "inform.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sys/sys_msg.h>

#include <srr.h>

#include "proc.h"

#define SCAN_MS 100
#define LAST_THREAD_MS 20 /* between the news of a process's end and the end */
#define PIDS (1 << 22) /* numbers that Linux gives to processes */
#define ANNOUNCED_MAX 1024

struct death_message {
    struct _sysmsg_hdr header;
    struct _sysmsg_death body;
};
_Static_assert(sizeof(struct death_message) <= 64, "fits a notice");

/* One watch. All of it belongs to one process: a forked child begins with none. */
static struct {
    int bell;              /* an eventfd: scan now, or end */
    int epoll, news;       /* the thread's. -1: no news from the kernel, we look ourselves */
    _Atomic uint64_t *known; /* a bit a pid, while the thread holds its pidfd */
    sem_t begun;
    int error;             /* why the thread could not begin */
    pthread_t thread;
} watch;

atomic_int inform_owner;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t announced[ANNOUNCED_MAX]; /* under the lock: told, not replied to */
static unsigned next_announced;

/* Not close(), which spares what is ours (close.c): in the thread's own table these numbers are others. */
static void shut(int fd) { syscall(SYS_close, fd); }

static bool is_watching(void) { return atomic_load_explicit(&inform_owner, memory_order_relaxed) != 0; }

static bool is_known(pid_t pid)
{
    return pid <= 0 || pid >= PIDS || (atomic_load(&watch.known[pid / 64]) >> pid % 64 & 1) != 0;
}

static void wake_watcher(void)
{
    uint64_t one = 1;
    ssize_t n = write(watch.bell, &one, sizeof one);
    (void)n; /* full: it is awake */
}

/* A process of ours, not a thread and not the kernel's. */
static bool is_ours(pid_t pid)
{
    char path[64], text[8];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d", pid);
    if (pid == getpid() || stat(path, &st) != 0 || st.st_uid != geteuid())
        return false;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    return readlink(path, text, sizeof text) >= 0 || errno != ENOENT ||
           waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The descriptor is epoll's now. */
static bool wait_for_end(pid_t pid, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)fd << 32 | (uint32_t)pid};
    if (epoll_ctl(watch.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return false;
    atomic_fetch_or(&watch.known[pid / 64], UINT64_C(1) << pid % 64);
    return true;
}

static void watch_process(pid_t pid)
{
    if (is_known(pid) || !is_ours(pid))
        return;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd >= 0 && !wait_for_end(pid, fd)) /* < 0: gone already, or no descriptors left: the next scan tries again */
        shut(fd);
}

/*
 * A child that was announced stays in /proc until its parent waits for it, and must not be found there a second time.
 * Only the thread's.
 */
static struct zombie {
    pid_t pid;
    unsigned long long start;
} *zombies;
static size_t zombies_count, zombies_room;

static void forget(pid_t pid) { atomic_fetch_and(&watch.known[pid / 64], ~(UINT64_C(1) << pid % 64)); }

static void leave_in_peace(pid_t pid)
{
    unsigned long long start = proc_start(pid);
    if (start != 0 && zombies_count == zombies_room) {
        size_t room = 2 * zombies_room + 16;
        struct zombie *more = realloc(zombies, room * sizeof *more);
        if (more) {
            zombies = more;
            zombies_room = room;
        }
    }
    if (start != 0 && zombies_count < zombies_room)
        zombies[zombies_count++] = (struct zombie){pid, start};
    else
        forget(pid);
}

static void look_after_zombies(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < zombies_count; i++)
        if (proc_start(zombies[i].pid) == zombies[i].start)
            zombies[kept++] = zombies[i];
        else
            forget(zombies[i].pid);
    zombies_count = kept;
}

static void scan(void)
{
    look_after_zombies();
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end == 0 && pid > 0)
            watch_process((pid_t)pid);
    }
    if (dir)
        closedir(dir);
}

/* How it ended: only a child tells, and only until its parent has waited for it. */
static struct _sysmsg_death how(pid_t pid)
{
    struct _sysmsg_death death = {0, 0};
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != pid)
        return death;
    if (info.si_code == CLD_EXITED) {
        death.xstatus = W_EXITCODE(info.si_status, 0);
    } else {
        death.signum = (int16_t)info.si_status;
        death.xstatus = W_EXITCODE(0, info.si_status);
    }
    return death;
}

static void announce(pid_t pid, struct _sysmsg_death death)
{
    struct death_message message = {{_SYSMSG, _SYSMSG_SUBTYPE_DEATH}, death};
    pthread_mutex_lock(&lock);
    announced[next_announced++ % ANNOUNCED_MAX] = pid;
    pthread_mutex_unlock(&lock);
    srr_notify(pid, &message, sizeof message);
}

static void bury(pid_t pid, int fd)
{
    struct _sysmsg_death death = how(pid);
    epoll_ctl(watch.epoll, EPOLL_CTL_DEL, fd, NULL);
    shut(fd);
    if (watch.news < 0)
        leave_in_peace(pid);
    else
        forget(pid);
    announce(pid, death);
}

/* One event, into `ret_event`. False: there is none, or it is nonsense. */
static bool read_event(int news, struct proc_event *ret_event)
{
    char text[512] __attribute__((aligned(NLMSG_ALIGNTO)));
    ssize_t n = recv(news, text, sizeof text, 0);
    if (n < (ssize_t)(NLMSG_HDRLEN + sizeof(struct cn_msg) + offsetof(struct proc_event, event_data)))
        return false;
    memset(ret_event, 0, sizeof *ret_event);
    size_t length = (size_t)n - NLMSG_HDRLEN - sizeof(struct cn_msg);
    memcpy(ret_event, text + NLMSG_HDRLEN + sizeof(struct cn_msg),
           length < sizeof *ret_event ? length : sizeof *ret_event);
    return true;
}

/* A socket that tells of every process's end, or -1: we may not have one, or it stays silent (containers). */
static int listen_to_kernel(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
    const enum proc_cn_mcast_op what = PROC_CN_MCAST_LISTEN;
    char order[NLMSG_HDRLEN + sizeof(struct cn_msg) + sizeof what];
    struct nlmsghdr netlink = {.nlmsg_len = sizeof order, .nlmsg_type = NLMSG_DONE};
    struct cn_msg connector = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof what};
    struct proc_event event;
    int size = 1 << 20;
    memset(order, 0, sizeof order);
    memcpy(order, &netlink, sizeof netlink);
    memcpy(order + NLMSG_HDRLEN, &connector, sizeof connector);
    memcpy(order + NLMSG_HDRLEN + sizeof connector, &what, sizeof what);
    int news = socket(PF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
    struct pollfd p = {.fd = news, .events = POLLIN};
    if (news < 0)
        return -1;
    setsockopt(news, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    /* The kernel confirms at once: an event of no kind. */
    if (bind(news, (struct sockaddr *)&address, sizeof address) == 0 && send(news, order, sizeof order, 0) >= 0 &&
        poll(&p, 1, SCAN_MS) == 1 && read_event(news, &event))
        return news;
    shut(news);
    return -1;
}

static void hear(int news)
{
    struct proc_event event;
    if (!read_event(news, &event) || event.what != PROC_EVENT_EXIT ||
        event.event_data.exit.process_pid != event.event_data.exit.process_tgid)
        return;
    int status = (int)event.event_data.exit.exit_code;
    pid_t pid = event.event_data.exit.process_tgid;
    /* Its first thread has left; mostly that was all. If others go on, their end is awaited; it tells no status. */
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    if (end.fd >= 0 && poll(&end, 1, LAST_THREAD_MS) == 0 && wait_for_end(pid, end.fd))
        return;
    if (end.fd >= 0)
        shut(end.fd);
    announce(pid, (struct _sysmsg_death){(int16_t)(WIFSIGNALED(status) ? WTERMSIG(status) : 0), status});
}

#define BELL UINT64_C(0) /* what an event is about: these, or descriptor and pid */
#define NEWS UINT64_MAX

static int add(int fd, uint64_t what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};
    return epoll_ctl(watch.epoll, EPOLL_CTL_ADD, fd, &event);
}

/* In the thread: its own descriptors. */
static int begin(void)
{
    unsigned bell = (unsigned)watch.bell;
    if (unshare(CLONE_FILES) != 0 || (bell > 0 && syscall(SYS_close_range, 0, bell - 1, 0) != 0) ||
        syscall(SYS_close_range, bell + 1, ~0u, 0) != 0)
        return -errno;
    watch.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (watch.epoll < 0 || add(watch.bell, BELL) != 0)
        return -errno;
    watch.news = listen_to_kernel();
    if (watch.news >= 0)
        return add(watch.news, NEWS) == 0 ? 0 : -errno;
    scan();
    return 0;
}

static void *watcher(void *unused)
{
    struct epoll_event events[64];
    (void)unused;
    int error = watch.error = begin();
    sem_post(&watch.begun);
    while (error == 0) {
        int n = epoll_wait(watch.epoll, events, 64, watch.news < 0 ? SCAN_MS : -1);
        if (!is_watching())
            break;
        for (int i = 0; i < n; i++) {
            uint64_t rings, what = events[i].data.u64;
            if (what == NEWS)
                hear(watch.news);
            else if (what != BELL)
                bury((pid_t)(uint32_t)what, (int)(what >> 32));
            else if (read(watch.bell, &rings, sizeof rings) < 0)
                continue;
        }
        if (watch.news < 0)
            scan();
    }
    return NULL; /* and its descriptors are closed with it */
}

/* Our own children are seen before their parent can have waited for them, however short they live... */
static void after_fork_in_parent(void)
{
    if (is_watching())
        wake_watcher();
}

/* ...and in the child nobody watches. */
static void after_fork_in_child(void)
{
    if (!is_watching())
        return;
    atomic_store(&inform_owner, 0);
    shut(watch.bell);
    zombies_count = 0;
    pthread_mutex_init(&lock, NULL); /* its holder may have been another thread */
    memset(announced, 0, sizeof announced);
}

static void prepare(void) { pthread_atfork(NULL, after_fork_in_parent, after_fork_in_child); }

static void release_watch(void)
{
    atomic_store(&inform_owner, 0);
    sem_destroy(&watch.begun);
    shut(watch.bell);
    free(watch.known);
}

static int start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's handlers are not for this thread */
    int r = pthread_create(&watch.thread, NULL, watcher, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return -EAGAIN;
    while (sem_wait(&watch.begun) != 0)
        ; /* a handler ran */
    if (watch.error != 0)
        pthread_join(watch.thread, NULL);
    return watch.error;
}

int inform_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (is_watching())
        return 0;
    pthread_once(&once, prepare);
    int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell < 0)
        return -errno;
    watch.bell = fcntl(bell, F_DUPFD_CLOEXEC, 60); /* out of the program's way; close.c keeps it */
    int error = errno;
    shut(bell);
    if (watch.bell < 0)
        return -error;
    watch.known = calloc(PIDS / 64, sizeof *watch.known);
    sem_init(&watch.begun, 0, 0);
    atomic_store(&inform_owner, getpid());
    int r = watch.known ? start_thread() : -ENOMEM;
    if (r < 0)
        release_watch();
    return r;
}

void inform_end(void)
{
    if (!is_watching())
        return;
    atomic_store(&inform_owner, 0);
    wake_watcher();
    pthread_join(watch.thread, NULL);
    release_watch();
}

int inform_descriptor(void) { return is_watching() ? watch.bell : -1; }

void inform_look_at(pid_t pid)
{
    if (!is_known(pid))
        wake_watcher();
}

bool inform_acknowledge(pid_t pid)
{
    bool found = false;
    if (!is_watching())
        return false;
    srr_signals_hold();
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < ANNOUNCED_MAX && !found; i++)
        if (announced[i] == pid) {
            announced[i] = 0;
            found = true;
        }
    pthread_mutex_unlock(&lock);
    srr_signals_release();
    return found;
}
