/*
 * daemon.c - what daemons and shells do around fork(): all descriptors closed before serving; children started again by
 * a SIGCHLD handler; vfork() with signals put back to their defaults before exec.
 */
#include <fcntl.h>
#include <sys/name.h>
#include "../old.h"

#define ROUNDS 100

volatile int respawned, interrupts;

static void on_child(int signo)
{
    int was = errno;

    (void) signo;
    while (waitpid(-1, 0, WNOHANG) > 0)
        if (respawned < ROUNDS) {
            ++respawned;
            if (fork() == 0)
                _exit(0);
        }
    errno = was;
}

static void on_interrupt(int signo)
{
    (void) signo;
    ++interrupts;
}

/* Keeps only the pipe that it reports by. */
static void serve(int report)
{
    char msg[8];
    int fd, id;
    pid_t pid;

    for (fd = 3; fd < 1024; ++fd)
        if (fd != report)
            close(fd);
    for (fd = 0; fd < 3; ++fd)
        if (fd != report)
            close(fd);
    id = qnx_name_attach(0, "old/daemon");
    write(report, &id, sizeof id);
    pid = Receive(0, msg, sizeof msg);
    Reply(pid, "served", 7);
    _exit(0);
}

int main(void)
{
    int ends[2], id = -1, i, status;
    char reply[8];
    pid_t child;
    void (*before)(int);

    check("pipe", pipe(ends), 0);
    child = fork();
    if (child == 0)
        serve(ends[1]);
    check("it has told", read(ends[0], &id, sizeof id), sizeof id);
    check("it has its name", id >= 0, 1);
    check("found", qnx_name_locate(0, "old/daemon", 0, 0), child);
    check("Send", Send(child, "hello", reply, 6, sizeof reply), 0);
    check_bytes("reply", reply, "served", 7);
    check("it ended well", waitpid(child, &status, 0) == child && status == 0, 1);

    before = signal(SIGINT, on_interrupt);
    check("default before", before == SIG_DFL, 1);
    child = vfork();
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        execl("/bin/true", "true", (char *) 0);
        _exit(1);
    }
    waitpid(child, &status, 0);
    check("exec", status, 0);
    kill(getpid(), SIGINT);
    check("our handler is still ours", interrupts, 1);

    signal(SIGCHLD, on_child);
    for (i = 0; i < ROUNDS; ++i)
        if (fork() == 0)
            _exit(0);
    signal(SIGCHLD, SIG_DFL);
    while (waitpid(-1, 0, 0) > 0)
        ;
    check("children that a handler started", respawned > 0, 1);
    return finish();
}
