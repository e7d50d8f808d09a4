/* <unistd.h> of the system, and getnid(). */
#if defined __GNUC__
#pragma GCC system_header
#endif
#pragma pack(push, 16)
#include_next <unistd.h>
#pragma pack(pop)

#ifndef SRR_QNX4_UNISTD_H
#define SRR_QNX4_UNISTD_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The number of this node: 1. Does not block, never fails. QNX4: what netmap says. Source: Library Reference,
 * getnid().
 */
extern nid_t getnid(void);

#ifdef __cplusplus
}
#endif
#endif
