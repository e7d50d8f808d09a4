/*
 * <sys/seginfo.h>: a process's segments, for qnx_psinfo(). Linux processes have none that a program could be
 * told about: qnx_psinfo() fills the structure with zeros, and the functions qnx_segment_...() are not here.
 * Source: headers.
 */
#ifndef __SEGINFO_H_INCLUDED
#define __SEGINFO_H_INCLUDED

#include <sys/types.h>

#pragma pack(push, 1)
struct _seginfo {
    uint16_t selector;
    uint16_t flags;  /* _PMF_... */
    int32_t addr;
    int32_t nbytes;
};
#pragma pack(pop)

#define _PMF_DATA_RW 0x0000    /* data, may be written */
#define _PMF_DATA_R 0x0001     /* data */
#define _PMF_CODE_RX 0x0002    /* code, may be read */
#define _PMF_CODE_X 0x0003     /* code */
#define _PMF_DMA_SAFE 0x0004
#define _PMF_VOVERLAY 0x0004
#define _PMF_MODIFY 0x0008
#define _PMF_HUGE 0x0010
#define _PMF_GLOBAL_OWN 0x0020
#define _PMF_ALIGN 0x0040
#define _PMF_GLOBAL 0x0080
#define _PMF_NOCACHE 0x0100
#define _PMF_DMA_HIGH 0x0200
#define _PMF_LINKED 0x0400
#define _PMF_DBBIT 0x0800
#define _PMF_SHARED 0x1000
#define _PMF_BORROWED 0x2000
#define _PMF_LOADING 0x4000
#define _PMF_INUSE 0x8000

#endif
