/* SPDX-License-Identifier: MIT */
/* One execution of the program under test: its threads, what each of them is about to do, and the graph
 * that grows from it. */
#ifndef PAWL_CHECK_RUN_H
#define PAWL_CHECK_RUN_H

#include "fiber.h"
#include "graph.h"

#include <stdio.h>

/* What an operation is called in a trace. */
enum op_name {
    NAME_LOAD,
    NAME_STORE,
    NAME_EXCHANGE,
    NAME_ADD,
    NAME_SUB,
    NAME_AND,
    NAME_OR,
    NAME_XOR,
    NAME_NAND,
    NAME_CAS,
    NAME_FENCE,
    NAME_CREATE,
    NAME_JOIN,
    NAME_END,
    NAME_CHOICE,
    NAME_LOCK,
    NAME_TRYLOCK,
    NAME_UNLOCK,
    NAME_COND_WAIT,
    NAME_COND_WAKE,
    NAME_RDLOCK,
    NAME_WRLOCK,
    NAME_RWUNLOCK,
    NAME_BARRIER,
    NAME_ONCE,
    NAME_SEM_WAIT,
    NAME_SEM_POST,
    NAME_SEM_VALUE,
    NAME_FUTEX_WAIT,
    NAME_FUTEX_WAKE,
    NAME_INIT,
    NAME_BEGIN,
    NAME_COMMIT,
    NAME_ABORT,
    NAME_KEEP,
    NAME_LIGHT,
    NAME_HEAVY,
    NAME_SEQUENCE,
    NAME_SEQUENCE_END,
    NAME_STORE_NT,
    NAME_WRITEBACK,
    NAME_PWFENCE,
    NAME_DESTROY,
    NAMES
};

/* What a thread asks for: the event it would like to add. */
struct op {
    uint8_t type, order, order_fail, flags, await, name;
    uint8_t size;
    uintptr_t addr;
    u128 val; /* value to store; number of alternatives of a choice; thread to join */
    u128 aux; /* expected value of a CAS, operand of an await */
    uint64_t pc;
    uint16_t half;  /* a transaction's write: 1 + the index of its read */
    uint16_t ahead; /* ... and how many events the transaction has after it */
};

enum thread_state {
    THREAD_NONE,
    THREAD_RUNNING,  /* runs program code, or would if it were its turn */
    THREAD_AT_OP,    /* stands before `op` */
    THREAD_AWAITING, /* read a value that does not satisfy what it waits for */
    THREAD_SPINNING, /* came round a loop that changed nothing */
    THREAD_REFUSED,  /* the test is not interested in what comes now, or it cannot be */
    THREAD_EXITED,   /* called exit() */
    THREAD_DONE,
};

enum { LOADS_REMEMBERED = 512 }; /* a round of a loop that waits may have so many */
struct remembered_load {
    uint64_t pc, hash;
    uint64_t changes; /* by others, before it */
    uint16_t idx;
};

struct thread {
    enum thread_state state;
    struct op op;
    u128 result;
    int executed;                /* its events executed so far */
    int planned;                 /* its events in the graph */
    int last;                    /* its last executed event; the creation of the thread; NO_EVENT */
    struct view acquire_pending; /* what relaxed loads read: an acquire fence takes it up */
    struct view released;        /* clock at the last release fence */
    void *(*start)(void *);
    void *argument, *exit_value;
    bool detached, joined;
    int section;          /* the event that began the transaction it is in; NO_EVENT */
    int spin_from;        /* spinning: first event of the iteration */
    bool may_expire;      /* waits for a time only: that it ends by itself is explored by another choice */
    bool spin_waits;      /* the oracles: went round a loop, and waits for a value to change */
    uint64_t spin_writes; /* ... by others, of which there had been so many when the round began */
    uint64_t changes;     /* its own writes of a new value */
    int stores; /* up to this one, its planned events hold a store: nothing before it needs to be remembered */
    int nloads;
    struct remembered_load load[LOADS_REMEMBERED];
    int came_round; /* so often */
    int round_from; /* the thread goes on behind a round that changed nothing: 1 + its first event */
    uint64_t plain_accesses;
    uintptr_t sp; /* where its stack ended when it called the checker */
};

enum run_end {
    END_COMPLETE,
    END_BLOCKED, /* some thread waits for what another execution brings */
    END_STUCK,   /* ... every thread, for what none brings */
    END_MOOT,    /* broke the atomicity of an RMW: only its revisits mattered */
    END_ERROR,
};

