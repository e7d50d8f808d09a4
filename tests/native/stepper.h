/*
 * stepper.h - killing and freezing processes at each instruction of a Send, a Receive and Reply, a name's
 * attaching; see stepper.c.
 *
 * Words: a mode is one line of the table in stepper.c; it tries its scene at many points. The driver is the
 * process that traces and judges; it has no rows of its own. Its children are players: clients, servers,
 * holders of names. What they tell the driver stands on the board, memory that all of them share.
 */
#ifndef STEPPER_H
#define STEPPER_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* stepper_trace.c: reaching a point of a process's run */

/* About to execute the instruction at pc for the hit-th time; or `inside`: a moment later, if it is a system
 * call: asleep in it, where it sleeps. */
struct point {
    uintptr_t pc;
    uintptr_t ours; /* pc, or where our program called the library that pc is in */
    uint32_t hit;
    bool inside;
};

/* All points of one run, in order, found by single-stepping once; in memory that the workers share. */
struct trace {
    uint32_t count;
    uint32_t steps; /* including those that are no point: turns of a rep instruction, loops' later turns */
    struct point points[1 << 18];
};

enum reached {
    REACHED, /* stopped there */
    ENDED,   /* the run came to its end without: stopped at the end */
    DIED,
    STUCK,
};

/* In the player that is stepped: the run begins, ends; what lies between two pauses is not the library's. */
void trace_begin(void);
void trace_pause(void);
void trace_end(void);

/* In the driver. The player is stopped at the run's begin. False: it does not get there. */
bool trace_await_begin(pid_t player);
enum reached trace_record(pid_t player, struct trace *trace);
enum reached trace_reach(pid_t player, const struct point *point);
/* Go on as if there had never been a tracer. */
void trace_thaw(pid_t player);
/* Why stepping is impossible here, or NULL. */
const char *trace_obstacle(void);
/* The point's function, file and line. */
void trace_describe(const struct point *point, char *text, size_t size);
/* Its state as ps shows it, or 0. */
char state_of(pid_t player);

/* stepper_players.c: the players and their board */

#define MESSAGES 8

/* What a message asks of the server. */
enum kind {
    PLAIN, /* reply at once */
    RICH,  /* srr_read, srr_write, then reply */
    LATE,  /* reply when the sender has slept for more than a slice */
    ERROR, /* srr_error(EDOM) */
    AWAY,  /* reply, and receive again only when the board says so */
};

struct errand {
    unsigned number; /* of the message, in this point */
    pid_t to;
    enum kind kind;
    uint32_t size; /* of the message and of the reply */
    int64_t timeout_ns;
};

/* What the server has seen of a message. */
struct fate {
    _Atomic uint32_t received, replying, replied, refused;
};

/* What the client has seen of its Send. */
struct end {
    sem_t done;
    _Atomic int32_t result;
    _Atomic uint32_t flags;
    _Atomic bool ended, right; /* the reply is what it should be */
    _Atomic uint64_t healed; /* of a client's first Send: what its process has counted, when it ended */
    _Atomic int64_t at;
};

struct board {
    _Atomic uint32_t round; /* the point's number: nothing of another one may turn up */
    struct fate fates[MESSAGES];
    struct end ends[MESSAGES];
    _Atomic bool thawed;    /* nobody traces: do not stop for the tracer */
    _Atomic bool away;      /* a server that is away stays away */
    _Atomic bool hurry;     /* LATE becomes PLAIN */
    _Atomic bool receiving; /* the server that is stepped is in srr_receive */
    _Atomic int64_t idle_ns; /* how long the stepped server waits for more */
    _Atomic int32_t name_result[4]; /* stepper_name.c */
    char complaint[200]; /* what a player has found wrong; it exits then */
    sem_t ready;         /* a server that is not stepped has rows; clear_board() leaves it alone */
};
extern struct board *board;

