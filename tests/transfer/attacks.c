/*
 * attacks.c - attacks NAME MOVER VICTIM PLAIN FOLDER: tries one attack, as root, and says in words "key=value" what
 * came of it. What must come of it says test_attacks.py. VICTIM is victim.c, set-uid root; PLAIN the same program,
 * without; FOLDER is ours.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "layout.h"
#include "stage.h"
#include "worker.h"

static const char *victim, *plain;
static char file[256];
static bool with_sibling;

static void say(const char *prefix, struct outcome outcome)
{
    unsigned long long moved = outcome.moved;
    printf("%serror=%d %smoved=%llu %sfirst=%c ", prefix, outcome.error, prefix, moved, prefix, outcome.first);
}

/* --- exec of a set-uid program in mid-transfer ----------------------------------------------------------------- */

static _Noreturn int sibling(void *unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}

static void exec_victim(void)
{
    static char stack[16384];
    hear(TALK);
    if (with_sibling) /* keeps the old address space, and the old table of descriptors with its locks */
        CHECK(clone(sibling, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_PARENT | SIGCHLD, NULL) > 0);
    execl(victim, victim, NULL);
}

static void attack_exec(bool is_out)
{
    struct lender lender = lender_start(&(struct role){.act = exec_victim, .uid = ALICE});
    say("before_", stage_move(&lender, false, 4096)); /* a worker is there, and knows the lender */
    memset(stage.window, 'w', WINDOW_SIZE);
    tell(lender.talk, 'e');
    CHECK(hear(lender.talk) == 'S');
    say("", stage_move(&lender, is_out, 4096));
    tell(lender.talk, '?');
    printf("there=%c ", hear(lender.talk));
}

static void cycle(void) { execl(plain, plain, "cycle", "3000", victim, NULL); }

static void attack_race(void)
{
    struct lender lender = lender_start(&(struct role){.act = cycle, .uid = ALICE});
    unsigned long reads = 0, denied = 0, own = 0, secret = 0;
    for (struct pollfd dead = {.fd = lender.pidfd, .events = POLLIN}; poll(&dead, 1, 0) == 0; reads++) {
        *stage.window = 'w';
        struct outcome outcome = stage_move(&lender, false, 64);
        denied += outcome.error == EPERM;
        own += outcome.first == 'm';
        secret += outcome.first == 'S';
    }
    printf("reads=%lu denied=%lu own=%lu secret=%lu ", reads, denied, own, secret);
}

/* --- another process with the lender's pid --------------------------------------------------------------------- */

static void secret(void) { map_memory('S'); }

static void attack_reuse(uid_t uid, bool is_out)
{
    struct lender lender = lender_start(&(struct role){.uid = ALICE}), stranger;
    lender_end(&lender);
    stranger = lender_start(&(struct role){.prepare = secret, .uid = uid, .pid = lender.pid});
    CHECK(stranger.pid == lender.pid);
    say("", stage_move(&lender, is_out, 4096));
    tell(stranger.talk, '?');
    printf("there=%c ", hear(stranger.talk));
}

/* --- whom the kernel does not let its user into ---------------------------------------------------------------- */

static void attack_role(struct role role)
{
    role.prepare = secret;
    struct lender alice = lender_start(&(struct role){.uid = ALICE}), lender = lender_start(&role);
    say("before_", stage_move(&alice, false, 4096));
    memset(stage.window, 'w', WINDOW_SIZE);
    say("", stage_move(&lender, false, 4096));
}

static void attack_root(void)
{
    struct lender lender = lender_start(&(struct role){.prepare = secret, .uid = 0});
    printf("error=%d ", stage_worker(&lender));
}

/* --- memory that does not answer ------------------------------------------------------------------------------- */

