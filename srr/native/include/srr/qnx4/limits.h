/* <limits.h> of the system, and QNX4's limits (headers). */
#if defined __GNUC__
#pragma GCC system_header
#endif
#include_next <limits.h>

#ifndef SRR_QNX4_LIMITS_H
#define SRR_QNX4_LIMITS_H

#define _QNX_MXTAB_LEN 255        /* entries in a table of Sendmx() and its like */
#define _QNX_MSGLEN 65500U        /* bytes in a message that every node took. Here: no limit below 2^31 */
#define _QNX_PROXY_SIZE_MAX 100   /* bytes in a proxy's message */
#define _QNX_ATTACHEDNAME_MAX 64  /* bytes of a name with its node. qnx_name_attach() takes 32 */
#define _QNX_PREFIX_MAX 48
#define _QNX_ROOT_PREFIX_MAX 128

#endif