enum bug_kind {
    BUG_NONE,
    BUG_ASSERTION,
    BUG_RACE,
    BUG_MEMORY,
    BUG_UNINITIALISED,
    BUG_LEAK,
    BUG_DEADLOCK,
    BUG_LIVELOCK,
    BUG_MIXED_SIZE,
    BUG_MISUSE,
    BUG_FAULT,
    BUG_UNMODELLED,
    BUG_LIMIT,
    BUG_NONDETERMINISM,
};

/* The other access of a race, which is not an event: thread and the number of events before it. */
struct plain_access {
    int tid, clock;
    uint64_t pc;
    bool write, valid;
    const char *end; /* no access, but this of the memory: "free" */
    uintptr_t addr;
    unsigned size;
};

struct run {
    struct graph *g;
    struct thread thread[MAX_THREADS];
    int16_t event_of[MAX_THREADS][MAX_EVENTS]; /* planned and executed events of each thread */
    int by_key[MAX_THREADS], nthreads;         /* threads that exist, in the order of their keys */
    int current;                               /* thread whose code runs; -1: the engine */
    int acting;                                /* ... or whose event the engine executes */
    bool active;                               /* an execution is under way */
    bool ahead;                                /* ... and ahead.c looks at what would come */
    bool looked_ahead;                         /* ... did, and the graph has what came */
    bool exited;                               /* the program ended without the end of every thread */
    int order[MAX_EVENTS], norder;             /* events in the order of execution */
    enum bug_kind bug;
    char bug_text[2048];
    uint64_t bug_pc;
    struct plain_access race[2];
    struct { /* locations, as this execution meets them */
        bool bound, dead;
        bool unwritten; /* what it begins with, nobody wrote */
        u128 init;
        int in_memory; /* write whose value stands in memory */
        int16_t next;  /* next location in the same 8 bytes */
    } loc[MAX_LOCATIONS];
    uint32_t number;
    uint64_t changes;  /* writes of a new value */
    char output[8192]; /* what the program printed: its outcome */
    size_t output_used;
};

extern struct run run;

/* How to explore; set once from the command line. */
struct options {
    enum model model;
    bool interleavings, all_values, outcomes, count_graphs, json, quiet, leaks, spurious, keep_output;
    bool races, awaits, mutate, symmetry;
    long bound;
    long random;
    uint64_t seed, max_executions;
    double max_seconds;
    int jobs, max_events, patience;
    size_t stack_bytes;
    const char *replay, *dot_file, *trace_file;
};
extern struct options options;

