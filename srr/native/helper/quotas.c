/* quotas.c - see quotas.h. */
#include "quotas.h"

#include <errno.h>
#include <string.h>

/* A process costs the helper four descriptors, a pair and a gate one each: all of them fit its own limit (main.c). */
const uint32_t quota_limit[QUOTAS] = {
    [QUOTA_PROCESSES] = 512, [QUOTA_NAMES] = 256,   [QUOTA_PAIRS] = 256, [QUOTA_PAIR_KIB] = 4u << 20,
    [QUOTA_WATCHES] = 4096,  [QUOTA_LEASES] = 1024, [QUOTA_MOVES] = 16,  [QUOTA_LOG_LINES] = 16,
};
const uint32_t quota_total[QUOTAS] = {
    [QUOTA_PROCESSES] = PROCESSES, [QUOTA_NAMES] = NAMES,  [QUOTA_PAIRS] = PAIRS, [QUOTA_PAIR_KIB] = 32u << 20,
    [QUOTA_WATCHES] = 32768,       [QUOTA_LEASES] = 8192,  [QUOTA_MOVES] = 128,   [QUOTA_LOG_LINES] = 1024,
};

struct user *user_find(struct quotas *quotas, uint32_t uid)
{
    for (struct user *user = quotas->users; user < quotas->users + USERS; user++)
        if (user->known && user->uid == uid)
            return user;
    return NULL;
}

static bool is_idle(const struct user *user)
{
    return !user->banned && !user->in_turn && user->used[QUOTA_PROCESSES] == 0 && user->closing == 0 &&
           user->rests_until == 0;
}

struct user *user_meet(struct quotas *quotas, uint32_t uid)
{
    struct user *user = user_find(quotas, uid), *free = NULL;
    if (user)
        return user;
    /* The empty ones first, then those that hold nothing but the memory of what was logged about them. */
    for (user = quotas->users; user < quotas->users + USERS; user++)
        if (!user->known || (is_idle(user) && (!free || (free->known && user->told_at < free->told_at)))) {
            free = user;
            if (!user->known)
                break;
        }
    if (!free)
        return NULL;
    quota_give(quotas, free, QUOTA_LOG_LINES, free->used[QUOTA_LOG_LINES]);
    *free = (struct user){.uid = uid, .known = true};
    return free;
}

int quota_take(struct quotas *quotas, struct user *user, enum quota which, uint32_t amount)
{
    uint32_t after = user->used[which] + amount;
    if (amount > quota_limit[which] || after > quota_limit[which])
        return -EAGAIN;
    uint32_t left = quota_total[which] - quotas->used[which];
    if (amount > left || after > left - amount)
        return -EAGAIN;
    user->used[which] = after;
    quotas->used[which] += amount;
    return 0;
}

void quota_give(struct quotas *quotas, struct user *user, enum quota which, uint32_t amount)
{
    user->used[which] -= amount;
    quotas->used[which] -= amount;
}
