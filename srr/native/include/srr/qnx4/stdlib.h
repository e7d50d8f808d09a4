/* <stdlib.h> of the system, and what Watcom's had besides and libsrr-qnx4 has. */
#if defined __GNUC__
#pragma GCC system_header
#endif
#pragma pack(push, 16)
#include_next <stdlib.h>
#pragma pack(pop)

#ifndef SRR_QNX4_STDLIB_H
#define SRR_QNX4_STDLIB_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Write a number's digits to `buffer`, in base `radix`, 2 to 36, with lower-case letters and a 0 at the end.
 * itoa and ltoa write a minus sign in base 10 only; else they take the number's bits as unsigned. `buffer` has
 * room for the digits: 65 bytes always do. Return `buffer`. Do not block. A radix out of range: the empty
 * string (ours). Source: Library Reference, itoa().
 */
extern char *itoa(int value, char *buffer, int radix);
extern char *utoa(unsigned value, char *buffer, int radix);
extern char *ltoa(long value, char *buffer, int radix);
extern char *ultoa(unsigned long value, char *buffer, int radix);

#ifdef __cplusplus
}
#endif
#endif
