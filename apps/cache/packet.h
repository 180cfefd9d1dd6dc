/* SPDX-License-Identifier: MIT */
/* Packets of the binary protocol: what a header says, and what is answered.
 *
 *   0 magic | opcode | key bytes (2) | 4 extras bytes | data type | vbucket, or the status of an answer (2)
 *   8 body bytes (4) | opaque (4)  ||  16 cas (8) || extras | key | value
 */
#ifndef CACHE_PACKET_H
#define CACHE_PACKET_H

#include "turn.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    HEADER = 24,
    REQUEST = 0x80,
    RESPONSE = 0x81,
    EXTRAS_MAX = 20,
    NO_INITIAL = 0xffffffff, /* the expiry that says: do not make it */
};

enum opcode {
    OP_GET = 0x00,
    OP_SET,
    OP_ADD,
    OP_REPLACE,
    OP_DELETE,
    OP_INCREMENT,
    OP_DECREMENT,
    OP_QUIT,
    OP_FLUSH,
    OP_GETQ,
    OP_NOOP,
    OP_VERSION,
    OP_GETK,
    OP_GETKQ,
    OP_APPEND,
    OP_PREPEND,
    OP_STAT,
    OP_SETQ,
    OP_ADDQ,
    OP_REPLACEQ,
    OP_DELETEQ,
    OP_INCREMENTQ,
    OP_DECREMENTQ,
    OP_QUITQ,
    OP_FLUSHQ,
    OP_APPENDQ,
    OP_PREPENDQ,
    OP_TOUCH = 0x1c,
    OP_GAT = 0x1d,
    OP_GATQ = 0x1e,
    OP_SASL_LIST = 0x20,
    OP_SASL_AUTH = 0x21,
    OP_SASL_STEP = 0x22,
    OP_GATK = 0x23,
    OP_GATKQ = 0x24,
};

enum status {
    SUCCESS = 0x00,
    NOT_FOUND = 0x01,
    EXISTS = 0x02,
    TOO_LARGE = 0x03,
    INVALID = 0x04,
    NOT_STORED = 0x05,
    NOT_NUMBER = 0x06,
    AUTH_ERROR = 0x20,
    UNKNOWN_COMMAND = 0x81,
    NO_MEMORY = 0x82,
};

struct packet {
    uint8_t opcode; /* as it came: answers repeat it */
    uint8_t plain;  /* that of the same request which is not quiet */
    uint8_t extras_bytes;
    bool quiet;
    uint16_t key_bytes;
    uint32_t body_bytes, value_bytes;
    uint32_t opaque; /* as it came */
    uint64_t cas;
    const unsigned char *extras;
    const char *key;
};

/* Numbers stand with their highest byte first. */
static inline uint16_t read_16(const unsigned char *at)
{
    uint16_t number;

    memcpy(&number, at, sizeof number);
    return be16toh(number);
}

static inline uint32_t read_32(const unsigned char *at)
{
    uint32_t number;

    memcpy(&number, at, sizeof number);
    return be32toh(number);
}

static inline uint64_t read_64(const unsigned char *at)
{
    uint64_t number;

    memcpy(&number, at, sizeof number);
    return be64toh(number);
}

struct response {
    uint8_t opcode, extras_bytes;
    uint16_t key_bytes;
    enum status status;
    uint32_t body_bytes, opaque;
    uint64_t cas;
};

/* Writes a header; returns where it ends. */
char *cache_packet_header(char *at, const struct response *response);

/* A header and some bytes without key or extras. */
void cache_packet_answer(struct cache_turn *turn, uint8_t opcode, uint32_t opaque, enum status status,
                         uint64_t cas, const char *bytes, size_t count);

/* Errors are answered to quiet requests as well, ... */
void cache_packet_error(struct cache_turn *turn, const struct packet *packet, enum status status);

/* ... success is not. */
void cache_packet_done(struct cache_turn *turn, const struct packet *packet, uint64_t cas);

/* One statistic, of a value of any length. */
void cache_packet_stat(struct cache_turn *turn, uint32_t opaque, const char *name, const char *value,
                       size_t value_bytes);

#endif
