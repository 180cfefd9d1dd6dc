/* SPDX-License-Identifier: MIT */
/* What one instruction costs other processors: is it an atomic read-modify-write, a fence, and where does it store? */
#ifndef BENCH_EFFECT_H
#define BENCH_EFFECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

enum { BENCH_EFFECT_STORES = 2 };

struct bench_effect {
    bool rmw;    /* locked, or an exchange with memory */
    bool fence;  /* mfence, or a locked operation on the stack, which is written for its fence */
    bool kernel; /* enters the kernel */
    unsigned stores;
    uint64_t address[BENCH_EFFECT_STORES]; /* of the first byte of each store that names its address */
};

struct bench_decoder;

/* NULL: built without capstone, or for a processor it does not know here, or memory is out. */
struct bench_decoder *bench_decoder_open(void);
void bench_decoder_close(struct bench_decoder *decoder); /* NULL is fine */

/* The instruction at regs->rip of a stopped process, before it is executed. Returns 0, or -EILSEQ when nothing can be
 * said about it. Instructions are decoded once and kept: one decoder for processes that run the same program. */
int bench_decoder_look(struct bench_decoder *decoder, pid_t process, const struct user_regs_struct *regs,
                       struct bench_effect *effect);

#endif
