/* SPDX-License-Identifier: MIT */
#include "packet.h"

char *cache_packet_header(char *at, const struct response *response)
{
    const uint16_t key_bytes = htobe16(response->key_bytes), status = htobe16((uint16_t)response->status);
    const uint32_t body_bytes = htobe32(response->body_bytes);
    const uint64_t cas = htobe64(response->cas);

    at[0] = (char)RESPONSE;
    at[1] = (char)response->opcode;
    memcpy(at + 2, &key_bytes, sizeof key_bytes);
    at[4] = (char)response->extras_bytes;
    at[5] = 0;
    memcpy(at + 6, &status, sizeof status);
    memcpy(at + 8, &body_bytes, sizeof body_bytes);
    memcpy(at + 12, &response->opaque, sizeof response->opaque);
    memcpy(at + 16, &cas, sizeof cas);
    return at + HEADER;
}

void cache_packet_answer(struct cache_turn *turn, uint8_t opcode, uint32_t opaque, enum status status,
                         uint64_t cas, const char *bytes, size_t count)
{
    const struct response response = {
        .opcode = opcode, .status = status, .body_bytes = (uint32_t)count, .opaque = opaque, .cas = cas};
    char *at = cache_packet_header(cache_reply_room(turn->reply, HEADER), &response);

    cache_reply_end(turn->reply, at);
    cache_reply_append(turn->reply, bytes, count);
}

static const char *status_text(enum status status)
{
    switch (status) {
    case NOT_FOUND:
        return "Not found";
    case EXISTS:
        return "Data exists for key.";
    case TOO_LARGE:
        return "Too large.";
    case INVALID:
        return "Invalid arguments";
    case NOT_STORED:
        return "Not stored.";
    case NOT_NUMBER:
        return "Non-numeric server-side value for incr or decr";
    case AUTH_ERROR:
        return "Auth failure.";
    case UNKNOWN_COMMAND:
        return "Unknown command";
    case NO_MEMORY:
        return "Out of memory allocating item";
    case SUCCESS:
        break;
    }
    return "";
}

void cache_packet_error(struct cache_turn *turn, const struct packet *packet, enum status status)
{
    const char *text = status_text(status);

    cache_packet_answer(turn, packet->opcode, packet->opaque, status, 0, text, strlen(text));
}

void cache_packet_done(struct cache_turn *turn, const struct packet *packet, uint64_t cas)
{
    if (!packet->quiet)
        cache_packet_answer(turn, packet->opcode, packet->opaque, SUCCESS, cas, NULL, 0);
}

void cache_packet_stat(struct cache_turn *turn, uint32_t opaque, const char *name, const char *value,
                       size_t value_bytes)
{
    const size_t name_bytes = strlen(name);
    const struct response response = {.opcode = OP_STAT,
                                      .key_bytes = (uint16_t)name_bytes,
                                      .body_bytes = (uint32_t)(name_bytes + value_bytes),
                                      .opaque = opaque};
    struct cache_reply *reply = turn->reply;

    cache_reply_end(reply, cache_packet_header(cache_reply_room(reply, HEADER), &response));
    cache_reply_append(reply, name, name_bytes);
    cache_reply_append(reply, value, value_bytes);
}

void cache_stat_packet(void *arg, const char *name, const char *value)
{
    const struct cache_stat_answer *answer = arg;

    cache_packet_stat(answer->turn, answer->packet_opaque, name, value, strlen(value));
}
