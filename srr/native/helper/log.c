/* log.c - see log.h. */
#define _GNU_SOURCE
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker.h"

#define LINE_MOST 512 /* a pipe that is writable takes as much at once */
#define AGAIN_AFTER (INT64_C(3600) * 1000000000)

static __attribute__((format(printf, 2, 0))) void write_line(int level, const char *format, va_list args)
{
    char line[LINE_MOST];
    /* The journal takes the level from the line; a terminal has no use for it. */
    int n = getenv("JOURNAL_STREAM") ? snprintf(line, sizeof line, "<%d>srr-helper: ", level)
                                     : snprintf(line, sizeof line, "srr-helper: ");
    int more = vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
    n += more < (int)sizeof line - n - 1 ? more : (int)sizeof line - n - 2;
    line[n++] = '\n';
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nobody to tell */
}

void log_line(int level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(level, format, args);
    va_end(args);
}

void log_refusal(struct user *user, enum refusal why, const char *format, ...)
{
    int64_t now = kernel_now();
    if (now - user->told_at > AGAIN_AFTER) {
        quota_give(&broker.quotas, user, QUOTA_LOG_LINES, user->used[QUOTA_LOG_LINES]);
        user->told = 0;
        user->told_at = now;
    }
    if ((user->told >> why & 1) != 0 || quota_take(&broker.quotas, user, QUOTA_LOG_LINES, 1) < 0)
        return;
    user->told |= 1u << why;
    char text[LINE_MOST];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_line(4, "uid %u: %s", user->uid, text);
}

void log_nobody(const char *what)
{
    static bool told;
    if (!told)
        log_line(4, "refused: %s", what);
    told = true;
}
