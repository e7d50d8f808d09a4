/*
 * device.h - the three requests, carried out. Each returns 0 or a negative errno value, and may be made of any thread.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stddef.h>

/* `may_block` false: a Receive with nothing to take fails with -EAGAIN. */
int device_request(unsigned long request, void *argument, bool may_block);

/* A request of ours? The upper half says nothing: programs keep requests in an int, whose sign is extended. */
bool device_knows(unsigned long request);

/* Can that memory be read (or written, too), as a driver asks before it copies? Changes nothing. */
bool is_readable(const void *address, size_t size);
bool is_writable(void *address, size_t size);

#endif
