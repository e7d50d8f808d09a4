/* flags.c - qnx_pflags(): <sys/psinfo.h>. */
#include "qnx4.h"

#include <sys/psinfo.h>

#include <srr.h>

#include "inform.h"

/* What a process may change of itself. */
#define CHANGEABLE                                                                                                     \
    (_PPF_IMMORTAL | _PPF_INFORM | _PPF_FIXED | _PPF_PRIORITY_REC | _PPF_PRIORITY_FLOAT | _PPF_NOCLDSTOP |             \
     _PPF_SIGCATCH | _PPF_SIGMASKALL | _PPF_SERVER | _PPF_RDOS)
/* What every process here is. */
#define ALWAYS (_PPF_32BIT | _PPF_FLAT)

PUBLIC int qnx_pflags(long bits, long mask, long *old, long *now)
{
    uint32_t before, after;
    if ((mask & ~(long)CHANGEABLE) != 0)
        return answer(-EINVAL);
    if ((mask & bits & _PPF_INFORM) != 0) {
        int r = inform_begin();
        if (r < 0)
            return answer(r);
    }
    int r = srr_flags((uint32_t)(bits & mask), (uint32_t)mask, &before, &after);
    if (r < 0)
        return answer(r);
    if ((after & _PPF_INFORM) == 0)
        inform_end();
    if (old)
        *old = (long)before | ALWAYS;
    if (now)
        *now = (long)after | ALWAYS;
    return 0;
}
