/*
 * stepper_client.c - a client is killed or frozen at a point of its Sends. See stepper.h.
 */
#include <signal.h>
#include <stddef.h>

#include "stepper.h"

#define TIMEOUT_NS INT64_C(15000000)

/* Variants */
enum {
    SERVED,   /* the server replies, to the second Send only after the client has slept */
    LEAVES,   /* the second Send's time runs out while the server is away */
    TOO_LATE, /* the second Send's time runs out while the server is at it */
    BEREAVED, /* the server dies (freeze_client only) */
};

/* The run that is stepped: two Sends, the first with the first contact. */
static pid_t spawn_stepped(const struct run *run, pid_t server)
{
    bool leaves = run->mode->variant == LEAVES, late = run->mode->variant == TOO_LATE;
    int64_t timeout_ns = leaves || late ? scaled(run, TIMEOUT_NS) : 0;
    uint32_t size = run->mode->size;
    struct errand errands[] = {
        {.number = 0, .to = server, .kind = leaves ? AWAY : size > 65536 ? RICH : PLAIN, .size = size},
        {.number = 1, .to = server, .kind = LATE, .size = size, .timeout_ns = timeout_ns},
        {.number = 2, .to = run->server, .kind = PLAIN, .size = 200}, /* not stepped: does the client still work? */
    };
    board->away = leaves;
    return spawn_client(errands, 3, 2);
}

/* Guarantee D: the client dies, and it is as if it had never been. */
void kill_client(struct run *run)
{
    bool zombie = run->coin;
    pid_t client = spawn_stepped(run, run->server);
    if (!trace_await_begin(client) || !reach(run, client)) {
        fail(run, true, "the client does not run");
        reap(&client);
        return;
    }
    murder(&client, zombie);
    board->away = false; /* now the server looks at what was sent to it meanwhile */
    exchange(run, run->server, 3);
    if (run->mode->variant == LEAVES)
        EXPECT(run, board->fates[1].received == 0, "a dead client's message was received");
    for (unsigned i = 0; i < 3; i++)
        EXPECT(run, board->fates[i].received <= 1, "message %u was received twice", i);
    reap(&client);
}

/* Guarantees A, B, C, G: the client stands still for as long as others like, and goes on. */
void freeze_client(struct run *run)
{
    unsigned variant = run->mode->variant;
    bool zombie = run->coin, soon = run->other_coin;
    pid_t server = variant == BEREAVED ? spawn_server(0, false) : run->server;
    pid_t client = spawn_stepped(run, server);
    if (!trace_await_begin(client) || !reach(run, client)) {
        fail(run, true, "the client does not run");
        reap(&client);
        return;
    }
    board->hurry = true; /* for the server the client is not asleep now */
    if (soon)
        board->away = false;
    if (variant == BEREAVED)
        murder(&server, zombie);
    else if (!board->away)
        exchange(run, run->server, 3);
    if (variant == LEAVES || variant == TOO_LATE)
        pause_ms((int)(TIMEOUT_NS / 1000000) + 1);
    trace_thaw(client);
    if (variant == LEAVES) {
        for (unsigned i = 0; i < 2; i++)
            await_end(run, i);
        board->away = false;
    }
    for (unsigned i = 0; i < 3; i++)
        await_end(run, i);
    exchange(run, run->server, 4); /* after it the server has done with all that came before */
    for (unsigned i = 0; i < 3; i++)
        judge(run, i, variant == BEREAVED && i < 2);
    finish(run, &client, 1);
    if (variant == BEREAVED)
        reap(&server);
    else
        EXPECT(run, board->ends[0].healed == 0, "a wake-up was lost: the client has found a Send's end by itself");
}
