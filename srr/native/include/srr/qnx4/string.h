/* <string.h> of the system, and what Watcom's had besides and libsrr-qnx4 has. */
#if defined __GNUC__
#pragma GCC system_header
#endif
#pragma pack(push, 16)
#include_next <string.h>
#pragma pack(pop)

#ifndef SRR_QNX4_STRING_H
#define SRR_QNX4_STRING_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * stricmp, strnicmp, strcmpi: compare without regard to case; as strcasecmp, strncasecmp. strupr, strlwr:
 * change a string's case in place, return it. They do not block and cannot fail. Source: Library Reference,
 * stricmp(), strupr().
 */
extern int stricmp(const char *a, const char *b);
extern int strcmpi(const char *a, const char *b);
extern int strnicmp(const char *a, const char *b, size_t n);
extern char *strupr(char *string);
extern char *strlwr(char *string);

#ifdef __cplusplus
}
#endif
#endif
