/* SPDX-License-Identifier: MIT */
/* Certificates, made when the test begins, in a folder of their own. */
#ifndef TESTS_TLS_CERTIFICATES_H
#define TESTS_TLS_CERTIFICATES_H

/* One of these: FOLDER/name.pem and FOLDER/name.key. */
struct certificate {
    char chain[128], key[128];
};

extern struct certificate authority, stranger, main_server, other_server, wild_server, expired, client,
    strange_client, changing;

/* Makes them all: by `authority`, and by `stranger` the strange one. */
void certificates_make(void);
void certificates_remove(void);

/* Writes another certificate, for this name, into the files of one. */
void certificate_replace(struct certificate *files, const char *name);

#endif
