/*
 * stepper_trace.c - reaching a point of a process's run. See stepper.h.
 *
 * Stepping to the k-th instruction afresh for each k would take k^2/2 steps of some 20 us. So a run is
 * single-stepped once, and each of its points noted as "that address, for the n-th time"; to get there
 * again, a hardware breakpoint is enough, and the player runs at full speed up to the point. Where a run
 * takes another course than the recorded one, a point may be missed: the scene then plays without it.
 *
 * A player talks to its tracer by signals that mean nothing to it if nobody traces.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stepper.h"

#define PAUSE_SIGNAL SIGWINCH
#define END_SIGNAL SIGURG
#define PATIENCE_NS INT64_C(20000000000) /* for one run */
#define HITS_MAX 400 /* a loop's later turns are points no more */

extern char __executable_start, etext;

#if !defined(__x86_64__)
/* Elsewhere the registers have other names; nobody has written that yet. */
const char *trace_obstacle(void) { return "only x86-64's debug registers are known to it"; }
void trace_begin(void) {}
void trace_pause(void) {}
void trace_end(void) {}
bool trace_await_begin(pid_t player) { return player < 0; }
enum reached trace_record(pid_t player, struct trace *trace) { return trace && player ? DIED : DIED; }
enum reached trace_reach(pid_t player, const struct point *point) { return point && player ? DIED : DIED; }
void trace_thaw(pid_t player) { (void)player; }
void trace_describe(const struct point *point, char *text, size_t size) { snprintf(text, size, "%#zx", point->pc); }
char state_of(pid_t player) { return player > 0 ? '?' : 0; }
#else

static void tell_tracer(int signal)
{
    if (!board->thawed)
        syscall(SYS_tgkill, getpid(), getpid(), signal);
}

void trace_begin(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        complain("ptrace: %s", strerror(errno));
    raise(SIGSTOP);
}

void trace_pause(void) { tell_tracer(PAUSE_SIGNAL); }
void trace_end(void) { tell_tracer(END_SIGNAL); }

/* The signal that it stopped with; 0: it is dead; -1: its time is up. The driver's interval timer interrupts
 * the wait. */
static int await_stop(pid_t player, int64_t end)
{
    for (;;) {
        int status;
        pid_t r = waitpid(player, &status, 0);
        if (r == player && now() <= end)
            return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
        if ((r < 0 && errno != EINTR) || now() > end)
            return -1;
    }
}

bool trace_await_begin(pid_t player)
{
    return await_stop(player, now() + PATIENCE_NS) == SIGSTOP;
}

static uintptr_t program_counter(pid_t player)
{
    return (uintptr_t)ptrace(PTRACE_PEEKUSER, player, offsetof(struct user, regs.rip), NULL);
}

static int set_breakpoint(pid_t player, uintptr_t pc, bool on)
{
    /* debug register 7: bit 0 enables register 0; its kind, bits 16 to 19, is 0: execution */
    if (ptrace(PTRACE_POKEUSER, player, offsetof(struct user, u_debugreg[0]), pc) != 0)
        return -errno;
    return ptrace(PTRACE_POKEUSER, player, offsetof(struct user, u_debugreg[7]), on ? 1 : 0) != 0 ? -errno : 0;
}

/* How long the instruction is, if it repeats itself: a trap a turn, and nothing between two of them to see. The
 * driver has the same program at the same addresses. */
static size_t repeating(uintptr_t pc)
{
    const unsigned char *code = (const unsigned char *)pc;
    if (code[0] != 0xf3 && code[0] != 0xf2)
        return 0;
    size_t at = (code[1] & 0xf0) == 0x40 ? 2 : 1;
    return (code[at] >= 0xa4 && code[at] <= 0xa7) || (code[at] >= 0xaa && code[at] <= 0xaf) ? at + 1 : 0;
}

/* How often each address was come to. */
struct hits {
    uintptr_t pc[1 << 16];
    uint32_t count[1 << 16];
    uintptr_t ours; /* the last one of our program */
};

static uint32_t *hits_of(struct hits *hits, uintptr_t pc)
{
    size_t at = (pc * UINT64_C(0x9e3779b97f4a7c15)) >> 48;
    while (hits->pc[at] != 0 && hits->pc[at] != pc)
        at = (at + 1) % (1 << 16);
    hits->pc[at] = pc;
    return &hits->count[at];
}

static bool in_program(uintptr_t pc)
{
    return pc >= (uintptr_t)&__executable_start && pc < (uintptr_t)&etext;
}

/* Not our code proper: it jumps to a library's function. */
static bool is_stub(uintptr_t pc)
{
    static const unsigned char landing[] = {0xf3, 0x0f, 0x1e, 0xfa};
    const unsigned char *code = (const unsigned char *)pc;
    if (memcmp(code, landing, sizeof landing) == 0)
        code += sizeof landing;
    if (*code == 0xf2)
        code++;
    return code[0] == 0xff && code[1] == 0x25;
}

static bool is_call(uintptr_t pc)
{
    const unsigned char *code = (const unsigned char *)pc;
    return code[0] == 0x0f && code[1] == 0x05;
}

static void note(struct trace *trace, struct hits *hits, uintptr_t pc)
{
    uint32_t hit = ++*hits_of(hits, pc);
    trace->steps++;
    if (in_program(pc) && !is_stub(pc))
        hits->ours = pc;
    if (hit <= HITS_MAX && trace->count < sizeof trace->points / sizeof *trace->points)
        trace->points[trace->count++] = (struct point){pc, hits->ours, hit, false};
    if (hit <= HITS_MAX && is_call(pc) && trace->count < sizeof trace->points / sizeof *trace->points)
        trace->points[trace->count++] = (struct point){pc, hits->ours, hit, true};
}

