/*
 * <conio.h>: the keyboard, character by character, on the controlling terminal. Few of Watcom's functions:
 * getch, getche, ungetch, kbhit, putch, cputs. Ports (inp, outp) are not here: Linux has them in <sys/io.h>.
 * Source: Library Reference, each function's own page.
 */
#ifndef _CONIO_H_INCLUDED
#define _CONIO_H_INCLUDED

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The next character, without waiting for the end of the line, and without (getch) or with (getche) showing it.
 * Blocks until there is one. Returns it, 0 to 255, or -1 (EOF): ENXIO, there is no terminal; EINTR, a signal
 * handler ran; EIO, it is gone.
 */
extern int getch(void) __asm__("srr_qnx4_getch");
extern int getche(void);

/* Have getch() return c next. One at most. Does not block. Returns c, or -1 (EOF): there is one already. */
extern int ungetch(int c) __asm__("srr_qnx4_ungetch");

/* Whether getch() would return at once. Does not block. Returns 0 or 1; 0 also where there is no terminal. */
extern int kbhit(void);

/*
 * Write a character, or a string without a new line behind it. Block as write() does. Return c and 0, or -1
 * (EOF): ENXIO; what write() says.
 */
extern int putch(int c);
extern int cputs(const char *string);

#ifdef __cplusplus
}
#endif
#endif
