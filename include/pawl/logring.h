/* SPDX-License-Identifier: MIT */
/* Records of any size in a ring a CPU that other processes watch: telemetry, audit, traces, the last seconds before a
 * crash.
 *
 * Purpose    Threads write records of some bytes to some kilobytes at the cost of a copy; readers, usually other
 *            processes, follow them live, or look at what is left after the writers died. The newest records win. Not
 *            for messages that somebody must get (<pawl/mpmc.h>), nor for storage: it is memory.
 * Model      A file in memory (memfd, /dev/shm) with one ring of bytes a CPU. A push appends a record to the ring of the
 *            CPU that it runs on, and overwrites the oldest there. A reader has its own place in each ring and merges
 *            them by the time stamps of the records.
 *
 *              writer on CPU 0  --->  [ .... oldest | ............... newest | ]  --+
 *              writer on CPU 1  --->  [ .... oldest | ............... newest | ]  --+--> reader: by time stamp
 *              without rseq     --->  lane 0 [ ............................. ]    --+    (any number, read-only)
 *
 * Classes    Four, from PAWL_LOG_VITAL to PAWL_LOG_DETAIL. A class may have a horizon: its records are taken only
 *            while the page that would be overwritten next holds nothing younger. So when more comes than the ring
 *            holds for that long, the less essential classes are turned away first (the larger their horizon, the
 *            earlier), and the last seconds of the others stay. Horizon 0 (the default): never turned away.
 *            Everything is counted by class, exactly: written, refused, and by each reader: read and lost.
 * Progress   push: lock-free by a restartable sequence; who is stopped or killed in it stops nobody, and leaves
 *            nothing to repair. Without sequences (<pawl/rseq.h>): blocking among the threads of the process; a process
 *            that is killed stops nobody either. A reader: wait-free a record, never in anybody's way; writers do
 *            not know of it.
 *            From signal handlers: push, refused with -EBUSY where 3 pushes are interrupted in the form without rseq.
 * Ordering   W: the commit of a record publishes its bytes to readers.
 *            I1, I2: fences of writers and readers around `intent`, the position up to which bytes may have been
 *            overwritten. It is raised before the bytes change and never falls; a reader looks at it after its copy.
 *            It makes torn records impossible to take for whole ones.
 *            The records of one ring are in the order of their commits, and so are their stamps. Between rings the
 *            stamps decide; a record whose commit was held up after its stamp was taken comes when it comes.
 * Memory     A page, and for each CPU number that the machine can have and each lane a page and the ring; what is not
 *            touched takes no memory. 16 bytes and up to 7 of padding a record, on average half a record at the end
 *            of each page of 4096 bytes. No pointers in it.
 * Large      A record of more than PAWL_LOGRING_INLINE_MAX bytes is prepared in memory of the process
 *            (pawl_logring_reserve), and committed as parts and a record that names them, or aborted. A process that
 *            is killed before the commit is over has written nothing that a reader would show. Parts that
 *            are overwritten before a reader comes make it count the record as lost.
 * fork       The child may push at once.
 * Cost       push: time stamp, copy, no atomic read-modify-write, no fence on x86-64, no line that another CPU writes.
 * Limits     Everybody who may write the file may spoil it: readers check what they read against the file's own
 *            limits, and cannot be led outside it, but may be shown nonsense (pawl_logring_get_counts tells how often).
 *            Who may truncate it can end readers and writers by SIGBUS; a file of pawl_logring_create cannot be.
 *            Containers with the same memory and different CPU numbering do not exist on Linux; virtual machines
 *            that share memory do, and must not share this.
 * Source     The intent word: Aeron's broadcast buffer. Rings a CPU written in place by restartable sequences: own.
 *            Pages that no record crosses: LTTng's sub-buffers.
 * Checked    tests/queue/logring/check_logring.c: all orders of writer and readers, with the writer aborted at
 *            every store.
 */
#ifndef PAWL_LOGRING_H
#define PAWL_LOGRING_H

#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* The largest record of pawl_logring_push. */
#define PAWL_LOGRING_INLINE_MAX 4080

#define PAWL_LOGRING_CLASSES 4

/* How essential a record is. */
enum pawl_logring_class {
    PAWL_LOG_VITAL,
    PAWL_LOG_IMPORTANT,
    PAWL_LOG_NORMAL,
    PAWL_LOG_DETAIL,
};

/* How a file is made. Zero is the default everywhere. */
struct pawl_logring_options {
    size_t ring_bytes; /* of a CPU: rounded up to a power of two, 16 KiB to 1 GiB; default 1 MiB */
    unsigned lanes;    /* rings for threads without rseq, 1 to 64: default 16 */
    uint64_t horizon_ns[PAWL_LOGRING_CLASSES];
};

/* ---- the file ---- */

/* Makes a memfd with rings in it, which nobody can shrink. `name` shows in /proc/PID/fd, for `pawl tap`.
 * Returns the descriptor (close-on-exec), or -1 with errno: EINVAL (options), or what memfd_create, ftruncate and
 * mmap say. `options` may be NULL. */
