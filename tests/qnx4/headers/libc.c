/*
 * Structures that go to libc and come back, in a program that may be compiled with -fpack-struct=1. Exit status 0:
 * libc's functions and this program mean the same by each of them. It uses no function of QNX4's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <netdb.h>
#include <pthread.h>
#include <regex.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int failures;

static void check(int right, const char *what)
{
    if (right)
        return;
    printf("FAILED %s\n", what);
    failures++;
}

static volatile sig_atomic_t alarms, from;

static void on_alarm(int signo, siginfo_t *info, void *context)
{
    (void)context;
    alarms += signo == SIGALRM;
    from = (sig_atomic_t)info->si_pid;
}

static void test_sigaction(void)
{
    struct { struct sigaction act; char guard[16]; } was;
    struct sigaction act;
    memset(&act, 0, sizeof act);
    memset(was.guard, 'x', sizeof was.guard);
    act.sa_sigaction = on_alarm;
    act.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaddset(&act.sa_mask, SIGUSR1);
    check(sigaction(SIGALRM, &act, NULL) == 0, "sigaction");
    check(sigaction(SIGALRM, NULL, &was.act) == 0, "sigaction: ask");
    check(was.act.sa_sigaction == on_alarm, "sigaction: handler");
    check((was.act.sa_flags & (SA_SIGINFO | SA_NODEFER)) == (SA_SIGINFO | SA_NODEFER), "sigaction: flags");
    check(sigismember(&was.act.sa_mask, SIGUSR1) == 1, "sigaction: mask");
    check(was.guard[0] == 'x' && was.guard[15] == 'x', "sigaction: what lies behind it");
    check(kill(getpid(), SIGALRM) == 0 && alarms == 1 && from == getpid(), "siginfo: si_pid");
}

static void test_itimer(void)
{
    struct itimerval soon, left;
    memset(&soon, 0, sizeof soon);
    soon.it_value.tv_sec = 1000;
    soon.it_interval.tv_usec = 7;
    alarms = 0;
    check(setitimer(ITIMER_REAL, &soon, NULL) == 0 && getitimer(ITIMER_REAL, &left) == 0, "setitimer");
    check(left.it_value.tv_sec >= 999 - 10 && left.it_interval.tv_usec == 7, "getitimer");
    soon.it_value.tv_sec = 0;
    soon.it_value.tv_usec = 1;
    soon.it_interval.tv_usec = 0;
    {
        sigset_t alarm_only, before;
        sigemptyset(&alarm_only);
        sigaddset(&alarm_only, SIGALRM);
        sigprocmask(SIG_BLOCK, &alarm_only, &before);
        setitimer(ITIMER_REAL, &soon, NULL);
        while (alarms == 0)
            sigsuspend(&before);
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    check(alarms == 1, "setitimer: the signal");
}

static void test_stat(const char *self)
{
    struct { struct stat stat; char guard[16]; } file;
    FILE *again;
    long size;
    memset(file.guard, 'x', sizeof file.guard);
    check(stat(self, &file.stat) == 0, "stat");
    again = fopen(self, "rb");
    check(again && fseek(again, 0, SEEK_END) == 0, "fopen");
    size = again ? ftell(again) : -1;
    check((long)file.stat.st_size == size, "stat: size");
    check(S_ISREG(file.stat.st_mode) && file.stat.st_uid == getuid(), "stat: mode, uid");
    check(file.stat.st_nlink == 1, "stat: links");
    check(file.stat.st_mtime > 1000000000 && file.stat.st_mtime <= time(NULL) + 5, "stat: time");
    check(file.guard[0] == 'x' && file.guard[15] == 'x', "stat: what lies behind it");
    if (again)
        fclose(again);
}

static void test_tm(void)
{
    time_t then = 86400 * 365;
    struct { struct tm tm; char guard[16]; } broken;
    memset(broken.guard, 'x', sizeof broken.guard);
    setenv("TZ", "XYZ-2", 1);
    tzset();
    check(localtime_r(&then, &broken.tm) != NULL, "localtime_r");
    check(broken.tm.tm_year == 71 && broken.tm.tm_hour == 2, "localtime_r: year, hour");
    check(broken.tm.tm_gmtoff == 7200 && strcmp(broken.tm.tm_zone, "XYZ") == 0, "localtime_r: zone");
    check(broken.guard[0] == 'x' && broken.guard[15] == 'x', "localtime_r: what lies behind it");
    check(mktime(&broken.tm) == then, "mktime");
}

static void test_setjmp(void)
{
    struct { sigjmp_buf buf; char guard[16]; } place;
    sigset_t mask;
    memset(place.guard, 'x', sizeof place.guard);
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (sigsetjmp(place.buf, 1) == 0) {
        sigaddset(&mask, SIGUSR2);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        siglongjmp(place.buf, 5);
    }
    sigprocmask(SIG_SETMASK, NULL, &mask);
    check(sigismember(&mask, SIGUSR2) == 0, "siglongjmp: mask");
    check(place.guard[0] == 'x' && place.guard[15] == 'x', "sigsetjmp: what lies behind it");
}

static void test_termios(void)
{
    struct { struct termios termios; char guard[16]; } line;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    memset(line.guard, 'x', sizeof line.guard);
    check(terminal >= 0 && tcgetattr(terminal, &line.termios) == 0, "tcgetattr");
    check(cfgetospeed(&line.termios) == B38400 && cfgetispeed(&line.termios) == B38400, "tcgetattr: speeds");
    check(line.guard[0] == 'x' && line.guard[15] == 'x', "tcgetattr: what lies behind it");
    close(terminal);
}

static void test_flock(void)
{
    struct flock lock;
    FILE *file = tmpfile();
    int status = -1, fd = file ? fileno(file) : -1;
    pid_t child;
    memset(&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 10;
    lock.l_len = 20;
    check(fcntl(fd, F_SETLK, &lock) == 0, "fcntl: lock");
    child = fork();
    if (child == 0) {
        lock.l_start = 0;
        lock.l_len = 0;
        _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_start == 10 && lock.l_len == 20 &&
                      lock.l_pid == getppid()
                  ? 0
                  : 1);
    }
    check(waitpid(child, &status, 0) == child && status == 0, "fcntl: who holds the lock");
    if (file)
        fclose(file);
}

static void test_lists(void)
{
    struct group *group = getgrgid(0);
    struct addrinfo hints, *found = NULL;
    struct dirent *entry;
    int names = 0;
    DIR *dir = opendir("/");
    check(group && group->gr_gid == 0 && group->gr_mem && strcmp(group->gr_name, "root") == 0, "getgrgid");
    while (dir && (entry = readdir(dir)))
        names += strcmp(entry->d_name, "proc") == 0 || strcmp(entry->d_name, "dev") == 0;
    check(names == 2, "readdir");
    if (dir)
        closedir(dir);
    memset(&hints, 0, sizeof hints);
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    check(getaddrinfo("127.0.0.1", "80", &hints, &found) == 0 && found, "getaddrinfo");
    check(found && found->ai_addr && found->ai_addr->sa_family == AF_INET && !found->ai_next, "getaddrinfo: address");
    if (found)
        freeaddrinfo(found);
}

static void test_sendmsg(void)
{
    int ends[2];
    char text[] = "hello", got[8] = "";
    struct iovec out, in;
    struct msghdr message;
    memset(&message, 0, sizeof message);
    out.iov_base = text;
    out.iov_len = sizeof text;
    in.iov_base = got;
    in.iov_len = sizeof got;
    message.msg_iov = &out;
    message.msg_iovlen = 1;
    check(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0, "socketpair");
    check(sendmsg(ends[0], &message, 0) == (ssize_t)sizeof text, "sendmsg");
    message.msg_iov = &in;
    check(recvmsg(ends[1], &message, MSG_DONTWAIT) == (ssize_t)sizeof text && strcmp(got, text) == 0, "recvmsg");
    close(ends[0]);
    close(ends[1]);
}

static void test_regex(void)
{
    regex_t expression;
    regmatch_t match[2];
    check(regcomp(&expression, "a(b+)c", REG_EXTENDED) == 0 && expression.re_nsub == 1, "regcomp");
    check(regexec(&expression, "xabbc", 2, match, 0) == 0 && match[1].rm_so == 2 && match[1].rm_eo == 4, "regexec");
    regfree(&expression);
}

static void test_getopt(void)
{
    static const struct option options[] = {
        {"one", no_argument, NULL, 1}, {"two", required_argument, NULL, 2}, {0, 0, 0, 0}};
    char name[] = "x", two[] = "--two=zwei", *arguments[] = {name, two, NULL};
    optind = 1;
    check(getopt_long(2, arguments, "", options, NULL) == 2 && strcmp(optarg, "zwei") == 0, "getopt_long");
}

/* One byte in front, so that what is not aligned by its type is not aligned. */
static struct { char byte; } first;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t semaphore;
static int counted;

