/* proxy.c - <sys/proxy.h>. */
#include "qnx4.h"

#include <sys/proxy.h>

#include <srr.h>

PUBLIC pid_t qnx_proxy_attach(pid_t pid, const void *data, int nbytes, int priority)
{
    if (nbytes < 0)
        return answer(-EINVAL);
    return answer(srr_proxy_attach(pid, data, (uint32_t)nbytes, priority));
}

PUBLIC int qnx_proxy_detach(pid_t proxy)
{
    return answer(srr_proxy_detach(proxy));
}

PUBLIC pid_t qnx_proxy_rem_attach(nid_t nid, pid_t proxy)
{
    struct srr_proxy_view view;
    if (!is_here(nid))
        return answer(-EHOSTUNREACH);
    int r = srr_proxy_look(proxy, &view);
    return r < 0 ? answer(r) : proxy;
}

PUBLIC int qnx_proxy_rem_detach(nid_t nid, pid_t vproxy)
{
    return qnx_proxy_rem_attach(nid, vproxy) < 0 ? -1 : 0;
}
