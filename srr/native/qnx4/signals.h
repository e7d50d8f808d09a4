/* signals.h - see signals.c. */
#ifndef SRR_QNX4_SIGNALS_H
#define SRR_QNX4_SIGNALS_H

/* Once, before main(): wrap the handlers that there are, and each that comes. */
void signals_take_over(void);

#endif
