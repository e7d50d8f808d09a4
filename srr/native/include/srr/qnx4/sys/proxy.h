/*
 * <sys/proxy.h>: proxies, messages of fixed content that anybody who knows the id can have delivered to the
 * proxy's owner by Trigger() (<sys/kernel.h>) or Send(), without blocking. Receive() returns the id in the
 * place of a pid, and nobody awaits a reply. Each Trigger counts; 65,535 may be pending. Source: Library
 * Reference; System Architecture for the counting.
 */
#ifndef __PROXY_H_INCLUDED
#define __PROXY_H_INCLUDED

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Make a proxy that delivers the `nbytes` bytes at `data`, copied now, to process pid (0: this one). priority:
 * 1 to 29, or -1, this process's own; it counts where messages are received by priority. Does not block.
 * Returns the proxy's id, or -1:
 *   EINVAL  nbytes is more than 100 (_QNX_PROXY_SIZE_MAX) or negative, or the priority does not exist
 *   EAGAIN  256 proxies deliver to pid already or were made by this process, or no thread can be had, or pid has
 *           not used the library yet (ours)
 *   ENOMEM  no memory
 *   ESRCH   there is no process pid
 *   EACCES  pid is another user's (ours)
 * The proxy is gone when pid, or the process that made it, ends or execs. After fork() the child has none.
 * Differs from QNX4: ids may have up to 7 digits; they come from the kernel's own process numbers, so that no
 * process has the same.
 */
extern pid_t qnx_proxy_attach(pid_t pid, const void *data, int nbytes, int priority);

/*
 * Remove a proxy; triggers that are pending go, too. Does not block. Returns 0, or -1:
 *   ESRCH  there is no such proxy (any more)
 *   EPERM  it neither delivers to this process nor was made by it
 */
extern int qnx_proxy_detach(pid_t proxy);

/*
 * The id by which node `nid` triggers this proxy: on this node (0 or getnid()) the id itself. Does not block.
 * Returns it, or -1:
 *   ESRCH         there is no such proxy
 *   EHOSTUNREACH  nid is another node: there is none (ours)
 *   EACCES        it is another user's (ours)
 */
extern pid_t qnx_proxy_rem_attach(nid_t nid, pid_t proxy);

/*
 * Give that id back: on this node nothing happens, the proxy stays. Does not block. Returns 0, or -1: as
 * qnx_proxy_rem_attach().
 */
extern int qnx_proxy_rem_detach(nid_t nid, pid_t vproxy);

#ifdef __cplusplus
}
#endif
#endif
