/* What these programs share. A failed check says where, what and errno, and ends the program with 1. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <srr/device.h>

#define CHECK(what)                                                                                                    \
    ((what) ? (void)0                                                                                                  \
            : (fprintf(stderr, "%s:%d: %s: errno %d\n", __FILE__, __LINE__, #what, errno), fflush(stderr), _exit(1)))
/* The call fails, with that errno. */
#define FAILS(call, error) (errno = 0, CHECK((call) == -1), CHECK(errno == (error)))

static inline void ends_well(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}
