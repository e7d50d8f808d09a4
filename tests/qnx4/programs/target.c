/*
 * target.c - any process is a target: without registration, whether or not it has ever called Receive. The Send waits
 * until it does, or until it ends.
 *
 * Called with an argument it is such another program: "receive" answers its parent, "idle" only reads its input.
 */
#include <fcntl.h>
#include "../old.h"

int gate[2];                    /* opens when its writing end is closed everywhere */
int started[2];                 /* likewise, by exec */

static void open_gate()
{
    char c;

    close(gate[1]);
    read(gate[0], &c, 1);       /* until the other end is closed, too */
}

static void late_receiver(long unused)
{
    char msg[10];
    pid_t from;

    open_gate();
    from = Receive(0, msg, sizeof(msg));
    check("the late receiver has the message", strcmp(msg, "hello"), 0);
    check("and replies", Reply(from, "late", 5), 0);
}

static void never(long unused)
{
    open_gate();
}

static void runs_program(long what)
{
    char path[200];
    int n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    path[n] = 0;
    dup2(gate[0], 0);
    close(gate[0]);
    close(gate[1]);
    execl(path, path, what ? "receive" : "idle", (char *) 0);
    _exit(99);
}

/* A program that knows nothing of messages, and does not end by itself. */
static void sleeper(long unused)
{
    execl("/bin/sleep", "sleep", "1000", (char *) 0);
    _exit(99);
}

/* A child that becomes another program, and has done so. */
static pid_t start_program(void (*body)(long), long arg)
{
    pid_t child;
    char c;

    pipe(started);
    fcntl(started[1], F_SETFD, FD_CLOEXEC);
    child = start(body, arg);
    close(started[1]);
    read(started[0], &c, 1);
    close(started[0]);
    return child;
}

/* Opens the gate when the parent is SEND-blocked on its brother. */
static void opener(long brother)
{
    until_on(getppid(), STATE_SEND_BLOCKED, (pid_t) brother);
    close(gate[1]);             /* the last one: the brother's read ends */
}

static void with_gate(char *what, pid_t (*starter)(), void (*body)(long), long arg, int answered)
{
    char reply[10];
    pid_t child, keeper;
    int result, error;

    pipe(gate);
    child = (*starter)(body, arg);
    close(gate[0]);
    keeper = start(opener, (long) child);
    close(gate[1]);
    strcpy(reply, "none");
    result = Send(child, "hello", reply, 6, sizeof(reply));
    error = errno;
    if (answered) {
        check(what, result, 0);
        check("its answer", strcmp(reply, "late"), 0);
    }
    else {
        errno = error;
        check_fails(what, result, ESRCH);
    }
    good_end(keeper);
    good_end(child);
}

static int program(char *what)
{
    char c, msg[10];
    pid_t from;

    read(0, &c, 1);
    if (strcmp(what, "receive") == 0) {
        from = Receive(getppid(), msg, sizeof(msg));
        check("the program has the message", strcmp(msg, "hello"), 0);
        check("and replies", Reply(from, "late", 5), 0);
    }
    return finish();
}

static void killer(long brother)
{
    until_on(getppid(), STATE_SEND_BLOCKED, (pid_t) brother);
    kill((pid_t) brother, SIGKILL);
}

main(argc, argv)
int argc;
char **argv;
{
    pid_t child, other;

    if (argc > 1)
        return program(argv[1]);

    with_gate("Send to a child that receives later", start, late_receiver, 0, 1);
    with_gate("Send to a child that never receives", start, never, 0, 0);
    with_gate("Send to a program that is started and receives later", start_program, runs_program, 1L, 1);
    with_gate("Send to a program that is started and never receives", start_program, runs_program, 0L, 0);

    child = start_program(sleeper, 0);
    other = start(killer, (long) child);
    check_fails("Send to sleep(1), which is killed then", Send(child, "hello", 0, 6, 0), ESRCH);
    good_end(other);
    check("how sleep(1) ended", ended(child), -SIGKILL);
    return finish();
}
