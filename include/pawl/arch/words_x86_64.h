/* SPDX-License-Identifier: MIT */
/* Several neighbouring words in one load. Included by seqlock.h only.
 *
 * What is needed is that each of the words is read atomically, not all of them: a relaxed load a word, in any order.
 * The manuals promise that for an aligned word that is loaded alone (Intel SDM vol. 3, 9.1.1; AMD APM vol. 2,
 * 7.3.2), and for 16 aligned bytes at once where there is AVX. Of other vector loads they only say that they may
 * become several accesses. No processor is known that makes accesses of less than 8 bytes of them: the paths to
 * the first-level cache are 16 bytes wide or wider, and what is cut, at the end of a line or into halves, is cut
 * at multiples of 8, because the words are 8-byte aligned. tests/sync/test_seqlock.c looks for a torn word.
 *
 * `volatile`: not removed, not moved across the other volatile ones; the fences around a copy are compiler barriers
 * for the memory operand. In C:
 *     pair.word[0] = pawl_load_relaxed(&words[0]);
 *     pair.word[1] = pawl_load_relaxed(&words[1]);
 */
#ifndef PAWL_ARCH_WORDS_X86_64_H
#define PAWL_ARCH_WORDS_X86_64_H

typedef long long pawl_word_pair_ __attribute__((vector_size(16), may_alias, aligned(8)));

/* Where the code around it is AVX, an SSE instruction would have to keep the upper halves of the registers. */
#ifdef __AVX__
#define PAWL_WORDS_MOVE_ "vmovdqu"
#else
#define PAWL_WORDS_MOVE_ "movdqu"
#endif

#define PAWL_WORDS_LOAD_PAIR(words, pair)                                              \
    __asm__ __volatile__(PAWL_WORDS_MOVE_ " %1, %0" /* the two words, low one first */ \
                         : "=x"(pair)                                                  \
                         : "m"(*(const pawl_word_pair_ *)(uintptr_t)(words)))

#ifdef __AVX__
typedef long long pawl_word_quad_ __attribute__((vector_size(32), may_alias, aligned(8)));

#define PAWL_WORDS_LOAD_QUAD(words, quad)                                 \
    __asm__ __volatile__("vmovdqu %1, %0" /* four words, low one first */ \
                         : "=x"(quad)                                     \
                         : "m"(*(const pawl_word_quad_ *)(uintptr_t)(words)))
#endif

#endif
