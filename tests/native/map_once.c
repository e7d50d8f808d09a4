/*
 * map_once.c - the core's map.c for ThreadSanitizer: each stretch of a file is mapped once in a process.
 *
 * ThreadSanitizer knows memory by its address. Where both sides of a transaction are threads of one
 * process, each with a mapping of its own, it would see neither's accesses race with the other's. Here a
 * stretch that is mapped already is handed out again, and a process may send to itself.
 *
 * Built instead of map.c with -Done_mapping=true; never installed.
 */
#define _GNU_SOURCE
#include "map.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"

const bool may_send_to_itself = true;

struct mapping {
    struct mapping *next;
    dev_t device;
    ino_t inode;
    off_t offset;
    size_t size;
    int protection;
    char *map;
    unsigned uses;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapping *mappings;
static pid_t owner; /* a forked child inherits the list, not the mappings (MADV_DONTFORK) */

static void begin(void)
{
    pthread_mutex_lock(&lock);
    if (owner != getpid()) {
        mappings = NULL;
        owner = getpid();
    }
}

/* Where the inline replies lie. No lock: it would put in order what must be in order without it. */
static char *_Atomic replies[SLOTS];

static void remember_reply(char *reply)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        char *nothing = NULL;
        if (atomic_compare_exchange_strong(&replies[i], &nothing, reply) || nothing == reply)
            return;
    }
}

static bool is_reply(const char *at)
{
    char *reply;
    for (unsigned i = 0; i < SLOTS && (reply = atomic_load_explicit(&replies[i], memory_order_relaxed)); i++)
        if (at >= reply && at < reply + INLINE_SIZE)
            return true;
    return false;
}

static bool holds(const struct mapping *m, const struct stat *st, size_t size, int protection, off_t offset)
{
    return m->device == st->st_dev && m->inode == st->st_ino && (m->protection & protection) == protection &&
           offset >= m->offset && (size_t)(offset - m->offset) + size <= m->size;
}

static struct mapping *make(int fd, const struct stat *st, size_t size, int protection, off_t offset)
{
    struct mapping *m = malloc(sizeof *m);
    if (!m)
        return NULL;
    void *map = mmap(NULL, size, protection, MAP_SHARED, fd, offset);
    if (map == MAP_FAILED) {
        free(m);
        return NULL;
    }
    if (madvise(map, size, MADV_DONTFORK) != 0) {
        munmap(map, size);
        free(m);
        return NULL;
    }
    if (size == SLOT_STRIDE)
        remember_reply((char *)map + SLOT_REPLY_AT);
    *m = (struct mapping){mappings, st->st_dev, st->st_ino, offset, size, protection, map, 0};
    return mappings = m;
}

void *map_shared(int fd, size_t size, int protection, off_t offset)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return NULL;
    begin();
    struct mapping *m = mappings;
    while (m && !holds(m, &st, size, protection, offset))
        m = m->next;
    if (!m)
        m = make(fd, &st, size, protection, offset);
    char *map = m ? m->map + (offset - m->offset) : NULL;
    if (m)
        m->uses++;
    pthread_mutex_unlock(&lock);
    return map;
}

/* Only what srr-helper makes is mapped so, and no process needs a helper to send to itself. */
void *map_over(void *old, int fd, size_t size, int protection)
{
    (void)old;
    return map_shared(fd, size, protection, 0);
}

void unmap_shared(void *map, size_t size)
{
    char *at = map;
    if (!at)
        return;
    begin();
    struct mapping **link = &mappings, *m;
    while ((m = *link) && !(at >= m->map && at + size <= m->map + m->size))
        link = &m->next;
    if (m && --m->uses == 0) {
        *link = m->next;
        munmap(m->map, m->size);
        free(m);
    }
    pthread_mutex_unlock(&lock);
}

/*
 * A reply is written while its sender can't leave: it is copied as it is, so that ThreadSanitizer sees
 * whether the word alone puts the two sides in order. A message may be copied while its sender leaves and
 * begins the next one; the word finds that out and the copy is thrown away, which is no undefined
 * behaviour if every access is atomic.
 */
void copy_shared(void *to, const void *from, size_t size)
{
    char *t = to;
    const char *f = from;
    if (is_reply(t) || is_reply(f)) {
        memcpy(to, from, size);
        return;
    }
    for (size_t i = 0; i < size; i++)
        __atomic_store_n(t + i, __atomic_load_n(f + i, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}
