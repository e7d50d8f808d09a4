/*
 * stepper.c - kill and freeze at every instruction. Guarantees A to D and G, on the real core.
 *
 * A SIGKILL at random hits the few instructions that matter once in a thousand times or never. So a process is
 * stopped by ptrace before each instruction of a run in turn, and there it is
 *
 *     killed   the others must find out and go on as if it had never been: nobody stuck, nothing left behind
 *     frozen   the others act meanwhile (leave, send again, die); then it goes on, and all must be right
 *
 * Spinning is switched off but in the modes that are about it: asleep is where a wake-up can be lost.
 *
 *     stepper [--stride N] [--phase P] [--mode WORDS] [--workers N] [--point N]
 *
 * Tries each N-th of a mode's points, from the P-th on; the phase is random if not given, and printed. What the
 * C library does within one of its functions nobody else sees, so 16 of these points count as one, unless the
 * stride is 1: that tries all. A failure says where: to come back, run that mode with --point.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stepper.h"

#define INLINED 300
#define DIRECT 200000
#define WINDOWED 600000 /* more than the window holds */
#define WORKERS_MAX 64
#define LIBRARY 16u /* so many points within the C library's functions count as one */
#define LATE_MAX 4 /* times in a row: then it is not the machine's load */
#define FAILURES_MAX 3 /* of a worker in one mode: then it is clear enough */

static const struct mode modes[] = {
    {"kill-client inline", kill_client, "client inline", INLINED, 0, "0"},
    {"kill-client direct", kill_client, "client direct", DIRECT, 0, "0"},
    {"kill-client window", kill_client, "client window", WINDOWED, 0, "0"},
    {"kill-client leaving", kill_client, "client leaving", INLINED, 1, "0"},
    {"kill-client spinning", kill_client, "client spinning", INLINED, 0, "50"},
    {"kill-server inline", kill_server, "server inline", INLINED, 0, "0"},
    {"kill-server direct", kill_server, "server direct", DIRECT, 0, "0"},
    {"kill-server window", kill_server, "server window", WINDOWED, 0, "0"},
    {"kill-server cold", kill_server, "server cold", INLINED, 1, "0"},
    {"kill-server spinning", kill_server, "server spinning", INLINED, 0, "50"},
    {"freeze-client inline", freeze_client, "client inline", INLINED, 0, "0"},
    {"freeze-client direct", freeze_client, "client direct", DIRECT, 0, "0"},
    {"freeze-client leaving", freeze_client, "client leaving", INLINED, 1, "0"},
    {"freeze-client too late", freeze_client, "client too late", DIRECT, 2, "0"},
    {"freeze-client server dies", freeze_client, "client inline", INLINED, 3, "0"},
    {"freeze-server client leaves", freeze_server, "server inline", INLINED, 2, "0"},
    {"freeze-server client leaves direct", freeze_server, "server direct", DIRECT, 2, "0"},
    {"freeze-server client leaves window", freeze_server, "server window", WINDOWED, 2, "0"},
    {"freeze-server client leaves, server dies", freeze_server, "server inline", INLINED, 3, "0"},
    {"freeze-server client dies", freeze_server, "server direct", DIRECT, 4, "0"},
    {"kill-name", kill_name, "name", 0, 0, "0"},
    {"freeze-name", freeze_name, "name", 0, 0, "0"},
};
#define MODES (sizeof modes / sizeof *modes)

static uint32_t stride = 29, phase, workers, only = UINT32_MAX;
static bool phase_given;
static const char *wanted = "";
static char folder[] = "/tmp/srr-stepper-XXXXXX";

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("stepper: mmap");
        exit(1);
    }
    return memory;
}

static void interrupt(int signal) { (void)signal; }