static void *count(void *arg)
{
    int i;
    for (i = 0; i < 1000; i++) {
        pthread_mutex_lock(&mutex);
        counted++;
        pthread_mutex_unlock(&mutex);
    }
    sem_post(&semaphore);
    return arg;
}

static void test_threads(void)
{
    pthread_t threads[2];
    first.byte = 1;
    check(__alignof__(mutex) >= sizeof(int) && __alignof__(semaphore) >= sizeof(int), "alignment of futexes");
    check(sem_init(&semaphore, 0, 0) == 0, "sem_init");
    check(pthread_create(&threads[0], NULL, count, NULL) == 0 && pthread_create(&threads[1], NULL, count, NULL) == 0,
          "pthread_create");
    check(sem_wait(&semaphore) == 0 && sem_wait(&semaphore) == 0, "sem_wait");
    check(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0, "pthread_join");
    check(counted == 2000, "pthread_mutex_lock");
}

/* Inlined from <stdio.h> when optimizing: it looks into FILE. */
static void test_stdio(const char *self)
{
    FILE *file = fopen(self, "rb");
    check(file && getc_unlocked(file) == 0x7f && getc_unlocked(file) == 'E', "getc_unlocked");
    if (file)
        fclose(file);
}

int main(int argc, char **argv)
{
    struct { char c; int i; } packed;
    (void)argc;
    (void)packed;
#ifdef PACKED
    check(sizeof packed == 5, "-fpack-struct=1: the program's own structures");
#else
    check(sizeof packed == 8, "the program's own structures");
#endif
    test_sigaction();
    test_itimer();
    test_stat(argv[0]);
    test_tm();
    test_setjmp();
    test_termios();
    test_flock();
    test_lists();
    test_sendmsg();
    test_regex();
    test_getopt();
    test_threads();
    test_stdio(argv[0]);
    if (failures == 0)
        printf("ok\n");
    return failures != 0;
}
