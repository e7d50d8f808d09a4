/* leases.c - lease.h, against what it says; and a model of it that keeps nothing but a list, by random requests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lease.h"

#define CHECK(condition) ((condition) ? (void)0 : give_up(__LINE__, #condition))
static _Noreturn void give_up(int line, const char *what)
{
    fprintf(stderr, "leases.c:%d: %s\n", line, what);
    exit(1);
}

static struct leases leases;
static struct stretch_of parts[LEASE_PARTS];
static uint32_t count;

static struct request loan(uint32_t slot, uint64_t word)
{
    struct request r = {.op = OP_LEND, .index = slot, .word = word, .message_parts = 3, .reply_parts = 1};
    r.parts[0] = (struct stretch_of){1000, 10};
    r.parts[1] = (struct stretch_of){5000, 0};
    r.parts[2] = (struct stretch_of){2000, 20};
    r.parts[LEASE_PARTS] = (struct stretch_of){9000, 5};
    return r;
}

static int cut(uint32_t pair, uint32_t slot, uint64_t word, bool is_out, uint64_t offset, uint64_t length)
{
    struct request r = {.op = is_out ? OP_MOVE_OUT : OP_MOVE_IN, .index = slot, .word = word};
    r.offset = offset;
    r.length = length;
    count = 99;
    return lease_cut(&leases, pair, &r, parts, &count);
}

static bool is_part(uint32_t i, uint64_t address, uint64_t length)
{
    return parts[i].address == address && parts[i].length == length;
}

static void which_bytes(void)
{
    struct request r = loan(3, 7);
    CHECK(lease_lend(&leases, 5, &r) == 1 && lease_lend(&leases, 5, &r) == 0);
    CHECK(cut(5, 3, 7, false, 0, 30) == 0 && count == 2 && is_part(0, 1000, 10) && is_part(1, 2000, 20));
    CHECK(cut(5, 3, 7, false, 9, 2) == 0 && count == 2 && is_part(0, 1009, 1) && is_part(1, 2000, 1));
    CHECK(cut(5, 3, 7, false, 10, 1) == 0 && count == 1 && is_part(0, 2000, 1));
    CHECK(cut(5, 3, 7, false, 29, 100) == 0 && count == 1 && is_part(0, 2019, 1)); /* what lies behind it is left out */
    CHECK(cut(5, 3, 7, false, 30, 1) == 0 && count == 0);
    CHECK(cut(5, 3, 7, false, UINT64_MAX, WINDOW_SIZE) == 0 && count == 0);
    CHECK(cut(5, 3, 7, false, 0, 0) == 0 && count == 0);
    CHECK(cut(5, 3, 7, true, 1, 10) == 0 && count == 1 && is_part(0, 9001, 4));
    CHECK(cut(5, 3, 7, false, 0, WINDOW_SIZE + 1) == -EINVAL && cut(5, 3, 7, false, 1, UINT64_MAX) == -EINVAL);
    CHECK(lease_revoke(&leases, 5, 3) == 0);
}

static void whose(void)
{
    struct request r = loan(0, 7);
    CHECK(lease_lend(&leases, 1, &r) == 1);
    CHECK(cut(1, 0, 8, false, 0, 1) == -ENOENT && cut(2, 0, 7, false, 0, 1) == -ENOENT);
    CHECK(cut(1, 1, 7, false, 0, 1) == -ENOENT && cut(1, PAIR_SLOTS, 7, false, 0, 1) == -ENOENT);
    CHECK(cut(PAIRS, 0, 7, false, 0, 1) == -ENOENT && cut(UINT32_MAX, UINT32_MAX, 7, false, 0, 1) == -ENOENT);
    r.word = 8; /* the next transaction: the one before has no lease any more */
    CHECK(lease_lend(&leases, 1, &r) == 0 && cut(1, 0, 7, false, 0, 1) == -ENOENT && cut(1, 0, 8, false, 0, 1) == 0);
    lease_find(&leases, 1, 0)->is_moving = true;
    CHECK(lease_lend(&leases, 1, &r) == -EBUSY && lease_revoke(&leases, 1, 0) == -EBUSY);
    CHECK(cut(1, 0, 8, false, 0, 1) == -EBUSY);
    CHECK(lease_end_all(&leases, 1) == 1); /* its pair's end waits for nobody */
    CHECK(lease_revoke(&leases, 1, 0) == -ENOENT && lease_lend(&leases, 1, &r) == 1 && cut(1, 0, 8, false, 0, 1) == 0);
    CHECK(lease_end_all(&leases, 1) == 1 && lease_end_all(&leases, 1) == 0);
}

static void impossible(void)
{
    struct request bad[6];
    for (int i = 0; i < 6; i++)
        bad[i] = loan(0, 7);
    bad[0].message_parts = LEASE_PARTS + 1;
    bad[1].reply_parts = UINT32_MAX;
    bad[2].parts[0] = (struct stretch_of){UINT64_MAX, 1};
    bad[3].parts[0].length = UINT64_MAX - 999;
    bad[4].parts[0].length = LEASE_LENGTH_MAX + 1;
    bad[5].index = PAIR_SLOTS;
    for (int i = 0; i < 6; i++)
        CHECK(lease_lend(&leases, 0, &bad[i]) == -EINVAL && !lease_find(&leases, 0, 0));
    struct request most = loan(0, 7);
    most.parts[0].length = LEASE_LENGTH_MAX - 20;
    CHECK(lease_lend(&leases, 0, &most) == 1 && lease_lend(&leases, 0, &bad[0]) == -EINVAL);
    CHECK(cut(0, 0, 7, false, LEASE_LENGTH_MAX - 1, 5) == 0 && count == 1 && is_part(0, 2019, 1)); /* it stays */
    CHECK(lease_revoke(&leases, 0, 0) == 0);
}

static void full(void)
{
    for (uint32_t i = 0; i < LEASES; i++) {
        struct request r = loan(i % PAIR_SLOTS, i);
        CHECK(lease_lend(&leases, i / PAIR_SLOTS, &r) == 1);
    }
    struct request r = loan(0, 1);
    CHECK(lease_lend(&leases, LEASES / PAIR_SLOTS, &r) == -EAGAIN);
    CHECK(lease_revoke(&leases, 0, 5) == 0 && lease_lend(&leases, LEASES / PAIR_SLOTS, &r) == 1);
    for (uint32_t pair = 0; pair < PAIRS; pair++)
        lease_end_all(&leases, pair);
}

/* Random requests; the lease that a slot must have is known by its word, 0: none. */
static void by_chance(void)
{
    static uint64_t has[PAIRS][PAIR_SLOTS];
    srandom(5);
    for (uint64_t i = 1; i < 2000000; i++) {
        uint32_t pair = (uint32_t)random() % 64, slot = (uint32_t)random() % PAIR_SLOTS;
        struct request r = loan(slot, i);
        uint64_t *word = &has[pair][slot];
        switch (random() % 4) {
        case 0: CHECK(lease_lend(&leases, pair, &r) == (*word == 0)), *word = i; break;
        case 1: CHECK(lease_revoke(&leases, pair, slot) == (*word ? 0 : -ENOENT)), *word = 0; break;
        case 2: CHECK(cut(pair, slot, *word, false, 0, 30) == (*word ? 0 : -ENOENT)); break;
        default: CHECK(cut(pair, slot, i, false, 0, 30) == -ENOENT); break;
        }
    }
}

int main(void)
{
    which_bytes();
    whose();
    impossible();
    full();
    by_chance();
    puts("ok");
    return 0;
}