static void map_fuse(void)
{
    int fd = open(file, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(mmap(MEMORY, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == MEMORY);
    close(fd);
}

static void map_userfault(void)
{
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC), fault = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register range = {.range = {(uintptr_t)MEMORY, MEMORY_SIZE}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    CHECK(fault >= 0 && ioctl(fault, UFFDIO_API, &api) == 0);
    CHECK(mmap(MEMORY, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MEMORY);
    CHECK(ioctl(fault, UFFDIO_REGISTER, &range) == 0);
}

/* No report within the deadline. */
static bool is_stalled(void)
{
    struct pollfd report = {.fd = stage.worker, .events = POLLIN};
    return poll(&report, 1, 100) == 0;
}

static void kill_and_go_on(const struct lender *good)
{
    printf("killed_ms=%.2f ", stage_kill());
    stage.worker = -1; /* dead or not, it is given up */
    int64_t began = now();
    say("after_", stage_move(good, false, 4096));
    printf("fresh_ms=%.2f ", (double)(now() - began) / 1e6);
}

static void attack_stall(void (*prepare)(void), bool is_out)
{
    struct lender good = lender_start(&(struct role){.uid = ALICE});
    struct lender lender = lender_start(&(struct role){.prepare = prepare, .uid = ALICE});
    stage_order(&lender, is_out, 4096);
    printf("stalled=%d ", is_stalled());
    if (!is_stalled())
        say("", stage_report());
    kill_and_go_on(&good);
}

/* The user stops his own worker; then also while it stalls, which makes it deaf for every signal but one. */
static void attack_stop(bool is_stalling)
{
    struct lender good = lender_start(&(struct role){.uid = ALICE});
    struct lender lender = lender_start(&(struct role){.prepare = is_stalling ? map_fuse : NULL, .uid = ALICE});
    stage_worker(&lender);
    if (is_stalling) {
        stage_order(&lender, false, 4096);
        CHECK(is_stalled());
    }
    CHECK(kill(stage.worker_pid, SIGSTOP) == 0);
    if (!is_stalling)
        stage_order(&lender, false, 4096);
    printf("stalled=%d ", is_stalled());
    CHECK(kill(stage.worker_pid, SIGALRM) == 0); /* what a timer of its own would send */
    printf("own_timer_helps=%d ", !is_stalled());
    kill_and_go_on(&good);
}

/* The spawner ends while a worker stalls: nothing stays. */
static void attack_orphan(void)
{
    struct lender lender = lender_start(&(struct role){.prepare = map_fuse, .uid = ALICE});
    stage_order(&lender, false, 4096);
    CHECK(is_stalled());
    struct pollfd dead = {.fd = stage.pidfd, .events = POLLIN};
    CHECK(kill(stage.spawner_pid, SIGKILL) == 0); /* as it ends itself when the broker has gone */
    printf("gone=%d ", poll(&dead, 1, 5000));
}

/* --- what its user can do to it -------------------------------------------------------------------------------- */

static int failure(long r) { return r < 0 ? errno : 0; }

static void try_all(const char *prefix, pid_t pid)
{
    char path[64], bytes[64];
    static const char *const files[] = {"mem", "maps", "environ", "fd", "exe", "stack"};
    struct iovec here = {bytes, sizeof bytes}, there = {(void *)(uintptr_t)&say, sizeof bytes};
    struct rlimit limit = {0, 0};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
        int fd = strcmp(files[i], "exe") == 0 ? (int)readlink(path, bytes, sizeof bytes) : open(path, O_RDONLY);
        printf("%s%s=%d ", prefix, files[i], failure(fd));
    }
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    printf("%sgetfd=%d ", prefix, failure(syscall(SYS_pidfd_getfd, pidfd, 0, 0)));
    printf("%sread=%d ", prefix, failure(process_vm_readv(pid, &here, 1, &there, 1, 0)));
    printf("%sprlimit=%d ", prefix, failure(prlimit(pid, RLIMIT_CPU, NULL, &limit)));
    printf("%snice=%d ", prefix, failure(setpriority(PRIO_PROCESS, (id_t)pid, 19)));
    printf("%strace=%d ", prefix, failure(ptrace(PTRACE_SEIZE, pid, 0, 0)));
    printf("%sstop=%d ", prefix, failure(kill(pid, SIGSTOP)));
    printf("%skill=%d ", prefix, failure(kill(pid, SIGKILL)));
    fflush(stdout);
}

static struct lender easy;
static void do_all(void)
{
    pid_t pid;
    CHECK(read(TALK, &pid, sizeof pid) == sizeof pid);
    try_all("easy_", easy.pid);
    try_all("", pid);
    tell(TALK, 'd');
}

static void attack_worker(void)
{
    struct lender lender = lender_start(&(struct role){.uid = ALICE});
    easy = lender_start(&(struct role){.uid = ALICE});
    struct lender attacker = lender_start(&(struct role){.act = do_all, .uid = ALICE});
    say("before_", stage_move(&lender, false, 4096));
    CHECK(write(attacker.talk, &stage.worker_pid, sizeof stage.worker_pid) == sizeof stage.worker_pid);
    CHECK(hear(attacker.talk) == 'd');
    struct pollfd dead = {.fd = stage.pidfd, .events = POLLIN};
    CHECK(poll(&dead, 1, 1000) == 1);
    say("after_", (stage.worker = -1, stage_move(&lender, false, 4096)));
}

/* What the kernel says of both. */
static void show_status(void)
{
    struct lender lender = lender_start(&(struct role){.uid = ALICE});
    stage_move(&lender, false, 4096);
    for (int i = 0; i < 2; i++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/status", i == 0 ? stage.spawner_pid : stage.worker_pid);
        FILE *status = fopen(path, "r");
        CHECK(status);
        while (fgets(line, sizeof line, status))
            printf("%s %s", i == 0 ? "spawner" : "worker", line);
        fclose(status);
    }
}

/* Each system call that is not in the list kills. */
static void attack_calls(void)
{
    unsigned tried = 0;
    for (long number = 0; number < 480; number++) {
        if (number > 334 && number < 424)
            continue; /* there are none; x86 gives two of them to itself */
        bool is_listed = false;
        for (size_t i = 0; i < worker_calls_count; i++)
            is_listed |= worker_calls[i].number == number && worker_calls[i].argument < 0;
        if (is_listed)
            continue;
        pid_t pid = fork();
        if (pid == 0) {
            CHECK(confine_process() == 0 && confine_calls(worker_calls, worker_calls_count) == 0);
            syscall(number, -1, -1, -1, -1, -1, -1);
            _exit(0);
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        tried++;
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            printf("survived=%ld ", number);
    }
    printf("tried=%u ", tried);
}

/* Orders that cannot be right: only a broker that was taken over would send them. */
static void attack_orders(void)
{
    struct lender lender = lender_start(&(struct role){.uid = ALICE});
    unsigned none = 0;
    stage_worker(&lender);
    struct order order = {.part_count = 1, .parts = {{(uintptr_t)MEMORY, 1}}};
    struct report report;
    static const uint64_t lengths[] = {WINDOW_SIZE + 1, UINT64_MAX, UINT64_MAX - 1, 1};
    static const uint32_t counts[] = {1, 1, 2, LEASE_PARTS + 1};
    CHECK(datagram_send(stage.worker, &order, sizeof order, NULL, 0) == 0);
    CHECK(datagram_receive(stage.worker, &report, sizeof report, NULL, &none, 0) == 0);
    printf("no_lender=%d ", report.error);
    stage_order(&lender, false, 16);
    stage_report();
    for (unsigned i = 0; i < 4; i++) {
        order.part_count = counts[i];
        order.parts[i == 2] = (struct stretch_of){(uintptr_t)MEMORY, lengths[i]};
        none = 0;
        CHECK(datagram_send(stage.worker, &order, sizeof order, NULL, 0) == 0);
        CHECK(datagram_receive(stage.worker, &report, sizeof report, NULL, &none, 0) == 0);
        printf("order%u=%d ", i, report.error);
    }
    say("after_", stage_move(&lender, false, 4096));
}

int main(int argc, char **argv)
{
    static const char *const movers[] = {"worker", "ptrace", "unchecked", "same_user"};
    enum mover mover = WORKER;
    CHECK(argc == 6);
    const char *name = argv[1];
    while (mover <= SAME_USER && strcmp(argv[2], movers[mover]) != 0)
        mover++;
    CHECK(mover <= SAME_USER);
    victim = argv[3];
    plain = argv[4];
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(file, sizeof file, "%s/never", argv[5]);
    pid_t fuse = strstr(name, "fuse") ? fuse_start(file, strstr(name, "async") != NULL) : 0;
    pid_t child = fork(); /* which may become another user; we stay root, to clean up */
    if (child == 0) {
        setpgid(0, 0);
        stage_open(mover);
        bool is_out = strstr(name, "_out") != NULL;
        with_sibling = strstr(name, "sibling") != NULL;
        if (strncmp(name, "exec", 4) == 0) attack_exec(is_out);
        else if (strcmp(name, "race") == 0) attack_race();
        else if (strncmp(name, "reuse_same", 10) == 0) attack_reuse(ALICE, is_out);
        else if (strncmp(name, "reuse_other", 11) == 0) attack_reuse(BOB, is_out);
        else if (strcmp(name, "hidden") == 0) attack_role((struct role){.uid = ALICE, .is_hidden = true});
        else if (strcmp(name, "capable") == 0) attack_role((struct role){.uid = ALICE, .is_capable = true});
        else if (strcmp(name, "other") == 0) attack_role((struct role){.uid = BOB});
        else if (strcmp(name, "root") == 0) attack_root();
        else if (strncmp(name, "stall_fuse", 10) == 0) attack_stall(map_fuse, is_out);
        else if (strncmp(name, "stall_userfault", 15) == 0) attack_stall(map_userfault, is_out);
        else if (strcmp(name, "stop") == 0) attack_stop(false);
        else if (strcmp(name, "stop_fuse_async") == 0) attack_stop(true);
        else if (strcmp(name, "orphan_fuse_async") == 0) attack_orphan();
        else if (strcmp(name, "worker") == 0) attack_worker();
        else if (strcmp(name, "status") == 0) show_status();
        else if (strcmp(name, "calls") == 0) attack_calls();
        else if (strcmp(name, "orders") == 0) attack_orders();
        else CHECK(!"an attack");
        fflush(stdout);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    kill(-child, SIGKILL); /* lenders, and what they have left behind */
    if (fuse > 0) {
        kill(fuse, SIGKILL);
        waitpid(fuse, NULL, 0);
        umount2(file, MNT_DETACH);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
