/*
 * <errno.h> of the system, and the error numbers that only QNX4 has, with QNX4's values (headers).
 *
 * Names that both have keep Linux's numbers, which differ for some: ENOMSG 42 (QNX4 35), EDEADLK 35 (45),
 * ENOSYS 38 (89), EHOSTUNREACH 113 (265). A program that sends errno values to a machine that runs QNX4 must
 * translate them.
 */
#if defined __GNUC__
#pragma GCC system_header
#endif
#include_next <errno.h>

#ifndef SRR_QNX4_ERRNO_H
#define SRR_QNX4_ERRNO_H

#define EOK 0             /* no error */
#define ENOREMOTE 1000    /* the operation must be done on this node */
#define ENONDP 1001       /* there is no floating point processor */
#define EBADFSYS 1002     /* the file system is corrupted */
#define ENO32BIT 1003     /* 32-bit programs cannot run here */
#define ENOVPE 1004       /* there are no more virtual processes */
#define ENONETQ 1005      /* the network's queue is full */
#define ENONETMAN 1006    /* there is no network manager */
#define EVIDBUF2SML 1007  /* the virtual circuit's buffer is too small */
#define EVIDBUF2BIG 1008  /* the virtual circuit's buffer would be too big */
#define EMORE 1009        /* there is more */
#define ECTRLTERM 1010    /* the sending was ended by the controlling side */
#define ENOLIC 1011       /* there is no licence */
#define EDSTFAULT 1012    /* the other side's buffer is not in its memory */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The text of an error number: one of the above, else strerror()'s. Does not block, never fails; the text is
 * valid until this thread calls it or strerror() again. Ours: strerror() knows Linux's numbers only ("Unknown
 * error 1012").
 */
extern char *srr_strerror(int error);

#ifdef __cplusplus
}
#endif
#endif
