/*
 * stepper_name.c - a process that attaches and detaches names is killed or frozen. See stepper.h.
 *
 * Its run: it takes over a dead one's name X, lists all names (and so buries the dead one's Y), detaches X.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "srr.h"
#include "stepper.h"

#define X "x"
#define Y "of a dead one"

enum { HOLDER_ATTACH, HOLDER_DETACH, NEXT_ATTACH, NOT_YET = 1 };

struct found {
    unsigned x, y;
    pid_t x_pid;
};

/* 0, without the name's number. */
static int attach(const char *name)
{
    int r = srr_name_attach(name);
    return r < 0 ? r : 0;
}

static int note_name(void *arg, int id, pid_t pid, const char *name)
{
    (void)id;
    struct found *found = arg;
    if (strcmp(name, X) == 0) {
        found->x++;
        found->x_pid = pid;
    }
    found->y += strcmp(name, Y) == 0;
    return 0;
}

/* A dead process's names lie about. */
static void leave_names(void)
{
    pid_t player = spawn();
    if (player == 0)
        _exit(attach(X) != 0 || attach(Y) != 0);
    int status;
    while (waitpid(player, &status, 0) < 0 && errno == EINTR)
        ;
}

static pid_t spawn_holder(void)
{
    struct found found = {.x = 0};
    pid_t player = spawn();
    if (player != 0)
        return player;
    trace_begin();
    board->name_result[HOLDER_ATTACH] = attach(X);
    int r = srr_name_list(0, note_name, &found);
    board->name_result[HOLDER_DETACH] = srr_name_detach(X);
    trace_end();
    if (r != 0 || found.x != 1 || found.y != 0)
        complain("srr_name_list: %d, the name %u times, a dead one's %u times", r, found.x, found.y);
    sem_post(&board->ends[0].done);
    await_finish();
    _exit(0);
}

/* The next one: takes the name. If it must get it, all else must be right too. */
static pid_t spawn_next(bool must)
{
    struct found found = {.x = 0};
    pid_t player = spawn();
    if (player != 0)
        return player;
    int attached = attach(X);
    board->name_result[NEXT_ATTACH] = attached;
    if (must) {
        pid_t at = srr_name_locate(X, NULL);
        int listed = srr_name_list(0, note_name, &found);
        if (attached != 0 || at != getpid() || listed != 0 || found.x != 1 || found.x_pid != at || found.y != 0)
            complain("attach %d, located %d of %d, listed %d: %u times, a dead one's %u times", attached, at, getpid(),
                     listed, found.x, found.y);
        int detached = srr_name_detach(X);
        at = srr_name_locate(X, NULL);
        if (detached != 0 || at != -ESRCH || attach(Y) != 0 || srr_name_detach(Y) != 0)
            complain("detach %d, located %d", detached, at);
    }
    board->ends[1].ended = true;
    sem_post(&board->ends[1].done);
    await_finish();
    _exit(0);
}

static pid_t begin(struct run *run)
{
    leave_names();
    for (unsigned i = HOLDER_ATTACH; i <= NEXT_ATTACH; i++)
        board->name_result[i] = NOT_YET;
    pid_t holder = spawn_holder();
    if (trace_await_begin(holder) && reach(run, holder))
        return holder;
    fail(run, true, "the holder does not run");
    reap(&holder);
    return 0;
}

void kill_name(struct run *run)
{
    bool zombie = run->coin;
    pid_t holder = begin(run);
    if (!holder)
        return;
    murder(&holder, zombie);
    pid_t next = spawn_next(true);
    await_end(run, 1);
    finish(run, &next, 1);
    reap(&holder);
}

/* Whoever comes while the holder stands still waits, or gets -EBUSY, or the name; never both have it. */
void freeze_name(struct run *run)
{
    pid_t holder = begin(run);
    if (!holder)
        return;
    pid_t players[] = {holder, spawn_next(false)};
    has_ended(1, 10);
    trace_thaw(holder);
    await_end(run, 1);
    while (!run->failed && board->name_result[HOLDER_DETACH] == NOT_YET && !*board->complaint)
        usleep(50);
    int first = board->name_result[HOLDER_ATTACH], detached = board->name_result[HOLDER_DETACH];
    int second = board->name_result[NEXT_ATTACH];
    pid_t at = srr_name_locate(X, NULL);
    EXPECT(run, (first == 0 && detached == 0) || (first == -EBUSY && detached == -ESRCH && second == 0),
           "the one that was frozen: attach %d, detach %d; the other: attach %d", first, detached, second);
    EXPECT(run, second == 0 || (second == -EBUSY && first == 0), "the other: attach %d", second);
    EXPECT(run, at == (second == 0 ? players[1] : -ESRCH), "located at %d, the other is %d", at, players[1]);
    finish(run, players, 2);
}
