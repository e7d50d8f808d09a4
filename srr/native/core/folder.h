/*
 * folder.h - the runtime folder: where names are kept, and where those that wait hear of news.
 */
#ifndef SRR_FOLDER_H
#define SRR_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOLDER_MAX 200 /* bytes of its path */

/*
 * The path: $SRR_RUNTIME_DIR, else /run/user/<uid>/srr where /run/user/<uid> is this user's, else
 * /tmp/srr-<uid>. Made with mode 0700 if it isn't there. -EACCES: it is not this user's alone.
 */
int folder_path(char *buffer, size_t size);

/* The folder, opened (close-on-exec). */
int folder_open(void);

/* To those that wait for a process to have rows: look again. Called when rows were made; fails silently. */
void folder_tell_rows(void);

/* An inotify descriptor that becomes readable when rows were made (or names attached), or -1. */
int folder_watch(bool names);

/*
 * Sleep until a descriptor of these two is readable (-1: none), at most ns, then drain the first.
 * 0: readable, -ETIMEDOUT, -EINTR: a handler ran (ppoll is never restarted).
 */
int folder_sleep(int news, int other, int64_t ns);

#endif
