/*
 * map.h - mapping row files. Two builds: map.c, and for ThreadSanitizer a file among the tests that maps
 * each stretch once a process and lets a process send to itself, so that both sides of a transaction are
 * threads at one address.
 */
#ifndef SRR_MAP_H
#define SRR_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A shared mapping that no forked child inherits, or NULL. */
void *map_shared(int fd, size_t size, int protection, off_t offset);
/* The same in the place of `old`, which stays mapped all the time: others may be reading there. NULL: anywhere. */
void *map_over(void *old, int fd, size_t size, int protection);
void unmap_shared(void *map, size_t size);

/* memcpy between private memory and an inline area. The other side may write the area at the same time: a
 * copy that is torn so is found out by the word, and thrown away (receive.c). */
void copy_shared(void *to, const void *from, size_t size);

extern const bool may_send_to_itself;

#endif