/* A step may end with the signal that it sent: then its end was noted before the pause began. */
static void unnote(struct trace *trace, struct hits *hits, uintptr_t pc)
{
    if (trace->count > 0 && trace->points[trace->count - 1].pc == pc) {
        trace->count--;
        --*hits_of(hits, pc);
    }
}

enum reached trace_record(pid_t player, struct trace *trace)
{
    struct hits *hits = calloc(1, sizeof *hits);
    int64_t end = now() + PATIENCE_NS;
    uintptr_t last = 0;
    bool paused = false;
    enum reached reached = DIED;
    for (;;) {
        uintptr_t pc = program_counter(player);
        size_t repeats = paused ? 0 : repeating(pc);
        if (!paused && pc != last)
            note(trace, hits, pc);
        last = pc;
        if (repeats > 0)
            set_breakpoint(player, pc + repeats, true);
        ptrace(paused || repeats > 0 ? PTRACE_CONT : PTRACE_SINGLESTEP, player, NULL, NULL);
        int signal = await_stop(player, end);
        if (repeats > 0 && signal > 0)
            set_breakpoint(player, 0, false);
        if (signal == PAUSE_SIGNAL) {
            paused = !paused;
            if (paused)
                unnote(trace, hits, program_counter(player));
            last = 0;
        } else if (signal == END_SIGNAL) {
            reached = ENDED;
            break;
        } else if (signal != SIGTRAP) {
            reached = signal < 0 ? STUCK : DIED;
            break;
        }
    }
    free(hits);
    return reached;
}

char state_of(pid_t player)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", player);
    FILE *stat = fopen(path, "re");
    if (!stat)
        return 0;
    const char *end = fgets(line, sizeof line, stat) ? strrchr(line, ')') : NULL;
    fclose(stat);
    return end ? end[2] : 0;
}

/* Into the system call that it is about to make, and stopped there; or beyond, if it does not sleep. */
static enum reached enter_call(pid_t player)
{
    int64_t asleep = now() + 1000000, end = now() + PATIENCE_NS;
    int signal;
    ptrace(PTRACE_CONT, player, NULL, NULL);
    for (char state = 'R'; state != 'S' && state != 't' && now() < asleep;)
        state = state_of(player);
    kill(player, SIGSTOP);
    while ((signal = await_stop(player, end)) == PAUSE_SIGNAL || signal == END_SIGNAL)
        ptrace(PTRACE_CONT, player, NULL, NULL);
    return signal == SIGSTOP ? REACHED : signal < 0 ? STUCK : DIED;
}

enum reached trace_reach(pid_t player, const struct point *point)
{
    int64_t end = now() + PATIENCE_NS;
    uint32_t hits = 0;
    bool paused = false;
    set_breakpoint(player, point->pc, true);
    for (;;) {
        ptrace(PTRACE_CONT, player, NULL, NULL);
        int signal = await_stop(player, end);
        if (signal <= 0)
            return signal < 0 ? STUCK : DIED;
        if (signal == PAUSE_SIGNAL) {
            paused = !paused;
            set_breakpoint(player, point->pc, !paused);
        } else if (signal != SIGTRAP || ++hits == point->hit) {
            set_breakpoint(player, 0, false);
            if (signal == SIGTRAP)
                return point->inside ? enter_call(player) : REACHED;
            return signal == END_SIGNAL ? ENDED : DIED;
        }
    }
}

void trace_thaw(pid_t player)
{
    board->thawed = true;
    ptrace(PTRACE_DETACH, player, NULL, NULL);
}

const char *trace_obstacle(void)
{
    static char why[100];
    int status;
    pid_t player = fork();
    if (player == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(errno);
        raise(SIGSTOP);
        _exit(0);
    }
    if (waitpid(player, &status, 0) != player)
        return "no child to be had";
    if (WIFSTOPPED(status)) {
        int r = set_breakpoint(player, (uintptr_t)&__executable_start, true);
        kill(player, SIGKILL);
        waitpid(player, &status, 0);
        if (r == 0)
            return NULL;
        snprintf(why, sizeof why, "the debug registers are not to be had: %s", strerror(-r));
    } else {
        snprintf(why, sizeof why, "ptrace is not permitted: %s", strerror(WEXITSTATUS(status)));
    }
    return why;
}

void trace_describe(const struct point *point, char *text, size_t size)
{
    Dl_info info;
    char program[256], command[400], line[256] = "";
    uintptr_t offset = point->ours - (uintptr_t)&__executable_start;
    int n = 0;
    if (point->inside)
        n = snprintf(text, size, "in the system call of ");
    if (point->ours != point->pc) {
        bool known = dladdr((void *)point->pc, &info), named = known && info.dli_sname;
        n += snprintf(text + n, size - (size_t)n, "%s+%#zx, called from ",
                      named ? info.dli_sname : known ? info.dli_fname : "?",
                      point->pc - (uintptr_t)(named ? info.dli_saddr : known ? info.dli_fbase : NULL));
    }
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length < 0 ? 0 : length] = 0;
    snprintf(command, sizeof command, "addr2line -fipse '%s' %#zx 2>/dev/null", program, offset);
    FILE *pipe = popen(command, "r");
    if (pipe) {
        if (fgets(line, sizeof line, pipe))
            line[strcspn(line, "\n")] = 0;
        pclose(pipe);
    }
    if (*line)
        snprintf(text + n, size - (size_t)n, "%s", line);
    else
        snprintf(text + n, size - (size_t)n, "addr2line -fipe %s %#zx", program, offset);
}
#endif
