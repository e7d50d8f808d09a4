/*
 * <sys/timers.h>: constants of the timers that QNX4 had before POSIX's; the functions that took them (mktimer
 * and its like) are not here: use timer_create() (<time.h>). Source: headers.
 */
#ifndef __TIMERS_H_INCLUDED
#define __TIMERS_H_INCLUDED

#include <sys/types.h>

#include <time.h>

#define TIMEOFDAY 0 /* the clock */

#define _TNOTIFY_SLEEP 0
#define _TNOTIFY_PROXY 1
#define _TNOTIFY_MESSENGER 1
#define _TNOTIFY_SIGNAL 2
#define DELIVERY_SIGNALS 2

#endif
