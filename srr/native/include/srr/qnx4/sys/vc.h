/*
 * <sys/vc.h>: virtual circuits, pids that stood for processes on other nodes. On its own node a process stands
 * for itself: attach returns its pid. There are no other nodes. Source: Library Reference, each function's own
 * page.
 */
#ifndef __VC_H_INCLUDED
#define __VC_H_INCLUDED

#include <sys/types.h>

/* Flags of qnx_vc_attach() (headers). All are accepted, none changes anything. */
#define _VC_AT_FIRST 0x0000      /* a circuit of its own */
#define _VC_AT_SHARE 0x0001      /* share one that exists */
#define _VC_AT_REM_ZOMBIE 0x0002 /* tell the server when the client is gone */

#define _VC_MAX_NAME_LEN 32 /* bytes of a name for qnx_vc_name_attach() */

/* What qnx_vc_poll_parm() sets: how the network manager looked for dead circuits (headers). */
#pragma pack(push, 1)
struct _vc_poll_parm_set {
    int32_t poll_period;
    int32_t idle_time;
    int32_t max_idle_time;
    int16_t num_polls;
    int16_t num_qpkts;
    int32_t zero1;
    int32_t zero2;
};
#pragma pack(pop)

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A pid of this node for process `pid` on node nid: pid itself. `length`, the longest message, and `flags` do
 * not matter. Does not block. Returns pid, or -1:
 *   ESRCH         there is no process pid
 *   EHOSTUNREACH  nid is another node: there is none
 *   EINVAL        pid is not positive, or there are no such flags
 * Never here: EAGAIN, ENOLIC, ENOMEM, ENOVPE, ENOSYS.
 */
extern pid_t qnx_vc_attach(nid_t nid, pid_t pid, unsigned length, int flags);

/*
 * Drop a circuit. What qnx_vc_attach() returned here is a process's own pid, which stays what it is. Does not
 * block. Returns 0, or -1: EINVAL, vid is not positive; ESRCH, there is no process with that number.
 */
extern int qnx_vc_detach(pid_t vid);

/*
 * A pid of this node for the process that has the name on node nid: its own. `length` does not matter. Does not
 * block. Returns it, or -1: ESRCH, nobody has the name; EINVAL, the name is empty or longer than 32 bytes;
 * EHOSTUNREACH, nid is another node; EACCES, the folder of names is not trusted (<sys/name.h>; ours).
 */
extern pid_t qnx_vc_name_attach(nid_t nid, unsigned length, char *name);

/*
 * Set how the network manager `net` looks for dead circuits. There is no network manager: -1, ENOSYS. Does not
 * block. Source: headers.
 */
extern int qnx_vc_poll_parm(pid_t net, struct _vc_poll_parm_set *set);

/*
 * Have the network manager look now. There are no circuits that could be dead: returns 0. Does not block.
 * Source: headers.
 */
extern int qnx_vc_refresh(void);

/*
 * A node's number from its text: decimal digits, with or without // before them. *end, if end is not 0, becomes the
 * first character that was not used. Does not block. Returns the number, whether there is such a node or not,
 * or -1: EINVAL, the text does not begin with one. Source: Library Reference, qnx_strtonid().
 */
extern nid_t qnx_strtonid(const char *nodename, char **end);

/*
 * The text of a node's number, digits only, into `buffer` of `size` bytes, with a 0 at the end, cut off if there is
 * no room. Does not block. Returns the length of the whole text, or -1: EINVAL, size is not positive.
 * Source: headers, for the name and the arguments; the form of the text is ours.
 */
extern int qnx_nidtostr(nid_t nid, char *buffer, int size);

#ifdef __cplusplus
}
#endif
#endif
