/* spawn.c - <process.h>: start a program, by posix_spawn() and execve(). */
#define _GNU_SOURCE
#include <process.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qnx4.h"

extern char **environ;

typedef int start(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                  const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]);

/* The program's father is init, so that nobody has to wait for it: a child starts it and ends. */
static int start_orphan(start *how, const char *path, char *const argv[], char *const envp[])
{
    int result[2], wire[2] = {0, 0};
    if (pipe2(result, O_CLOEXEC) != 0)
        return -errno;
    pid_t child = fork();
    if (child == 0) {
        wire[1] = how(&wire[0], path, NULL, NULL, argv, envp);
        _exit(write(result[1], wire, sizeof wire) == sizeof wire ? 0 : 1);
    }
    int r = child < 0 ? -errno : 0;
    close(result[1]);
    if (child > 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
            ;
        ssize_t n;
        while ((n = read(result[0], wire, sizeof wire)) < 0 && errno == EINTR)
            ;
        r = n != sizeof wire ? -EAGAIN : wire[1] != 0 ? -wire[1] : wire[0];
    }
    close(result[0]);
    return r;
}

static int run(int mode, bool in_path, const char *path, char *const argv[], char *const envp[])
{
    start *how = in_path ? posix_spawnp : posix_spawn;
    pid_t pid;
    int status;
    if (mode == P_OVERLAY) {
        in_path ? execvpe(path, argv, envp) : execve(path, argv, envp);
        return -errno;
    }
    if (mode == P_NOWAITO)
        return start_orphan(how, path, argv, envp);
    if (mode != P_WAIT && mode != P_NOWAIT)
        return -EINVAL;
    int r = -how(&pid, path, NULL, NULL, argv, envp);
    if (r != 0 || mode == P_NOWAIT)
        return r != 0 ? r : pid;
    return waitpid(pid, &status, 0) == pid ? status : -errno;
}

PUBLIC int spawnv(int mode, const char *path, char *const argv[])
{
    return answer(run(mode, false, path, argv, environ));
}

PUBLIC int spawnve(int mode, const char *path, char *const argv[], char *const envp[])
{
    return answer(run(mode, false, path, argv, envp));
}

PUBLIC int spawnvp(int mode, const char *file, char *const argv[])
{
    return answer(run(mode, true, file, argv, environ));
}

PUBLIC int spawnvpe(int mode, const char *file, char *const argv[], char *const envp[])
{
    return answer(run(mode, true, file, argv, envp));
}

/* The arguments that follow arg0, up to a null pointer, as a table; behind it, perhaps, the environment. */
static int run_list(int mode, bool in_path, bool has_environment, const char *path, const char *arg0, va_list rest)
{
    va_list counted;
    size_t n = 1;
    va_copy(counted, rest);
    while (arg0 && va_arg(counted, char *))
        n++;
    va_end(counted);
    char **argv = calloc(n + 1, sizeof *argv);
    if (!argv)
        return -ENOMEM;
    argv[0] = (char *)(uintptr_t)arg0;
    for (size_t i = 1; arg0 && i <= n; i++)
        argv[i] = va_arg(rest, char *);
    char **envp = has_environment ? va_arg(rest, char **) : environ;
    int r = run(mode, in_path, path, argv, envp);
    free(argv);
    return r;
}

#define SPAWN_LIST(name, in_path, has_environment)                            \
    PUBLIC int name(int mode, const char *path, const char *arg0, ...)        \
    {                                                                         \
        va_list rest;                                                         \
        va_start(rest, arg0);                                                 \
        int r = run_list(mode, in_path, has_environment, path, arg0, rest);   \
        va_end(rest);                                                         \
        return answer(r);                                                     \
    }

SPAWN_LIST(spawnl, false, false)
SPAWN_LIST(spawnle, false, true)
SPAWN_LIST(spawnlp, true, false)
SPAWN_LIST(spawnlpe, true, true)
