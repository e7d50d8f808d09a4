/* Prints what qnx_psinfo() tells about each process or proxy that is named, a line each: names and numbers. */
#include <stdio.h>
#include <stdlib.h>

#include <sys/kernel.h>
#include <sys/psinfo.h>

int main(int argc, char **argv)
{
    int i;
    for (i = 1; i < argc; i++) {
        struct _psinfo p;
        if (qnx_psinfo(PROC_PID, atoi(argv[i]), &p, 0, 0) == -1)
            return 1;
        printf("pid=%d blocked_on=%d pid_group=%d flags=%d rgid=%d ruid=%d egid=%d euid=%d umask=%d signal_ignore=%u "
               "signal_pending=%u signal_mask=%u state=%d priority=%d max_priority=%d sched_algorithm=%d "
               "sid=%d sid_nid=%d",
               p.pid, p.blocked_on, p.pid_group, p.flags, p.rgid, p.ruid, p.egid, p.euid, p.umask,
               (unsigned)p.signal_ignore, (unsigned)p.signal_pending, (unsigned)p.signal_mask, p.state, p.priority,
               p.max_priority, p.sched_algorithm, p.sid, p.sid_nid);
        if (p.flags & _PPF_MID)
            printf(" count=%d\n", p.un.mproc.count);
        else
            printf(" father=%d son=%d brother=%d debugger=%d start_time=%u\n", p.un.proc.father, p.un.proc.son,
                   p.un.proc.brother, p.un.proc.debugger, p.un.proc.start_time);
    }
    return 0;
}
