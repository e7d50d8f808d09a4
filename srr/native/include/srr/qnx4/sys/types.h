/*
 * <sys/types.h> of the system, and QNX4's types. In the whole tree:
 *
 * Headers that libc has too. Ours is found first, includes libc's, and adds what QNX4 had. libc's structures
 * keep the layout that libc was compiled with, whatever -fpack-struct= says: old programs were written for a
 * compiler that packs, and some work only when that is asked for, but a packed struct sigaction, termios or tm
 * would be another one than libc's functions know. 16 is the largest alignment that any of them needs.
 *
 * Headers of other libraries are not here: a program that packs includes them between #pragma pack(push, 16) and
 * #pragma pack(pop).
 *
 * Headers of QNX4's own. Their structures are packed as QNX4's were, whatever -fpack-struct= says. What was
 * `long` in a structure is int32_t, because QNX4's long had 32 bits: sizes and offsets are the same in 32-bit
 * and 64-bit programs. A process id, which was a short followed by a short of zeros, takes both places: Linux
 * numbers do not fit a short.
 *
 * Sources are named with each declaration: "Library Reference" is the QNX4 (Watcom) C Library Reference;
 * "headers" are QNX4's own, for names, values and layouts; "ours" is what QNX4 did not say or Linux does not
 * allow.
 */
#if defined __GNUC__
#pragma GCC system_header
#endif

/*
 * QNX4's timer ids are small numbers. libc's timer_t is a pointer that only its own timer_create() (see
 * <time.h>) makes.
 */
#ifndef __timer_t_defined
#define __timer_t_defined 1
typedef int timer_t;
#endif

#pragma pack(push, 16)
#include_next <sys/types.h>
#pragma pack(pop)

#ifndef __TYPES_H_INCLUDED
#define __TYPES_H_INCLUDED

#include <stdint.h>

/*
 * A node. QNX4: long. Here 32 bits in 64-bit programs, too, because it is a member of structures and messages.
 * There is one node: 0 means "here", and getnid() says which number that is.
 */
typedef int32_t nid_t;

/*
 * A process id in a message. QNX4: short, its process ids were below 32768. Linux's may be larger, so a message
 * that holds one is two bytes longer than it was; both sides are compiled with this header.
 */
typedef pid_t mpid_t;

typedef short muid_t;              /* a user id in a message; QNX4: the same */
typedef short mgid_t;              /* a group id in a message; QNX4: the same */
typedef unsigned short msg_t;      /* the type, or the status, at the beginning of a message */
typedef unsigned char uchar_t;
typedef unsigned short ushort_t;
typedef unsigned long ulong_t;
typedef unsigned long paddr_t;     /* a physical address */

#endif
