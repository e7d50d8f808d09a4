/*
 * without_alarm.c - srr-helper without its alarm clock (-Wl,--wrap=setitimer): a lingering socket then holds its janitor
 * for minutes, and nobody else.
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
