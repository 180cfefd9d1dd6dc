/* SPDX-License-Identifier: MIT */
/* Two neighbouring words in one load. Included by seqlock.h only.
 *
 * SSE2 loads of 16 bytes are two loads of 8 bytes at least, each of them atomic where it is 8-byte aligned (Intel
 * SDM vol. 3, 9.1.1; AMD APM vol. 2, 7.3.2): that is what relaxed loads of two words are. In C:
 *     pair.word[0] = pawl_load_relaxed(&words[0]);
 *     pair.word[1] = pawl_load_relaxed(&words[1]);
 */
#ifndef PAWL_ARCH_WORDS_X86_64_H
#define PAWL_ARCH_WORDS_X86_64_H

typedef long long pawl_word_pair_ __attribute__((vector_size(16), may_alias, aligned(8)));

#define PAWL_WORDS_LOAD_PAIR(words, pair)                                   \
    __asm__ __volatile__("movdqu %1, %0" /* the two words, low one first */ \
                         : "=x"(pair)                                       \
                         : "m"(*(const pawl_word_pair_ *)(uintptr_t)(words)))

#endif
