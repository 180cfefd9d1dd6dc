/* SPDX-License-Identifier: MIT */
/* The two words of a pair one by one, for the machines whose CAS of a pair is single-copy atomic
 * towards loads of its halves. Included by the forms of the pair only. */
#define pawl_pair_lo(p, order) __atomic_load_n(&(p)->lo, (order))
#define pawl_pair_hi(p, order) __atomic_load_n(&(p)->hi, (order))
#define pawl_pair_set(p, value) (*(p) = (value))
