/* SPDX-License-Identifier: MIT */
/* systemd's two small protocols (sd_listen_fds(3), sd_notify(3)), spoken without its library: they are an environment
 * variable and a datagram. */
#ifndef CACHE_SYSTEMD_H
#define CACHE_SYSTEMD_H

/* How many sockets were passed, from descriptor CACHE_SYSTEMD_FIRST on; they close on exec from now on, and children
 * learn nothing of them. 0: none. */
int cache_systemd_sockets(void);

enum { CACHE_SYSTEMD_FIRST = 3 };

/* "READY=1" and the like, if there is somebody who listens. */
void cache_systemd_tell(const char *state);

#endif
