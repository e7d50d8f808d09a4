/*
 * stepper_server.c - a server is killed or frozen at a point of its Receive, Readmsg, Writemsg, Reply. See stepper.h.
 *
 * Its run: it receives from A, reads, writes, replies; receives from B, ends B's Send with an error; receives
 * until its time runs out.
 */
#include <signal.h>
#include <stddef.h>

#include "srr.h"
#include "state.h"
#include "stepper.h"

#define TIMEOUT_NS INT64_C(15000000)

/* Variants */
enum {
    WARM, /* both clients' messages are queued when the run begins (kill_server only) */
    COLD, /* the server has no rows yet: the clients wait for these (kill_server only) */
    LEFT, /* A's time runs out, it sends again; freeze_server only, like those below */
    LEFT_AND_DIES, /* the same, then the server dies */
    CLIENT_DIES,
};

/* Messages */
enum { A, B, A_AGAIN, A_AFTER, B_AFTER, FRESH };

struct cast {
    pid_t server, a, b;
};

static bool begin(struct run *run, struct cast *cast)
{
    unsigned variant = run->mode->variant;
    uint32_t size = run->mode->size;
    bool leaves = variant == LEFT || variant == LEFT_AND_DIES;
    /* Recorded: it does not look up before, so that the run is a short one. Frozen: what it misses shall show. */
    board->idle_ns = !run->point ? 75000000 : run->mode->scene == freeze_server ? 150000000 : 15000000;
    *cast = (struct cast){.server = spawn_server(2, variant == COLD)};
    if (!trace_await_begin(cast->server)) {
        fail(run, true, "the server does not run");
        return false;
    }
    int64_t timeout_ns = leaves && run->point ? TIMEOUT_NS : 0;
    struct errand a[] = {
        {.number = A, .to = cast->server, .kind = RICH, .size = size, .timeout_ns = timeout_ns},
        {.number = A_AGAIN, .to = cast->server, .kind = PLAIN, .size = size},
        {.number = A_AFTER, .to = run->server, .kind = PLAIN, .size = 200},
    };
    struct errand b[] = {
        {.number = B, .to = cast->server, .kind = ERROR, .size = size},
        {.number = B_AFTER, .to = run->server, .kind = PLAIN, .size = 200},
    };
    if (!leaves)
        a[1] = a[2];
    cast->a = spawn_client(a, leaves ? 3 : 2, 0);
    await_blocked(run, cast->a, A, variant == COLD);
    cast->b = spawn_client(b, 2, 0);
    await_blocked(run, cast->b, B, variant == COLD);
    return reach(run, cast->server);
}

static void end(struct run *run, struct cast *cast)
{
    pid_t clients[] = {cast->a, cast->b};
    await_end(run, B_AFTER);
    judge(run, B_AFTER, false);
    if (cast->a > 0) {
        await_end(run, A_AFTER);
        judge(run, A_AFTER, false);
    }
    finish(run, cast->a > 0 ? clients : clients + 1, cast->a > 0 ? 2 : 1);
    reap(&cast->server);
}

static void give_up(struct cast *cast)
{
    reap(&cast->server);
    reap(&cast->a);
    reap(&cast->b);
}

/* The Sends to a dead server have ended: at once, and with the truth. */
static void judge_bereaved(struct run *run, int64_t died)
{
    unsigned doubts = 0;
    for (unsigned i = A; i <= B; i++)
        if (await_end(run, i) && in_time(run, died, i))
            doubts += judge(run, i, true);
    /* It had at most one message in its hands that its application never saw, and only within srr_receive. */
    EXPECT(run, doubts <= (board->receiving ? 1 : 0), "%u Sends are in doubt for nothing", doubts);
    if (run->mode->variant != COLD)
        EXPECT(run, !(board->ends[B].flags & SRR_RECEIVED) || board->fates[A].received, "B was received before A");
}

void kill_server(struct run *run)
{
    struct cast cast;
    if (!begin(run, &cast)) {
        give_up(&cast);
        return;
    }
    murder(&cast.server, run->coin);
    judge_bereaved(run, now());
    end(run, &cast);
}

/* A's time runs out. It must stay only while its buffer is being written. True: it has left, and sent again. */
static bool await_leave(struct run *run, const struct cast *cast)
{
    for (int64_t end = now() + 2000000000; !has_ended(A, 5);) {
        if (slot_state_of(cast->a) == SLOT_BUSYC)
            return false;
        if (!EXPECT(run, now() < end, "A does not leave"))
            return false;
    }
    return await_blocked(run, cast->a, A_AGAIN, false);
}

void freeze_server(struct run *run)
{
    unsigned variant = run->mode->variant;
    bool left = false, first = false;
    struct cast cast;
    if (!begin(run, &cast)) {
        give_up(&cast);
        return;
    }
    first = !board->ends[A].ended; /* the server stands still before A has sent again */
    if (variant == CLIENT_DIES) {
        murder(&cast.a, run->coin);
    } else if (run->point) {
        left = await_leave(run, &cast);
    }
    if (variant == LEFT_AND_DIES) {
        murder(&cast.server, run->coin);
        for (unsigned i = A; i <= A_AGAIN; i++)
            if (await_end(run, i))
                judge(run, i, true);
        if (left && first)
            EXPECT(run, !(board->ends[A_AGAIN].flags & SRR_RECEIVED), "a server that stood still has received");
    } else {
        pid_t fresh = run->other_coin ? begin_exchange(cast.server, FRESH) : 0;
        if (fresh)
            await_blocked(run, fresh, FRESH, false);
        int64_t thawed = now();
        trace_thaw(cast.server);
        end_exchange(run, fresh ? fresh : begin_exchange(cast.server, FRESH), FRESH, thawed);
        for (unsigned i = variant == CLIENT_DIES ? B : A; i <= (variant == CLIENT_DIES ? B : A_AGAIN); i++)
            if (await_end(run, i))
                judge(run, i, false);
        EXPECT(run, board->fates[A].received <= 1, "message A was received twice");
        check_healed(run, cast.server);
    }
    if (variant == CLIENT_DIES)
        reap(&cast.a);
    end(run, &cast);
}
