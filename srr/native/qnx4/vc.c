/* vc.c - <sys/vc.h> and getnid(): the network, which is this node alone. */
#define _GNU_SOURCE
#include <sys/vc.h>

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qnx4.h"
#include "srr.h"

/* Also another user's, a zombie, or a proxy. */
static bool exists(pid_t pid) { return kill(pid, 0) == 0 || errno == EPERM; }

PUBLIC nid_t getnid(void) { return THIS_NODE; }

PUBLIC pid_t qnx_vc_attach(nid_t nid, pid_t pid, unsigned length, int flags)
{
    (void)length;
    if (!is_here(nid))
        return answer(-EHOSTUNREACH);
    if (pid <= 0 || (flags & ~(_VC_AT_FIRST | _VC_AT_SHARE | _VC_AT_REM_ZOMBIE)) != 0)
        return answer(-EINVAL);
    return exists(pid) ? pid : answer(-ESRCH);
}

PUBLIC int qnx_vc_detach(pid_t vid)
{
    if (vid <= 0)
        return answer(-EINVAL);
    return exists(vid) ? 0 : answer(-ESRCH);
}

PUBLIC pid_t qnx_vc_name_attach(nid_t nid, unsigned length, char *name)
{
    (void)length;
    if (!is_here(nid))
        return answer(-EHOSTUNREACH);
    if (!name || strlen(name) > _VC_MAX_NAME_LEN)
        return answer(-EINVAL);
    return answer(srr_name_locate(name, NULL));
}

PUBLIC int qnx_vc_poll_parm(pid_t net, struct _vc_poll_parm_set *set)
{
    (void)net;
    (void)set;
    return answer(-ENOSYS);
}

PUBLIC int qnx_vc_refresh(void) { return 0; }

PUBLIC nid_t qnx_strtonid(const char *nodename, char **end)
{
    const char *digits = nodename && nodename[0] == '/' && nodename[1] == '/' ? nodename + 2 : nodename;
    char *after = NULL;
    unsigned long number = 0;
    if (digits && digits[0] >= '0' && digits[0] <= '9') {
        errno = 0;
        number = strtoul(digits, &after, 10);
    }
    if (end)
        *end = after ? after : (char *)(uintptr_t)nodename;
    if (!after || errno == ERANGE || number > INT32_MAX)
        return answer(-EINVAL);
    return (nid_t)number;
}

PUBLIC int qnx_nidtostr(nid_t nid, char *buffer, int size)
{
    return size > 0 ? snprintf(buffer, (size_t)size, "%d", nid) : answer(-EINVAL);
}
