/* admission.c - see admission.h. */
#include "admission.h"

#include <string.h>

bool is_member(const struct caller *caller, uint32_t gid)
{
    if (caller->gid == gid)
        return true;
    for (size_t i = 0; i < caller->group_count; i++)
        if (caller->groups[i] == gid)
            return true;
    return false;
}

unsigned admitted(const struct caller *caller, uint32_t owner, uint32_t gid, uint32_t mode)
{
    if (caller->uid == 0 || caller->uid == owner)
        return MAY_SEND | MAY_SEE;
    if (is_member(caller, gid))
        mode >>= 3;
    return mode & (MAY_SEND | MAY_SEE);
}

bool is_for_others(uint32_t mode) { return (mode & 066) != 0; }

bool is_name(const char name[HELPER_NAME_MAX + 8])
{
    static const char zeroes[HELPER_NAME_MAX + 8];
    size_t length = strnlen(name, HELPER_NAME_MAX + 8);
    return length > 0 && length <= HELPER_NAME_MAX &&
           memcmp(name + length, zeroes, HELPER_NAME_MAX + 8 - length) == 0;
}

bool is_mode(uint32_t mode) { return (mode & ~0666u) == 0; }
