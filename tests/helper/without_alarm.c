/*
 * without_alarm.c - srr-helper without its alarm clock (-Wl,--wrap=setitimer): what a lingering socket then does to
 * it.
 */
#include <sys/time.h>

int __wrap_setitimer(int which, const struct itimerval *value, struct itimerval *old);
int __wrap_setitimer(int which, const struct itimerval *value, struct itimerval *old)
{
    (void)which;
    (void)value;
    (void)old;
    return 0;
}
