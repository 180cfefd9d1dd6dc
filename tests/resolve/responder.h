/* SPDX-License-Identifier: MIT */
/* A name server of the test, over UDP and TCP, that knows a few names under .test:
 *
 *   both     127.0.0.1 and ::1            none     there is no such name
 *   four     127.0.0.1                    broken   the server fails
 *   many     127.0.1.1 ... 127.0.1.60     refused  the server refuses
 *   second   127.0.0.2, then 127.0.0.1    silent   is never answered
 *   late6    127.0.0.1; IPv6 never        garbage  the answer makes no sense
 *   late4    ::1; 127.0.0.1 after 400 ms
 *   burst*   127.0.1.1 ... 127.0.1.31; over TCP, when RESPONDER_BURST have asked on a connection, all answers in one piece
 */
#ifndef TESTS_RESOLVE_RESPONDER_H
#define TESTS_RESOLVE_RESPONDER_H

enum { RESPONDER_BURST = 40 };

/* Returns "127.0.0.1:PORT". */
const char *responder_start(void);
/* It has answered all that was asked, and has closed its ends of the connections that the others have closed. */
void responder_settle(void);
void responder_stop(void);

#endif
