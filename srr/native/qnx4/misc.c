/* misc.c - the texts of QNX4's error numbers, and the few functions of Watcom's library that old programs use. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "qnx4.h"

/* A program may have its own: also where it is linked statically, and needs another function of this file. */
#define WATCOMS PUBLIC __attribute__((weak))

static const struct {
    int number;
    const char *text;
} texts[] = {
    {EOK, "No error"},
    {ENOREMOTE, "Must be done on this node"},
    {ENONDP, "No floating point processor"},
    {EBADFSYS, "File system corrupted"},
    {ENO32BIT, "32-bit programs cannot run here"},
    {ENOVPE, "No more virtual processes"},
    {ENONETQ, "Network queue full"},
    {ENONETMAN, "No network manager"},
    {EVIDBUF2SML, "Virtual circuit buffer too small"},
    {EVIDBUF2BIG, "Virtual circuit buffer too big"},
    {EMORE, "There is more"},
    {ECTRLTERM, "Ended by the controlling side"},
    {ENOLIC, "No licence"},
    {EDSTFAULT, "Bad address in the other process"},
};

PUBLIC char *srr_strerror(int error)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].number == error)
            return (char *)(uintptr_t)texts[i].text;
    return strerror(error);
}

static char *digits(unsigned long value, bool negative, char *buffer, int radix)
{
    char reversed[8 * sizeof value];
    size_t n = 0;
    char *at = buffer;
    if (radix < 2 || radix > 36) {
        *buffer = 0;
        return buffer;
    }
    do
        reversed[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[value % (unsigned)radix];
    while ((value /= (unsigned)radix) != 0);
    if (negative)
        *at++ = '-';
    while (n > 0)
        *at++ = reversed[--n];
    *at = 0;
    return buffer;
}

WATCOMS char *ultoa(unsigned long value, char *buffer, int radix) { return digits(value, false, buffer, radix); }

WATCOMS char *utoa(unsigned value, char *buffer, int radix) { return digits(value, false, buffer, radix); }

/* A minus sign in base 10 only; else the number's bits. */
WATCOMS char *ltoa(long value, char *buffer, int radix)
{
    bool negative = radix == 10 && value < 0;
    return digits(negative ? 0 - (unsigned long)value : (unsigned long)value, negative, buffer, radix);
}

WATCOMS char *itoa(int value, char *buffer, int radix)
{
    bool negative = radix == 10 && value < 0;
    return digits(negative ? 0 - (unsigned)value : (unsigned)value, negative, buffer, radix);
}

WATCOMS int stricmp(const char *a, const char *b) { return strcasecmp(a, b); }

WATCOMS int strcmpi(const char *a, const char *b) { return strcasecmp(a, b); }

WATCOMS int strnicmp(const char *a, const char *b, size_t n) { return strncasecmp(a, b, n); }

WATCOMS char *strupr(char *string)
{
    for (char *c = string; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    return string;
}

WATCOMS char *strlwr(char *string)
{
    for (char *c = string; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return string;
}
