/*
 * pure.c - the helper's rules that need no kernel: who is admitted, and who may have how much. Exits 0, or says what
 * is not so.
 */
#include <stdio.h>
#include <string.h>

#include "admission.h"
#include "quotas.h"

static int wrong;
#define CHECK(so) ((so) ? (void)0 : (void)(wrong++, fprintf(stderr, "%d: not so: %s\n", __LINE__, #so)))

static void admission(void)
{
    const gid_t groups[] = {7, 50};
    const struct caller stranger = {.uid = 2, .gid = 2};
    const struct caller member = {.uid = 2, .gid = 2, .groups = groups, .group_count = 2};
    const struct caller primary = {.uid = 2, .gid = 50}, owner = {.uid = 1, .gid = 9}, root = {0};
    for (uint32_t mode = 0; mode < 01000; mode++) {
        CHECK(admitted(&stranger, 1, 50, mode) == (mode & 6));
        CHECK(admitted(&member, 1, 50, mode) == (mode >> 3 & 6)); /* the group's digit, also where others' has more */
        CHECK(admitted(&primary, 1, 50, mode) == (mode >> 3 & 6));
        CHECK(admitted(&owner, 1, 50, mode) == 6 && admitted(&root, 1, 50, mode) == 6);
        CHECK(is_mode(mode) == ((mode & 0111) == 0));
        CHECK(is_for_others(mode) == ((mode & 066) != 0));
    }
    CHECK(!is_mode(01000) && !is_mode(UINT32_MAX) && !is_member(&member, 51));
    char name[HELPER_NAME_MAX + 8] = {0};
    CHECK(!is_name(name));
    for (size_t length = 1; length <= sizeof name; length++) {
        memset(name, 'x', length);
        CHECK(is_name(name) == (length <= HELPER_NAME_MAX));
    }
    memset(name, 0, sizeof name);
    name[0] = name[2] = 'x'; /* something behind the end: two spellings of one name */
    CHECK(!is_name(name));
}

static void quotas(void)
{
    static struct quotas q;
    struct user *user = user_meet(&q, 1);
    CHECK(user && user_meet(&q, 1) == user && user_find(&q, 1) == user && !user_find(&q, 2));
    for (uint32_t i = 0; i < quota_limit[QUOTA_NAMES]; i++)
        CHECK(quota_take(&q, user, QUOTA_NAMES, 1) == 0);
    CHECK(quota_take(&q, user, QUOTA_NAMES, 1) < 0 && user->used[QUOTA_NAMES] == quota_limit[QUOTA_NAMES]);
    quota_give(&q, user, QUOTA_NAMES, 1);
    CHECK(quota_take(&q, user, QUOTA_NAMES, 1) == 0);
    CHECK(quota_take(&q, user, QUOTA_PAIR_KIB, UINT32_MAX) < 0 && quota_take(&q, user, QUOTA_PAIR_KIB, 1) == 0);
    CHECK(quota_take(&q, user, QUOTA_PAIR_KIB, UINT32_MAX) < 0 && user->used[QUOTA_PAIR_KIB] == 1);
    /* However many greedy users there are, each new one gets something, until there are as many as there are pieces. */
    memset(&q, 0, sizeof q);
    uint32_t last = UINT32_MAX;
    for (uint32_t uid = 1; uid <= 9; uid++) {
        user = user_meet(&q, uid);
        while (quota_take(&q, user, QUOTA_PROCESSES, 1) == 0)
            ;
        CHECK(user->used[QUOTA_PROCESSES] > 0 && user->used[QUOTA_PROCESSES] <= last);
        last = user->used[QUOTA_PROCESSES];
        CHECK(quota_total[QUOTA_PROCESSES] - q.used[QUOTA_PROCESSES] >= last);
    }
    /* A table full of users: who holds nothing is forgotten for a new one, who holds something is not. */
    memset(&q, 0, sizeof q);
    for (uint32_t uid = 0; uid < USERS; uid++)
        CHECK(quota_take(&q, user_meet(&q, uid), QUOTA_PROCESSES, 1) == 0);
    CHECK(!user_meet(&q, USERS));
    quota_give(&q, user_find(&q, 17), QUOTA_PROCESSES, 1);
    CHECK(quota_take(&q, user_meet(&q, USERS), QUOTA_PROCESSES, 1) == 0 && !user_find(&q, 17));
    quota_give(&q, user_find(&q, 18), QUOTA_PROCESSES, 1);
    user_find(&q, 18)->banned = true;
    CHECK(!user_meet(&q, USERS + 1));
}

int main(void)
{
    admission();
    quotas();
    return wrong != 0;
}
