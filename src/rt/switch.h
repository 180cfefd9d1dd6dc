/* SPDX-License-Identifier: MIT */
/* From one stack to another, and back: what a call must preserve is saved on the stack that is left. */
#ifndef PAWL_RT_SWITCH_H
#define PAWL_RT_SWITCH_H

/* Saves the caller's registers on its stack and that stack's pointer in *save, goes on where the stack `to` was left.
 * Returns when somebody switches back, with the `value` of that call. The control words of floating point
 * (rounding, exceptions that trap) belong to the stack; the sticky exception flags do not. */
void *pawl_switch_(void **save, void *to, void *value);

/* A stack for pawl_switch_ that begins with entry(value of the first switch). entry() does not return. `top` is a
 * multiple of 16; the result is at most 256 bytes below. */
void *pawl_switch_prepare_(void *top, void (*entry)(void *value));

#endif
