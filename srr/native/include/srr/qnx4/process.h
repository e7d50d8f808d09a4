/*
 * <process.h>: programs that start programs. What else it had, exec...(), getpid(), exit(), system(), is in the
 * two headers that it includes. Source: Library Reference, spawn...(). The functions qnx_spawn...() are not
 * here.
 */
#ifndef _PROCESS_H_INCLUDED
#define _PROCESS_H_INCLUDED

#include <sys/types.h>

#include <stdlib.h>
#include <unistd.h>

#define P_WAIT 0    /* wait until it ends */
#define P_NOWAIT 1  /* go on; wait() tells how it ended */
#define P_OVERLAY 2 /* become it, as exec does */
#define P_NOWAITO 3 /* go on; wait() does not tell */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Start a program. The letters: l, its arguments follow, with a null pointer at the end; v, they are in a
 * table; p, it is looked for in PATH; e, its environment follows, behind the null pointer or the table. P_WAIT
 * blocks until it has ended, the others do not block.
 *
 * Return, with P_WAIT, its status as wait() tells it; with P_NOWAIT and P_NOWAITO its pid; with P_OVERLAY
 * nothing. Or -1:
 *   E2BIG, EACCES, ENOENT, ENOEXEC, ENOMEM, ...  as execve(): the program could not be started
 *   EAGAIN  there are too many processes
 *   EINTR   a signal handler ran while we waited (P_WAIT); the program goes on, and is ours to wait for
 *   EINVAL  there is no such mode
 */
extern int spawnl(int mode, const char *path, const char *arg0, ...);
extern int spawnle(int mode, const char *path, const char *arg0, ...);
extern int spawnlp(int mode, const char *file, const char *arg0, ...);
extern int spawnlpe(int mode, const char *file, const char *arg0, ...);
extern int spawnv(int mode, const char *path, char *const argv[]);
extern int spawnve(int mode, const char *path, char *const argv[], char *const envp[]);
extern int spawnvp(int mode, const char *file, char *const argv[]);
extern int spawnvpe(int mode, const char *file, char *const argv[], char *const envp[]);

#ifdef __cplusplus
}
#endif
#endif
