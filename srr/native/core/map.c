/* map.c - see map.h. */
#define _GNU_SOURCE
#include "map.h"

#include <string.h>
#include <sys/mman.h>

const bool may_send_to_itself = false;

void *map_shared(int fd, size_t size, int protection, off_t offset)
{
    void *map = mmap(NULL, size, protection, MAP_SHARED, fd, offset);
    if (map == MAP_FAILED)
        return NULL;
    if (madvise(map, size, MADV_DONTFORK) != 0) {
        munmap(map, size);
        return NULL;
    }
    return map;
}

void *map_over(void *old, int fd, size_t size, int protection)
{
    if (!old)
        return map_shared(fd, size, protection, 0);
    if (mmap(old, size, protection, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
        return NULL;
    madvise(old, size, MADV_DONTFORK);
    return old;
}

void unmap_shared(void *map, size_t size)
{
    if (map)
        munmap(map, size);
}

void copy_shared(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}
