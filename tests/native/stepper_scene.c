/*
 * stepper_scene.c - what all scenes need: waiting with a watchdog, killing for certain, judging a Send. See stepper.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "layout.h"
#include "peer.h"
#include "srr.h"
#include "state.h"
#include "stepper.h"

#define MILLISECOND INT64_C(1000000)
#define WATCHDOG_MS 5000
#define IN_TIME_MS 1000 /* a death is found after some 200 ms at the latest, if the machine is not loaded */
#define AT_ONCE_MS 60 /* a wake-up that was lost is found after 100 ms; a longer wait may be bad luck */

int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 * MILLISECOND + t.tv_nsec;
}

void pause_ms(int ms)
{
    int64_t end = now() + ms * MILLISECOND;
    struct timespec t = {.tv_sec = end / (1000 * MILLISECOND), .tv_nsec = end % (1000 * MILLISECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* What our children are doing, a line each. */
static const char *describe_players(void)
{
    static char text[2000];
    size_t n = 0;
    char path[64];
    int player;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    FILE *children = fopen(path, "re");
    text[0] = 0;
    while (children && fscanf(children, "%d", &player) == 1 && n < sizeof text - 200) {
        struct srr_process_view view = {.threads = 0};
        struct srr_thread_view thread = {.on = 0};
        int r = srr_look(player, &view, &thread, 1);
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "    process %d, state %c: look %d, %u receivers, slot 0 in state %d, %u blocked on %d\n",
                              player, state_of(player), r, view.receivers, slot_state_of(player), view.threads,
                              thread.on);
    }
    if (children)
        fclose(children);
    return text;
}

void fail(struct run *run, bool stuck, const char *format, ...)
{
    char what[300], place[500] = "its whole run";
    va_list arguments;
    if (run->failed)
        return; /* what follows from one failure is no news */
    run->failed = true;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (run->reached)
        trace_describe(run->point, place, sizeof place);
    if (atomic_fetch_add(stuck ? &run->tally->stuck : &run->tally->bad, 1) < 10)
        fprintf(stderr, "stepper: %s, point %u, at %s:\n    %s%s%s\n%s", run->mode->name, run->number, place, what,
                *board->complaint ? "; " : "", board->complaint, stuck ? describe_players() : "");
}

bool reach(struct run *run, pid_t player)
{
    enum reached reached = run->point ? trace_reach(player, run->point) : trace_record(player, run->trace);
    if (reached == REACHED)
        run->reached = true;
    else if (reached == ENDED)
        run->tally->missed++;
    else
        fail(run, reached == STUCK, "the stepped process %s", reached == STUCK ? "goes nowhere" : "has died");
    return reached == REACHED || reached == ENDED;
}

void murder(pid_t *player, bool zombie)
{
    siginfo_t info;
    if (*player <= 0)
        return;
    kill(*player, SIGKILL);
    while (waitid(P_PID, (id_t)*player, &info, WEXITED | (zombie ? WNOWAIT : 0)) != 0 && errno == EINTR)
        ;
    if (!zombie)
        *player = 0;
}

void reap(pid_t *player)
{
    murder(player, false);
}

int64_t scaled(const struct run *run, int64_t ns)
{
    return run->point ? ns : ns * 8;
}

bool has_ended(unsigned number, int ms)
{
    struct end *end = &board->ends[number];
    int64_t until = now() + ms * MILLISECOND;
    struct timespec t = {.tv_sec = until / (1000 * MILLISECOND), .tv_nsec = until % (1000 * MILLISECOND)};
    while (!end->ended && !*board->complaint)
        if (sem_clockwait(&end->done, CLOCK_MONOTONIC, &t) != 0 && errno == ETIMEDOUT)
            break;
    return end->ended;
}

bool await_end(struct run *run, unsigned number)
{
    if (!run->failed && !has_ended(number, run->point ? WATCHDOG_MS : 10 * WATCHDOG_MS))
        fail(run, !*board->complaint, "Send %u has not ended", number);
    return !run->failed;
}

bool await_blocked(struct run *run, pid_t client, unsigned number, bool meeting)
{
    struct srr_process_view view;
    struct srr_thread_view thread;
    for (int64_t end = now() + WATCHDOG_MS * MILLISECOND; now() < end && !*board->complaint; usleep(50)) {
        if (board->ends[number].ended)
            return false;
        if (srr_look(client, &view, &thread, 1) == 0 && view.threads > 0 && (meeting || thread.since_ns != 0))
            return true;
    }
    fail(run, true, "Send %u does not come to sleep", number);
    return false;
}

int slot_state_of(pid_t client)
{
    struct peer peer;
    uint64_t word;
    int row;
    if (peer_find(client, -1, &peer, &row) < 0)
        return -1;
    bool read = pread(row, &word, sizeof word, ROW_SLOTS_AT + (off_t)offsetof(struct slot, word)) == sizeof word;
    close(row);
    return read ? (int)word_state(word) : -1;
}

static void note_time(struct run *run, int64_t since, unsigned number)
{
    int64_t us = (board->ends[number].at - since) / 1000;
    uint32_t slowest = run->tally->slowest_us;
    while (us > slowest && !atomic_compare_exchange_weak(&run->tally->slowest_us, &slowest, (uint32_t)us))
        ;
}

bool in_time(struct run *run, int64_t since, unsigned number)
{
    if (run->point)
        note_time(run, since, number);
    int64_t ms = (board->ends[number].at - since) / MILLISECOND;
    return EXPECT(run, !run->point || ms < IN_TIME_MS, "Send %u ended only after %lld ms", number, (long long)ms);
}

void at_once(struct run *run, int64_t since, unsigned number)
{
    int64_t us = (board->ends[number].at - since) / 1000;
    if (!run->point || run->failed)
        return;
    note_time(run, since, number);
    if (us >= AT_ONCE_MS * 1000)
        run->late = true;
}

pid_t begin_exchange(pid_t server, unsigned number)
{
    struct errand errand = {.number = number, .to = server, .kind = PLAIN, .size = 300};
    return spawn_client(&errand, 1, 0);
}

void exchange(struct run *run, pid_t server, unsigned number)
{
    int64_t begun = now();
    if (!run->failed)
        end_exchange(run, begin_exchange(server, number), number, begun);
}

void end_exchange(struct run *run, pid_t client, unsigned number, int64_t since)
{
    if (await_end(run, number)) {
        judge(run, number, false);
        at_once(run, since, number);
    }
    finish(run, &client, 1);
    EXPECT(run, board->ends[number].healed == 0,
           "a wake-up was lost: the client of Send %u has found its end by itself", number);
}

/*
 * What must be true of a Send that has ended:
 *   B  with a reply or an error; with the reply that its server has given, if that was told of success
 *   G  one that failed and does not say "received" was received by nobody
 *   P  one that failed and does say so was received, or may have been: its server died in srr_receive, or
 *      had taken it when the time ran out
 *   D  -ESRCH only if the server died, and no reply had been given
 */
bool judge(struct run *run, unsigned number, bool bereaved)
{
    const struct end *end = &board->ends[number];
    const struct fate *fate = &board->fates[number];
    bool told = end->flags & SRR_RECEIVED, seen = fate->received > 0;
    int result = end->result;
    if (run->failed)
        return false;
    EXPECT(run, fate->received <= 1, "message %u was received %u times", number, fate->received);
    if (result == 0) {
        EXPECT(run, end->right, "Send %u has not the reply that it should have", number);
        EXPECT(run, fate->replying && told, "Send %u has a reply that nobody gave", number);
        EXPECT(run, !fate->refused, "Send %u has a reply, and the server was told that it can't have one", number);
    } else if (result == -EDOM) {
        EXPECT(run, fate->replying && told && end->flags & SRR_BY_SERVER, "Send %u has an error of nobody's", number);
    } else {
        EXPECT(run, result == -ESRCH ? bereaved : result == -ETIMEDOUT, "Send %u: %d", number, result);
        EXPECT(run, !fate->replied, "Send %u: %d, though the server's srr_reply succeeded", number, result);
        EXPECT(run, told || !seen, "Send %u: %d, safe to repeat, though it was received", number, result);
        return told && !seen;
    }
    return false;
}

void finish(struct run *run, pid_t *players, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        tell_finish(players[i]);
    for (unsigned i = 0; i < count; i++) {
        int status = 0;
        pid_t r = 0;
        for (int64_t end = now() + WATCHDOG_MS * MILLISECOND; r == 0 && !run->failed && now() < end;) {
            r = waitpid(players[i], &status, WNOHANG);
            if (r == 0)
                usleep(50);
        }
        if (r == players[i])
            EXPECT(run, WIFEXITED(status) && WEXITSTATUS(status) == 0, "a player ended with status %#x", status);
        else {
            fail(run, true, "a player does not end");
            reap(&players[i]);
        }
    }
}

static unsigned count_lines(pid_t pid, const char *file, const char *wanted)
{
    char path[64], line[512];
    unsigned n = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    FILE *maps = fopen(path, "re");
    while (maps && fgets(line, sizeof line, maps))
        n += strstr(line, wanted) != NULL;
    if (maps)
        fclose(maps);
    return n;
}

static unsigned count_entries(pid_t server)
{
    static uint64_t entries[ENTRIES];
    struct peer peer;
    unsigned n = 0;
    int row;
    if (peer_find(server, -1, &peer, &row) < 0)
        return ENTRIES;
    if (pread(row, entries, sizeof entries, ROW_ENTRIES_AT) == sizeof entries)
        for (unsigned i = 0; i < ENTRIES; i++)
            n += entries[i] != 0;
    close(row);
    return n;
}

static unsigned count_files(pid_t pid)
{
    char path[64];
    unsigned n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

void check_healed(struct run *run, pid_t server)
{
    struct srr_process_view view;
    int r = srr_look(server, &view, NULL, 0);
    EXPECT(run, r == 0, "the server can't be looked at: %d", r);
    if (r == 0)
        EXPECT(run, view.healed == 0, "a hint was lost: the server has found %llu messages by itself",
               (unsigned long long)view.healed);
}

void check_leftovers(struct run *run)
{
    struct srr_process_view view = {.clients = 0};
    struct srr_thread_view thread;
    unsigned entries = 0, maps = 0, files = 0, own = 2; /* mappings: its row file's front, its life file */
    for (int64_t end = now() + 3000 * MILLISECOND; now() < end; pause_ms(10)) {
        if (srr_look(run->server, &view, &thread, 1) != 0)
            break;
        entries = count_entries(run->server);
        maps = count_lines(run->server, "maps", "/memfd:srr-");
        files = count_files(run->server);
        if (entries == 0 && view.clients == 0 && maps == own)
            break;
    }
    EXPECT(run, view.clients == 0 && entries == 0, "%u dead clients and %u entries are left in the server",
           view.clients, entries);
    EXPECT(run, maps == own && files <= 32, "the server has %u mappings and %u descriptors", maps, files);
    check_healed(run, run->server);
    EXPECT(run, view.threads == 0, "the server seems blocked in a Send");
}