/* A worker: a driver with a board and a sound server of its own. */
static void begin_worker(struct run *run, uint32_t worker)
{
    char own[sizeof folder + 16];
    struct sigaction action = {.sa_handler = interrupt}; /* no SA_RESTART: waits end with EINTR and look at the clock */
    struct itimerval often = {{0, 100000}, {0, 100000}};
    board = share(sizeof *board);
    sem_init(&board->ready, 1, 0);
    clear_board(0);
    setenv("SRR_SPIN_US", run->mode->spin, 1);
    setenv("SRR_LANE", strstr(run->mode->name, "window") ? "window" : "", 1);
    setenv("SRR_STALL_MS", "60000", 1); /* who is frozen is late, and right all the same */
    snprintf(own, sizeof own, "%s/%u", folder, worker);
    setenv("SRR_RUNTIME_DIR", own, 1);
    run->server = spawn_server(0, false);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

static void try_point(struct run *run, uint32_t number)
{
    unsigned late = 0;
    uint32_t mixed = number * UINT32_C(2654435761);
    run->number = number;
    run->coin = mixed >> 16 & 1;
    run->other_coin = mixed >> 17 & 1;
    run->failed = false;
    do {
        run->reached = run->late = false;
        clear_board(number);
        run->mode->scene(run);
        late += run->late;
    } while (run->late && !run->failed && late < LATE_MAX);
    EXPECT(run, late < LATE_MAX, "an exchange with a living server takes long, each time");
    run->tally->tried++;
    if (run->failed) {
        reap(&run->server);
        clear_board(number);
        run->server = spawn_server(0, false);
    }
}

/* Is it a point to try? To be asked of one after the other. */
static bool is_chosen(const struct trace *trace, uint32_t i, uint64_t *sum)
{
    const struct point *point = &trace->points[i];
    uint64_t before = *sum / (LIBRARY * stride);
    if (only != UINT32_MAX)
        return i == only;
    if (stride == 1)
        return true;
    *sum += point->pc == point->ours || point->inside ? LIBRARY : 1;
    return *sum / (LIBRARY * stride) != before;
}

static void work(struct run *run, uint32_t worker)
{
    uint32_t failures = 0, chosen = 0;
    uint64_t sum = phase * LIBRARY;
    begin_worker(run, worker);
    for (uint32_t i = 0; i < run->trace->count && failures < FAILURES_MAX; i++)
        if (is_chosen(run->trace, i, &sum) && chosen++ % workers == worker) {
            run->point = &run->trace->points[i];
            try_point(run, i);
            failures += run->failed;
        }
    run->failed = false;
    run->reached = false;
    clear_board(0);
    check_leftovers(run);
    reap(&run->server);
    exit(0);
}

static void record(struct run *run)
{
    begin_worker(run, 0);
    try_point(run, UINT32_MAX);
    reap(&run->server);
    exit(run->failed);
}

static bool await_all(pid_t *children, uint32_t count)
{
    bool well = true;
    for (uint32_t i = 0; i < count; i++) {
        int status;
        while (waitpid(children[i], &status, 0) < 0 && errno == EINTR)
            ;
        well &= status == 0;
    }
    return well;
}

/* In a process of its own: a worker must not inherit anything that another one's players have done. */
static pid_t spawn_worker(struct run *run, bool recording, uint32_t worker)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (recording)
        record(run);
    else
        work(run, worker);
    _exit(1);
}

static struct trace *find_trace(const struct mode *mode, struct trace **traces)
{
    for (size_t i = 0; i < MODES; i++)
        if (traces[i] && strcmp(modes[i].trace, mode->trace) == 0)
            return traces[i];
    return NULL;
}

static bool run_mode(const struct mode *mode, struct trace **traces)
{
    struct tally *tally = share(sizeof *tally);
    struct run run = {.mode = mode, .tally = tally, .trace = find_trace(mode, traces)};
    pid_t children[WORKERS_MAX];
    int64_t begun = now();
    bool well = true;
    if (!run.trace) {
        run.trace = traces[mode - modes] = share(sizeof *run.trace);
        children[0] = spawn_worker(&run, true, 0);
        well = await_all(children, 1);
        atomic_store(&tally->tried, 0);
        atomic_store(&tally->missed, 0);
    }
    int64_t recorded = now();
    for (uint32_t i = 0; i < workers; i++)
        children[i] = spawn_worker(&run, false, i);
    well &= await_all(children, workers);
    printf("stepper: %s: %u of %u points in %.1f + %.1f s, %u missed, slowest %.1f ms, %u stuck, %u bad\n", mode->name,
           tally->tried, run.trace->count, (double)(recorded - begun) / 1e9, (double)(now() - recorded) / 1e9,
           tally->missed, tally->slowest_us / 1e3, tally->stuck, tally->bad);
    fflush(stdout);
    return well && tally->stuck + tally->bad == 0 && tally->tried > 0;
}

static uint32_t number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text == 0 || *end != 0 || n > UINT32_MAX) {
        fprintf(stderr, "stepper: not a number: %s\n", text);
        exit(2);
    }
    return (uint32_t)n;
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {{"stride", required_argument, NULL, 's'},
                                            {"phase", required_argument, NULL, 'p'},
                                            {"mode", required_argument, NULL, 'm'},
                                            {"workers", required_argument, NULL, 'w'},
                                            {"point", required_argument, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    workers = 2 * (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 's')
            stride = number(optarg);
        else if (option == 'p') {
            phase = number(optarg);
            phase_given = true;
        } else if (option == 'm')
            wanted = optarg;
        else if (option == 'w')
            workers = number(optarg);
        else if (option == 'o')
            only = number(optarg);
        else
            exit(2);
    }
    if (stride == 0)
        stride = 1;
    if (workers == 0 || workers > WORKERS_MAX)
        workers = WORKERS_MAX;
    if (!phase_given)
        phase = (uint32_t)(now() / 1000) % stride;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path) != 0 && st && type && at;
}

int main(int argc, char **argv)
{
    struct trace *traces[MODES] = {NULL};
    bool well = true;
    unsigned played = 0;
    read_options(argc, argv);
    const char *obstacle = trace_obstacle();
    if (obstacle) {
        fprintf(stderr, "stepper: skipped: %s\n", obstacle);
        return 77;
    }
    if (!mkdtemp(folder)) {
        perror("stepper: mkdtemp");
        return 1;
    }
    printf("stepper: stride %u, phase %u, %u workers\n", stride, phase, workers);
    fflush(stdout);
    for (size_t i = 0; i < MODES; i++)
        if (strstr(modes[i].name, wanted)) {
            well &= run_mode(&modes[i], traces);
            played++;
        }
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return well && played > 0 ? 0 : 1;
}
