/*
 * <i86.h>: Watcom's words for segmented memory, which have nothing left to say here (13 of them are keywords in
 * old programs). Pointers are flat: the segment is 0, the offset is the pointer.
 */
#ifndef _I86_H_INCLUDED
#define _I86_H_INCLUDED

#include <stdint.h>

#ifndef __cplusplus
#define near
#define far
#define huge
#define cdecl
#define interrupt
#endif
#define _near
#define _far
#define _huge
#define _cdecl
#define __near
#define __far
#define __huge
#define __interrupt

#define FP_SEG(pointer) ((unsigned short)0)
#define FP_OFF(pointer) ((uintptr_t)(pointer))
#define MK_FP(segment, offset) ((void *)(uintptr_t)(offset))

#endif