void clear_board(uint32_t round);
/* A client that runs its errands one after the other; if stepped, the first `stepped` of them. */
pid_t spawn_client(const struct errand *errands, unsigned count, unsigned stepped);
/* A server. If stepped: until it has received that many, and has then been idle once. Cold: without rows. */
pid_t spawn_server(unsigned stepped, bool cold);
/* A child that dies with its parent. 0 in the child. */
pid_t spawn(void);
_Noreturn void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* In a player: until the driver has told it so. */
void await_finish(void);
void tell_finish(pid_t player);

/* stepper_scene.c: what all scenes need, and their verdicts */

struct mode;
struct run {
    const struct mode *mode;
    struct trace *trace;
    const struct point *point; /* NULL: record the trace */
    uint32_t number;           /* of the point */
    pid_t server;              /* a sound server, for all points of a worker */
    bool coin, other_coin;     /* which of two ways a scene goes at this point */
    bool failed;
    bool reached;              /* the stepped player was there */
    bool late;                 /* a living partner took long: by bad luck, or always? */
    struct tally *tally;
};

/* Sums of all workers, per mode. */
struct tally {
    _Atomic uint32_t tried, missed, stuck, bad;
    _Atomic uint32_t slowest_us; /* from a death or a thaw to the end of a Send that waited for it */
};

struct mode {
    const char *name;
    void (*scene)(struct run *run);
    const char *trace; /* modes of one name have the same run */
    uint32_t size;     /* of the messages */
    unsigned variant;  /* the scene's own */
    const char *spin;  /* SRR_SPIN_US */
};

void kill_client(struct run *run);
void freeze_client(struct run *run);
void kill_server(struct run *run);
void freeze_server(struct run *run);
void kill_name(struct run *run);
void freeze_name(struct run *run);

int64_t now(void);
void pause_ms(int ms);
void fail(struct run *run, bool stuck, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define EXPECT(run, truth, ...) ((truth) ? true : (fail(run, false, __VA_ARGS__), false))

/* The player runs to this run's point; false: it can't be traced, which is said. */
bool reach(struct run *run, pid_t player);
/* Kill, and wait until its death is certain. With `zombie` it is reaped later; else the number is forgotten, so
 * that nobody kills the next one who has it. */
void murder(pid_t *player, bool zombie);
void reap(pid_t *player);
/* Until a time-out of the scene's; longer while the run is recorded. */
int64_t scaled(const struct run *run, int64_t ns);
/* Until the client's Send has ended. False: it is stuck, which is said. */
bool await_end(struct run *run, unsigned number);
bool has_ended(unsigned number, int ms);
/* The Send, to one that is dead, ended soon after that moment. */
bool in_time(struct run *run, int64_t since, unsigned number);
/* The Send, to one that lives, ended at once. */
void at_once(struct run *run, int64_t since, unsigned number);
/* Until a client sleeps in its Send; with `meeting`, waits for the server's rows. False: that Send is over. */
bool await_blocked(struct run *run, pid_t client, unsigned number, bool meeting);
/* The word's state in the client's slot 0, or -1. */
int slot_state_of(pid_t client);
/* One exchange of a fresh client with a living server must work, at once. */
void exchange(struct run *run, pid_t server, unsigned number);
/* The same in two: the client's begin, and its end. */
pid_t begin_exchange(pid_t server, unsigned number);
void end_exchange(struct run *run, pid_t client, unsigned number, int64_t since);
/* Is what became of that message right? See there. Returns whether its Send was told of a receive that the
 * server's application never saw. */
bool judge(struct run *run, unsigned number, bool bereaved);
/* The clients are told to finish, must exit well, and are reaped. */
void finish(struct run *run, pid_t *players, unsigned count);
/* No hint was lost on its way to that server. */
void check_healed(struct run *run, pid_t server);
/* No trace of the dead is left in the sound server. */
void check_leftovers(struct run *run);

#endif