/* One line to standard error, then exit with status 4: the checker cannot go on. */
void fatal(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Report a bug of the program. On a thread's side it does not return. */
void bug(enum bug_kind kind, uint64_t pc, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Threads: ask for an operation; come back with its result. */
u128 run_op(const struct op *op);
/* Threads: this loop changes nothing; do not run it again. Returns in the oracles only, where the thread goes
 * round once more when a value has changed. */
void run_spin(int from_idx, uint64_t changes);
/* Writes of a new value so far, but the thread's own. */
uint64_t run_changes_of_others(int tid);
/* Threads: something happened that makes the next load a new one. */
static inline void run_effect(void)
{
    if (run.current >= 0)
        run.thread[run.current].nloads = 0;
}
/* Threads: what would come now is of no interest, or explored elsewhere. The execution is not counted; but
 * the other threads go on, because what they write may still let this thread do something else. */
void run_refuse(void) __attribute__((noreturn));
static inline bool in_test(void)
{
    return run.current >= 0;
}
static inline struct thread *self(void)
{
    return &run.thread[run.current];
}
/* Execution continues the graph run.g until it is complete or stuck. */
enum run_end run_execute(void);
/* Clock of the running thread. */
const struct view *run_clock(int tid);
/* A location of this execution, made when it is met for the first time; -1 after a bug. */
int run_location(int tid, const struct op *op, bool reads_first);
/* The event with this number was added or met again: its thread has executed it. */
void run_commit(int tid, int id);
bool run_all_sync(void);
void write_clocks(const struct graph *g, int tid, struct event *e, const struct op *op);
/* The thread goes no further in this execution; the others do. */
void run_refuse_thread(int tid);
/* A thread that waits reads the last write, as if it had come there just now. */
void run_read_again(int tid);
/* Code of a thread that can run, up to its next operation. False when none can. */
bool run_one(void);
/* Stands before an operation that can be done, if only to find that it must wait. */
bool run_can_extend(const struct thread *t);
/* Which thread's operation comes next; -1 when none can. Those that must follow others directly come first. */
int run_choose(void);
int run_urgency(const struct thread *t);

/* stuck.c */
/* A thread that will never go on unless others write. */
bool run_stuck(int tid);
/* ... or one that some thread lets go on in each round of its loop, and nobody else. */
bool run_waits_for_rounds(int tid);
/* How many shares of a lock the thread holds, and gives back in the round that it goes. */
int run_gives_up(int tid, int loc);

/* rounds.c */
/* Sends a thread on that came round, where its rounds made a difference to others. False when none did. */
bool rounds_resume(void);
/* There is a round that made no difference: the same without it is explored. */
bool rounds_idle(void);
/* A part of giving a lock back. */
bool gives_back(const struct event *e);

/* ahead.c */
/* Every thread waits, and some only for the rounds of others: BLOCKED, or STUCK when that leads nowhere. */
enum run_end ahead_look(void);

/* explore.c: add the event that thread `tid` stands before. False: the execution ends here, as moot. */
bool explore_extend(int tid);
/* Not the optimal exploration: interleavings, or random. */
bool explore_oracle(void);
/* Which of the runnable threads goes on; -1 when none can. */
int explore_pick(const int *runnable, int n);

/* memory.c */
void memory_setup(void);
void memory_reset(void);
void *heap_alloc(size_t bytes, size_t alignment, bool zero, uint64_t pc);
void heap_free(void *p, uint64_t pc);
bool heap_owns(const void *p);
size_t heap_size(const void *p);
/* A variable, or on a stack. */
bool memory_of_program(uintptr_t addr);
/* Names the place for a trace: "q+8", "block of 32 bytes from file:12, byte 4". */
void memory_describe(char *to, size_t room, uintptr_t addr);
bool heap_check(uintptr_t addr, size_t size, bool write, bool scalar, uint64_t pc);
/* Nobody has written a scalar there: fresh from the allocator, or a local variable without a value. */
bool memory_unwritten(uintptr_t addr, size_t size);
/* ... which is read: a bug. */
void memory_read_unwritten(uintptr_t addr, size_t size, uint64_t pc);
void heap_check_leaks(void);

/* frames.c */
void frames_begin(int tid);
/* The running thread's stack ends here; call frames_at(). */
void frames_moved(uintptr_t sp);
static inline void frames_at(uintptr_t sp)
{
    if (in_test() && self()->sp != sp)
        frames_moved(sp);
}
/* The function that calls is about to return. */
void frames_return(uintptr_t sp, uint64_t pc);
/* The running thread is about to end. */
void frames_end(void);
/* False, and a bug, when the running thread uses what is no more: of thread `tid`, on whose stack or among whose
 * thread-local variables the address is. */
bool frames_check(int tid, uintptr_t addr, size_t size, bool write, uint64_t pc);

/* race.c */
void race_plain(uintptr_t addr, size_t size, bool write, uint64_t pc);
/* The same, of an access that the running thread made when it had executed so many events. */
void race_plain_at(int executed, uintptr_t addr, size_t size, bool write, uint64_t pc);
void race_atomic(int tid, int id, uintptr_t addr, size_t size, bool write, uint64_t pc);
/* Destroying a pthread object: a write to all of it. */
void race_object_ends(uintptr_t addr, size_t size, uint64_t pc);
/* Freeing a block, the end of the running thread's variables: a write to all of it. */
void race_memory_ends(uintptr_t addr, size_t size, uint64_t pc);
int16_t *race_locations(uintptr_t addr);

/* report.c */
void report_bug(FILE *to);
void report_dot(const char *path);
const char *report_operation(int name);
/* symbol.c */
const char *symbol_line(uint64_t pc);
bool symbol_data(uintptr_t addr, char *to, size_t room);

/* replay.c */
void replay_save(const char *path);
void replay_load(const char *path, struct graph *g);
/* Clocks are not in the file: compute those of an event about to be executed again. */
void replay_clocks(int tid, int id);

/* sync.c */
void sync_reset(void);
void sync_thread_exit(int tid, void *value) __attribute__((noreturn));

#endif
