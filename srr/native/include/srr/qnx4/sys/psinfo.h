/*
 * <sys/psinfo.h>: what processes do, and the flags by which a process changes how it receives. Values and
 * layouts: headers.
 */
#ifndef __PSINFO_H_INCLUDED
#define __PSINFO_H_INCLUDED

#include <sys/types.h>

#include <sys/seginfo.h>
#include <sys/times.h>

/*
 * One entry of the process table: a process, or a proxy (flags & _PPF_MID). There are no virtual circuits. 272
 * bytes. Members that have no meaning on Linux are 0; they are marked with -. Times are seconds since 1970, or
 * clock ticks (sysconf(_SC_CLK_TCK)). User and group ids, and sid, are cut to 16 bits.
 */
#pragma pack(push, 1)
struct _psinfo {
    pid_t pid;
    pid_t blocked_on;          /* on whom; 0: on nobody, or RECEIVE from anybody */
    pid_t pid_group;
    int32_t flags;             /* _PPF_... */
    int16_t rgid;
    int16_t ruid;
    int16_t egid;
    int16_t euid;
    int32_t sp_reg;            /* - */
    uint16_t ss_reg;           /* - */
    int32_t magic_off;         /* - */
    uint16_t magic_sel;        /* - */
    uint16_t ldt;              /* - */
    uint16_t umask;
    int32_t signal_ignore;     /* 1 << (signo - 1) */
    int32_t signal_pending;
    int32_t signal_mask;
    int32_t signal_off;        /* - */
    uint16_t signal_sel;       /* - */
    char state;                /* STATE_... (<sys/kernel.h>) */
    char zero0;
    char zero0a;
    char priority;             /* 1 to 29 (<sys/sched.h>) */
    char max_priority;         /* 19, or 29 if the process is root's */
    char sched_algorithm;      /* SCHED_... of Linux's <sched.h> */
    uint16_t sid;              /* session */
    nid_t sid_nid;             /* getnid() */
    uint16_t zero1[5];

    union {
        struct {               /* a process */
            pid_t father;
            pid_t son;         /* a child, 0: none */
            pid_t brother;     /* the father's next child, 0: none */
            pid_t debugger;
            pid_t mpass_pid;   /* - */
            uint16_t mpass_sel;   /* - */
            uint16_t mpass_flags; /* - */
            char name[100];    /* the program's path, its end if it is longer than 99 bytes */
            uint16_t links;    /* - */
            uint32_t file_time;   /* - */
            uint16_t nselectors;  /* - */
            uint32_t start_time;
            struct {           /* struct tms, of 32 bits each */
                int32_t tms_utime;
                int32_t tms_stime;
                int32_t tms_cutime;
                int32_t tms_cstime;
            } times;
            uint16_t mxcount;  /* - */
            uint16_t zero2[7];
        } proc;
        struct {               /* a virtual circuit: there are none */
            pid_t local_pid;
            pid_t remote_pid;
            pid_t remote_vid;
            nid_t remote_nid;
            uint16_t vidseg;
            uint16_t links;
            char substate;     /* _VCS_... */
            char zero_v1;
            uint16_t zero2[49];
        } vproc;
        struct {               /* a proxy: SEND-blocked on its owner when it was triggered, else RECEIVE-blocked */
            uint16_t count;    /* triggers that its owner has not received yet */
            uint16_t zero2[50];
        } mproc;
    } un;

    uint16_t zero3[12];
};

/* Shorter forms (headers), for programs that name them: nothing here fills them. */
struct _psinfo2 {
    pid_t pid;
    pid_t ppid;
    pid_t pid_group;
    int32_t flags;
    int16_t rgid;
    int16_t ruid;
    int16_t egid;
    int16_t euid;
};

struct _psinfo3 {
    int16_t egid;
    int16_t euid;
    int32_t flags;
    char priority;
    char max_priority;
};
#pragma pack(pop)

/* Flags that a process may change. Those without an effect here are kept and shown, and marked with -. */
#define _PPF_IMMORTAL 0x00000001L       /* - nobody is, on Linux: SIGKILL ends every process */
#define _PPF_INFORM 0x00000002L         /* receive a DEATH message for every process that ends (<sys/sys_msg.h>) */
#define _PPF_FIXED 0x00000004L          /* - */
#define _PPF_PRIORITY_REC 0x00000010L   /* receive by the priority of the senders, then by arrival */
#define _PPF_PRIORITY_FLOAT 0x00000020L /* take the priority of the sender received from, or a waiting one's */
#define _PPF_NOCLDSTOP 0x00000040L      /* - */
#define _PPF_SIGCATCH 0x00000080L       /* receive a SIGNAL message for clients that are REPLY-blocked on us */
#define _PPF_SIGMASKALL 0x00000100L     /* - */
#define _PPF_SERVER 0x00000200L         /* we answer VERSION messages */
#define _PPF_RDOS 0x00000400L           /* - */
/* Flags that are shown only. Those that are ever set are marked with +. */
#define _PPF_WAS_32BIT 0x00008000L
#define _PPF_32BIT 0x00020000L          /* + always: not a 16-bit program */
#define _PPF_FLAT 0x00040000L           /* + always */
#define _PPF_XIP 0x00080000L
#define _PPF_VID 0x00100000L            /* a virtual circuit */
#define _PPF_MID 0x00200000L            /* + a proxy */
#define _PPF_VMID 0x00400000L           /* a virtual proxy */
#define _PPF_EXECING 0x01000000L
#define _PPF_LOADING 0x02000000L
#define _PPF_TERMING 0x04000000L
#define _PPF_TO_BE_HELD 0x08000000L
#define _PPF_NOZOMBIE 0x10000000L
#define _PPF_SLEADER 0x20000000L        /* + the first process of a session */
#define _PPF_FORKED 0x40000000L

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Tell about process, or proxy, pid (0: this process) or, if there is none, about the one with the next higher
 * number: compare buf->pid. Does not block. proc_pid is PROC_PID, 0, or what qnx_vc_attach() returned for
 * PROC_PID. *seg, if seg is not 0, is filled with zeros (<sys/seginfo.h>). Returns buf->pid, or -1:
 *   EINVAL  there is no such process and none behind it, or pid is negative
 *   ESRCH   proc_pid is none of those
 *   EFAULT  buf is 0
 * A process sleeps for a message (SEND, RECEIVE, REPLY, SIGNAL), for a child (WAIT), or, whatever else it does,
 * for an answer of Linux: it is shown as REPLY-blocked on PROC_PID, as on QNX4, where services were processes.
 * Of another user's processes only that is known. Of several threads the first one's state is shown, or RECEIVE
 * if another one is RECEIVE-blocked and the first is in no call. Source: Library Reference, qnx_psinfo().
 */
extern pid_t qnx_psinfo(pid_t proc_pid, pid_t pid, struct _psinfo *buf, unsigned segindex, struct _seginfo *seg);

/*
 * Change this process's flags: new = (old & ~mask) | (bits & mask). *old and *now, unless 0, get them before
 * and after; mask 0 only asks. Does not block. Returns 0, or -1:
 *   EINVAL  mask names a flag that is shown only
 *   EAGAIN  no thread for watching the deaths of processes (_PPF_INFORM)
 *   EMFILE  no descriptor for it
 * _PPF_PRIORITY_FLOAT raises a priority only as far as the kernel lets this process (<sys/sched.h>), and lowers it
 * only if it may come back. After fork() the child has none of them set (ours).
 * Source: Library Reference, qnx_pflags(); the errors are ours.
 */
extern int qnx_pflags(long bits, long mask, long *old, long *now);

#ifdef __cplusplus
}
#endif
#endif
