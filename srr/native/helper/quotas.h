/*
 * quotas.h - what each user has of what there is. Pure.
 *
 * One tier, by uid: processes, threads and containers of a user share what it has. Besides its own limit nobody may
 * hold more than is then left for all others, so the last of many greedy users still leaves something for the next
 * one.
 */
#ifndef SRR_QUOTAS_H
#define SRR_QUOTAS_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

#define QUOTAS 8u
#ifndef PROCESSES /* the fuzzer has smaller tables, which are full sooner */
#define USERS 512u
#define PROCESSES 2048u
#define NAMES 2048u
#define PAIRS 2048u
#define GATES PAIRS /* each has at least one */
#endif

struct process;
struct name;

struct user {
    uint32_t uid;
    bool known;
    bool banned;       /* has sent what can not be closed safely (kernel.h): not listened to again */
    uint32_t used[QUOTAS];
    uint32_t unread;   /* datagrams with descriptors that its processes have not read */
    uint32_t closing;  /* descriptors that the janitor has not closed yet */
    int64_t rests_until; /* was dear (broker.c): not listened to before. 0: it does not rest */
    uint32_t told;     /* bit per enum refusal: what was logged */
    int64_t told_at;
    struct name *names;
    /* the loop: whose turn is it? */
    struct process *ready_first, *ready_last;
    struct user *next_in_turn;
    bool in_turn;
};

struct quotas {
    struct user users[USERS];
    uint32_t used[QUOTAS];
};

extern const uint32_t quota_limit[QUOTAS]; /* of one user */
extern const uint32_t quota_total[QUOTAS];

/* NULL: unknown. */
struct user *user_find(struct quotas *quotas, uint32_t uid);
/* The same, made known; one that holds nothing is forgotten for it. NULL: 512 users hold something. */
struct user *user_meet(struct quotas *quotas, uint32_t uid);

/* 0 or -EAGAIN. */
int quota_take(struct quotas *quotas, struct user *user, enum quota which, uint32_t amount);
void quota_give(struct quotas *quotas, struct user *user, enum quota which, uint32_t amount);

#endif
