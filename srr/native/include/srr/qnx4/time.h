/*
 * <time.h> of the system, with QNX4's timers in the place of POSIX's: timer_create() takes two arguments and
 * returns the id, a timer may trigger a proxy. The names are bound to functions of libsrr-qnx4, so that libc's
 * own stay what they are for everybody else.
 */
#if defined __GNUC__
#pragma GCC system_header
#endif

#ifndef __timer_t_defined
#define __timer_t_defined 1
typedef int timer_t;
#endif

/* libc's prototypes go under names that nobody uses. */
#define timer_create srr_libc_timer_create
#define timer_delete srr_libc_timer_delete
#define timer_settime srr_libc_timer_settime
#define timer_gettime srr_libc_timer_gettime
#define timer_getoverrun srr_libc_timer_getoverrun
#pragma pack(push, 16)
#include_next <time.h>
/* struct sigevent without all of <signal.h>. */
#if defined __has_include
#if __has_include(<bits/types/sigevent_t.h>)
#include <bits/types/sigevent_t.h>
#endif
#endif
#pragma pack(pop)
#undef timer_create
#undef timer_delete
#undef timer_settime
#undef timer_gettime
#undef timer_getoverrun

#ifndef SRR_QNX4_TIME_H
#define SRR_QNX4_TIME_H

struct sigevent;
struct itimerspec;

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a timer, which does not run yet. Does not block. Returns its id, 1 or more, or -1.
 *
 * clock      CLOCK_REALTIME, or another clock of Linux's
 * event      0: SIGALRM. Of the structure only sigev_signo is read, old programs set nothing else:
 *            > 0  this signal goes to the process < 0  minus a proxy's id: the proxy is triggered 0    nothing
 *            happens when it runs out ("sleep" on QNX4, where timer_settime then blocked; here it does not)
 *
 *   EAGAIN  there are no more timers, or no thread for the one that triggers proxies
 *   EINVAL  no such clock, or no such signal
 *
 * Timers are gone after fork() and exec. Differs from QNX4 in that struct sigevent and struct itimerspec are
 * libc's: their members come in another order, so write `ev.sigev_signo = ...`, not `= { ... }`. Source:
 * Library Reference, timer_create().
 */
extern timer_t timer_create(int clock, struct sigevent *event) __asm__("srr_qnx4_timer_create");

/*
 * Stop a timer and forget it. Does not block. Returns 0, or -1: EINVAL, there is no such timer.
 * What it has triggered already stays triggered. Source: Library Reference, timer_delete().
 */
extern int timer_delete(timer_t timer) __asm__("srr_qnx4_timer_delete");

/*
 * Start a timer: it_value is when it runs out first (nanoseconds and seconds from now, or by the clock with
 * TIMER_ABSTIME; 0: stop it), it_interval how often after that (0: never). `was`, if not 0, gets what was left.
 * Does not block. Returns 0, or -1: EINVAL, there is no such timer, or tv_nsec is not in 0 to 999,999,999.
 * Source: Library Reference, timer_settime().
 */
extern int timer_settime(timer_t timer, int flags, const struct itimerspec *value, struct itimerspec *was)
    __asm__("srr_qnx4_timer_settime");

/*
 * How long until the timer runs out, and its interval. Does not block. Returns 0, or -1: EINVAL, there is no
 * such timer. Source: Library Reference, timer_gettime().
 */
extern int timer_gettime(timer_t timer, struct itimerspec *value) __asm__("srr_qnx4_timer_gettime");

/*
 * How often the timer ran out while its signal was pending still; 0 for a proxy, where each time counts by
 * itself. Does not block. Returns -1: EINVAL, there is no such timer. Source: POSIX; ours for proxies.
 */
extern int timer_getoverrun(timer_t timer) __asm__("srr_qnx4_timer_getoverrun");

#ifdef __cplusplus
}
#endif
#endif
