/* conio.c - <conio.h>: the keyboard, on the controlling terminal, whatever standard input is. */
#define _GNU_SOURCE
#include <conio.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "qnx4.h"

static int pushed_back = EOF;

static int open_terminal(void) { return open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC); }

/* Characters come one by one from here on, until the settings that are returned are put back. */
static bool go_raw(int terminal, struct termios *ret_before)
{
    struct termios raw;
    if (tcgetattr(terminal, ret_before) != 0)
        return false;
    raw = *ret_before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return tcsetattr(terminal, TCSANOW, &raw) == 0;
}

static int read_key(bool echo)
{
    struct termios before;
    unsigned char c;
    int r = EOF;
    if (pushed_back != EOF) {
        r = pushed_back;
        pushed_back = EOF;
        return r;
    }
    int terminal = open_terminal();
    if (terminal < 0)
        return EOF;
    if (go_raw(terminal, &before)) {
        ssize_t n = read(terminal, &c, 1);
        int error = n == 0 ? EIO : errno;
        if (n == 1)
            r = c;
        if (n == 1 && echo && write(terminal, &c, 1) != 1)
            r = EOF;
        tcsetattr(terminal, TCSANOW, &before);
        errno = error;
    }
    close(terminal);
    return r;
}

PUBLIC int getch(void) { return read_key(false); }

PUBLIC int getche(void) { return read_key(true); }

PUBLIC int ungetch(int c)
{
    if (pushed_back != EOF)
        return EOF;
    pushed_back = (unsigned char)c;
    return pushed_back;
}

PUBLIC int kbhit(void)
{
    struct termios before;
    int r = 0, terminal;
    if (pushed_back != EOF)
        return 1;
    terminal = open_terminal();
    if (terminal < 0)
        return 0;
    if (go_raw(terminal, &before)) {
        struct pollfd key = {.fd = terminal, .events = POLLIN};
        r = poll(&key, 1, 0) == 1 && (key.revents & POLLIN) != 0;
        tcsetattr(terminal, TCSANOW, &before);
    }
    close(terminal);
    return r;
}

static int put(const char *text, size_t length)
{
    int terminal = open_terminal();
    if (terminal < 0)
        return EOF;
    size_t done = 0;
    ssize_t n = 0;
    while (done < length && (n = write(terminal, text + done, length - done)) > 0)
        done += (size_t)n;
    int error = errno;
    close(terminal);
    errno = error;
    return n < 0 ? EOF : 0;
}

PUBLIC int putch(int c)
{
    char text = (char)c;
    return put(&text, 1) == 0 ? c : EOF;
}

PUBLIC int cputs(const char *string) { return put(string, strlen(string)); }
