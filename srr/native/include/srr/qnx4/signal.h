/*
 * <signal.h> of the system; struct sigevent is in it. The numbers of signals are Linux's: the bits of a SIGNAL
 * message are 1L << (signo - 1) with them (<sys/sys_msg.h>).
 *
 * libsrr-qnx4 wraps the handlers of the programs that are linked with it: one that returns ends Send and
 * Receive with EINTR, also when it was installed by signal(), which on Linux means SA_RESTART.
 */
#if defined __GNUC__
#pragma GCC system_header
#endif
#pragma pack(push, 16)
#include_next <signal.h>
#pragma pack(pop)

#ifndef SRR_QNX4_SIGNAL_H
#define SRR_QNX4_SIGNAL_H

#define _SIGMIN 1   /* the lowest signal number */
#define _SIGMAX 31  /* the highest that is not a real-time signal's, which QNX4 did not have */

#endif