PAWL_API int pawl_logring_create(const char *name, const struct pawl_logring_options *options)
    __attribute__((nonnull(1))) PAWL_MUST_USE;

/* The same in an empty file of the caller, open for reading and writing; on tmpfs (/dev/shm), unless it shall
 * cost disk writes. Returns 0; -EINVAL; -EEXIST: the file is not empty; what ftruncate and mmap say. */
PAWL_API int pawl_logring_format(int fd, const struct pawl_logring_options *options);

/* ---- writing ---- */

struct pawl_logring;

/* Maps the file for writing. The descriptor may be closed afterwards. Returns NULL with errno: EINVAL (not such a
 * file, or another version), EXDEV (made on a machine with fewer CPUs), EAGAIN (not formatted yet), or what mmap and the opening of a region say
 * (<pawl/percpu.h>). A handle costs one fence a CPU: open one a process. Not from signal handlers. */
PAWL_API struct pawl_logring *pawl_logring_open(int fd) PAWL_MUST_USE;

/* Gives the handle back; the records stay. Nobody may be pushing. NULL is allowed. */
PAWL_API void pawl_logring_close(struct pawl_logring *log);

/* Appends a record. Returns 0; -ENOBUFS: turned away by its class's horizon, counted; -EBUSY: no lane is left for a
 * thread without rseq, counted; -EMSGSIZE: more than PAWL_LOGRING_INLINE_MAX bytes; -EINVAL: no such class.
 * Any thread, signal handlers too. */
PAWL_API int pawl_logring_push(struct pawl_logring *log, unsigned importance, const void *data, size_t bytes)
    __attribute__((nonnull(1)));

/* Memory for a record of up to pawl_logring_max() bytes, to be filled by the caller; NULL with errno EMSGSIZE, EINVAL,
 * ENOMEM. */
PAWL_API void *pawl_logring_reserve(struct pawl_logring *log, unsigned importance, size_t bytes)
    PAWL_NONNULL PAWL_MUST_USE;

/* Writes it: as pawl_logring_push. Whatever it returns, the memory is given back. */
PAWL_API int pawl_logring_commit(struct pawl_logring *log, void *data) PAWL_NONNULL;

/* Gives the memory back and writes nothing. */
PAWL_API void pawl_logring_abort(struct pawl_logring *log, void *data) PAWL_NONNULL;

/* The largest record: half a ring, and not more than 2 MB. */
PAWL_API size_t pawl_logring_max(const struct pawl_logring *log) PAWL_NONNULL;

/* ---- reading ---- */

struct pawl_logring_reader;

struct pawl_logring_record {
    uint64_t stamp_ns; /* CLOCK_MONOTONIC, when it was pushed; in the order of the ring */
    uint64_t number;   /* how many of its class came before it in its ring */
    const void *data;  /* until the next call with this reader */
    uint32_t bytes;
    uint32_t ring; /* the CPU; from pawl_logring_counts.cpus on: a lane */
    uint32_t importance;
};

/* Where a reader begins. */
enum pawl_logring_start {
    PAWL_LOGRING_OLDEST,
    PAWL_LOGRING_NOW,
};

/* Maps the file read-only; the descriptor may be read-only too, and be closed afterwards. Returns NULL with errno: as
 * pawl_logring_open, or ENOMEM. */
PAWL_API struct pawl_logring_reader *pawl_logring_reader_open(int fd, enum pawl_logring_start from)
    PAWL_MUST_USE;
PAWL_API void pawl_logring_reader_close(struct pawl_logring_reader *reader);

/* The next record. Returns 0; -EAGAIN: none yet (poll again when it suits: writers do not know of readers).
 * One thread at a time. Wait-free but for what was overwritten under it, which it passes by and counts. */
PAWL_API int pawl_logring_read(struct pawl_logring_reader *reader, struct pawl_logring_record *record)
    PAWL_NONNULL;

struct pawl_logring_counts {
    uint64_t written[PAWL_LOGRING_CLASSES]; /* in the file */
    uint64_t refused[PAWL_LOGRING_CLASSES]; /* in the file: turned away, by horizon or for want of a lane */
    uint64_t read[PAWL_LOGRING_CLASSES];    /* by this reader */
    uint64_t lost[PAWL_LOGRING_CLASSES];    /* by this reader: overwritten before it came */
    uint64_t damaged;                       /* pages that this reader passed by: somebody has spoilt them */
    uint32_t cpus, rings;
    uint64_t ring_bytes;
    uint64_t horizon_ns[PAWL_LOGRING_CLASSES];
    int64_t realtime_ns; /* add to a stamp for the time of day, as it was when the file was made */
};

/* When the writers are quiet and the last read said -EAGAIN: written = read + lost, for a reader that began with the
 * oldest. */
PAWL_API void pawl_logring_get_counts(const struct pawl_logring_reader *reader,
                                      struct pawl_logring_counts *counts) PAWL_NONNULL;

PAWL_END_DECLS
#endif
