/* SPDX-License-Identifier: MIT */
/* The binary protocol. Old, and still spoken by libmemcached.
 *
 * Quiet requests are answered only when something is to be said: those that get if there is an item, others if they
 * fail. */
#include "packet.h"
#include "tell.h"

#include <pawl/config.h>

/* ---- get, touch, gat ---- */

static void answer_miss(struct cache_turn *turn, const struct packet *packet, bool with_key)
{
    const struct response response = {.opcode = packet->opcode,
                                      .key_bytes = packet->key_bytes,
                                      .status = NOT_FOUND,
                                      .body_bytes = packet->key_bytes,
                                      .opaque = packet->opaque};

    if (packet->quiet)
        return;
    if (!with_key) {
        cache_packet_error(turn, packet, NOT_FOUND);
        return;
    }
    cache_reply_end(turn->reply, cache_packet_header(cache_reply_room(turn->reply, HEADER), &response));
    cache_reply_append(turn->reply, packet->key, packet->key_bytes);
}

static void answer_item(struct cache_turn *turn, const struct packet *packet, const struct cache_item *item,
                        bool with_key)
{
    enum { FLAGS_BYTES = 4 };
    const bool with_value = packet->plain != OP_TOUCH;
    const uint16_t key_bytes = with_key ? packet->key_bytes : 0;
    const struct response response = {.opcode = packet->opcode,
                                      .extras_bytes = FLAGS_BYTES,
                                      .key_bytes = key_bytes,
                                      .body_bytes = FLAGS_BYTES + key_bytes +
                                                    (with_value ? cache_item_value_bytes(item) : 0),
                                      .opaque = packet->opaque,
                                      .cas = cache_item_cas(item)};
    const uint32_t flags = htobe32(cache_item_flags(item));
    char *at = cache_reply_room(turn->reply, HEADER + FLAGS_BYTES + CACHE_KEY_MAX);

    at = cache_put_bytes(cache_packet_header(at, &response), (const char *)&flags, FLAGS_BYTES);
    cache_reply_end(turn->reply, cache_put_bytes(at, packet->key, key_bytes));
    if (with_value)
        cache_answer_value(turn, item, false);
}

static void get(struct cache_turn *turn, const struct packet *packet)
{
    const bool touch = packet->plain == OP_TOUCH || packet->plain == OP_GAT || packet->plain == OP_GATK;
    const bool with_key = packet->plain == OP_GETK || packet->plain == OP_GATK;
    struct cache_item *item;
    struct cache_key key;

    cache_key_make(turn->store, &key, packet->key, packet->key_bytes);
    cache_read(turn);
    item = cache_find(turn->session, &key);
    cache_tally(turn->stats, touch ? CACHE_CMD_TOUCH : CACHE_CMD_GET);
    cache_tell_get(turn, &key, item, true);
    if (item == NULL) {
        cache_tally(turn->stats, touch ? CACHE_TOUCH_MISSES : CACHE_GET_MISSES);
        answer_miss(turn, packet, with_key);
        return;
    }
    cache_tally(turn->stats, touch ? CACHE_TOUCH_HITS : CACHE_GET_HITS);
    cache_hit(turn->session, item);
    if (touch)
        item = cache_touch_key(turn->session, &key, item, cache_expiry(turn->store, read_32(packet->extras)));
    answer_item(turn, packet, item, with_key);
}

/* ---- those that store ---- */

static void update(struct cache_turn *turn, const struct packet *packet, enum cache_mode mode)
{
    const bool adds = mode == CACHE_APPEND || mode == CACHE_PREPEND;
    const uint32_t flags = adds ? 0 : read_32(packet->extras);

    cache_detail_count(turn, packet->key, packet->key_bytes, CACHE_DETAIL_SET);
    if (packet->value_bytes > CACHE_BYTES_MAX ||
        cache_too_large(turn, packet->key_bytes, flags, packet->value_bytes)) {
        cache_packet_error(turn, packet, TOO_LARGE);
        if (mode == CACHE_SET)
            cache_forget(turn, packet->key, packet->key_bytes);
        cache_swallow(turn, packet->value_bytes);
        return;
    }
    turn->next = (struct cache_receiving){
        /* With a cas all of set, add and replace are cas. */
        .change = {.mode = !adds && packet->cas != 0 ? CACHE_SET : mode,
                   .flags = flags,
                   .expires = adds ? 0 : cache_expiry(turn->store, read_32(packet->extras + 4)),
                   .cas = packet->cas,
                   .value_bytes = packet->value_bytes},
        .key = packet->key,
        .key_bytes = packet->key_bytes,
        .kind = CACHE_BINARY,
        .compare = !adds && packet->cas != 0,
        .silent = packet->quiet,
        .opcode = packet->opcode,
        .packet_opaque = packet->opaque,
    };
    turn->protocol->state = CACHE_VALUE;
}

void cache_binary_stored(struct cache_turn *turn, const struct cache_receiving *receiving,
                         enum cache_result result)
{
    const struct packet packet = {.opcode = receiving->opcode,
                                  .quiet = receiving->silent,
                                  .opaque = receiving->packet_opaque};
    const enum cache_mode mode = receiving->change.mode;
    const bool adds = mode == CACHE_APPEND || mode == CACHE_PREPEND;

    switch (result) {
    case CACHE_STORED:
        cache_packet_done(turn, &packet, receiving->change.stored_cas);
        break;
    case CACHE_EXISTS:
        cache_packet_error(turn, &packet, EXISTS);
        break;
    case CACHE_NOT_FOUND:
        cache_packet_error(turn, &packet, NOT_FOUND);
        break;
    case CACHE_TOO_LARGE:
        cache_packet_error(turn, &packet, adds ? NOT_STORED : TOO_LARGE);
        break;
    case CACHE_NO_MEMORY:
        cache_packet_error(turn, &packet, adds ? NOT_STORED : NO_MEMORY);
        break;
    case CACHE_NOT_STORED:
    case CACHE_NOT_NUMBER:
        cache_packet_error(turn, &packet,
                           mode == CACHE_ADD       ? EXISTS
                           : mode == CACHE_REPLACE ? NOT_FOUND
                                                   : NOT_STORED);
        break;
    }
}

/* ---- incr, decr, delete, flush ---- */

static void arithmetic(struct cache_turn *turn, const struct packet *packet)
{
    const uint32_t exptime = read_32(packet->extras + 16);
    struct cache_sum sum = {.down = packet->plain == OP_DECREMENT,
                            .delta = read_64(packet->extras),
                            .cas = packet->cas,
                            .vivify = exptime != NO_INITIAL,
                            .initial = read_64(packet->extras + 8)};
    struct cache_key key;
    uint64_t value;

    if (sum.vivify)
        sum.expires = cache_expiry(turn->store, exptime);
    cache_key_make(turn->store, &key, packet->key, packet->key_bytes);
    cache_write(turn);
    switch (cache_tell_sum(turn, &key, &sum, cache_add_number(turn->session, &key, &sum))) {
    case CACHE_STORED:
        cache_tally(turn->stats, sum.down ? CACHE_DECR_HITS : CACHE_INCR_HITS);
        value = htobe64(sum.value);
        if (!packet->quiet)
            cache_packet_answer(turn, packet->opcode, packet->opaque, SUCCESS, sum.stored_cas,
                                (const char *)&value, sizeof value);
        return;
    case CACHE_NOT_NUMBER:
        cache_packet_error(turn, packet, NOT_NUMBER);
        return;
    case CACHE_EXISTS:
        cache_packet_error(turn, packet, EXISTS);
        return;
    case CACHE_TOO_LARGE:
    case CACHE_NO_MEMORY:
        cache_packet_error(turn, packet, NO_MEMORY);
        return;
    default:
        cache_tally(turn->stats, sum.down ? CACHE_DECR_MISSES : CACHE_INCR_MISSES);
        cache_packet_error(turn, packet, NOT_FOUND);
    }
}

static void delete_key(struct cache_turn *turn, const struct packet *packet)
{
    struct cache_key key;

    cache_detail_count(turn, packet->key, packet->key_bytes, CACHE_DETAIL_DELETE);
    cache_key_make(turn->store, &key, packet->key, packet->key_bytes);
    cache_write(turn);
    switch (cache_tell_delete(turn, &key, cache_delete(turn->session, &key, packet->cas))) {
    case CACHE_STORED:
        cache_tally(turn->stats, CACHE_DELETE_HITS);
        cache_packet_done(turn, packet, 0);
        return;
    case CACHE_EXISTS:
        cache_packet_error(turn, packet, EXISTS);
        return;
    default:
        cache_tally(turn->stats, CACHE_DELETE_MISSES);
        cache_packet_error(turn, packet, NOT_FOUND);
    }
}

static void flush(struct cache_turn *turn, const struct packet *packet)
{
    struct cache_store *store = cache_session_store(turn->session);
    const uint32_t exptime = packet->extras_bytes == 4 ? read_32(packet->extras) : 0;

    if (turn->service->no_flush) {
        cache_packet_error(turn, packet, AUTH_ERROR);
        return;
    }
    cache_tally(turn->stats, CACHE_CMD_FLUSH);
    cache_flush_after(store, exptime);
    cache_packet_done(turn, packet, 0);
}

/* ---- stat ---- */

static bool starts(const struct packet *packet, const char *text)
{
    const size_t count = strlen(text);

    return packet->key_bytes >= count && memcmp(packet->key, text, count) == 0;
}

/* As memcached: the whole text in one packet. */
static void say_detail(struct cache_turn *turn, const struct packet *packet)
{
    struct cache_reply text;

    cache_reply_init(&text, turn->stats);
    if (turn->service->detail != NULL)
        cache_detail_dump(turn->service->detail, &text);
    cache_reply_append(&text, "END\r\n", 5);
    cache_packet_stat(turn, packet->opaque, "detailed", text.bytes, text.count);
    turn->reply->failed |= text.failed;
    cache_reply_free(&text);
}

static bool say_stats(struct cache_turn *turn, const struct packet *packet)
{
    struct cache_stat_answer answer = {.turn = turn, .packet_opaque = packet->opaque};
    char what[CACHE_KEY_MAX + 1];

    if (starts(packet, "reset")) {
        cache_stats_reset(turn->service, turn->store);
        return true;
    }
    if (starts(packet, "detail on") || starts(packet, "detail off")) {
        if (turn->service->detail != NULL)
            cache_detail_turn(turn->service->detail, starts(packet, "detail on"));
        turn->watched = cache_watched(turn->service);
        return true;
    }
    if (starts(packet, "detail dump")) {
        say_detail(turn, packet);
        return true;
    }
    if (packet->key_bytes != 0)
        memcpy(what, packet->key, packet->key_bytes);
    what[packet->key_bytes] = '\0';
    return cache_stats_say(turn->service, cache_session_store(turn->session), what, cache_stat_packet,
                           &answer);
}

static void answer_stats(struct cache_turn *turn, const struct packet *packet)
{
    if (say_stats(turn, packet))
        cache_packet_answer(turn, OP_STAT, packet->opaque, SUCCESS, 0, NULL, 0);
    else
        cache_packet_error(turn, packet, NOT_FOUND);
}

/* ---- authentication ---- */

static const char plain[] = "PLAIN";

static void sasl(struct cache_turn *turn, const struct packet *packet)
{
    enum { DATA_MAX = 4096 };

    if (!turn->service->sasl) {
        cache_packet_error(turn, packet, UNKNOWN_COMMAND);
        cache_swallow(turn, packet->value_bytes);
        return;
    }
    if (packet->key_bytes > CACHE_OPAQUE_MAX || packet->value_bytes > DATA_MAX) {
        cache_packet_error(turn, packet, INVALID);
        cache_swallow(turn, packet->value_bytes);
        return;
    }
    turn->next = (struct cache_receiving){
        .change = {.value_bytes = packet->value_bytes},
        .key = packet->key,
        .key_bytes = packet->key_bytes,
        .kind = CACHE_SASL,
        .opcode = packet->opcode,
        .packet_opaque = packet->opaque,
    };
    turn->protocol->state = CACHE_VALUE;
}

/* PLAIN: whom to act for, a zero, the user, a zero, the password. */
static bool is_known(struct cache_service *service, const char *data, size_t count)
{
    const char *end = data + count, *user, *password;

    if (service->authenticate == NULL || count == 0 || (user = memchr(data, '\0', count)) == NULL)
        return false;
    user++;
    password = memchr(user, '\0', (size_t)(end - user));
    if (password == NULL)
        return false;
    return service->authenticate(service, user, (size_t)(password - user), password + 1,
                                 (size_t)(end - password) - 1);
}

void cache_binary_sasl(struct cache_turn *turn, const struct cache_receiving *receiving, const char *value)
{
    static const char welcome[] = "Authenticated";
    const struct packet packet = {.opcode = receiving->opcode, .opaque = receiving->packet_opaque};
    const struct cache_word mechanism = {receiving->key, receiving->key_bytes};

    turn->protocol->authenticated = false; /* who asks anew is nobody until the answer */
    cache_tally(turn->stats, CACHE_AUTH_CMDS);
    if (receiving->opcode == OP_SASL_AUTH && cache_word_is(mechanism, plain) &&
        is_known(turn->service, value, receiving->change.value_bytes)) {
        turn->protocol->authenticated = true;
        cache_packet_answer(turn, packet.opcode, packet.opaque, SUCCESS, 0, welcome, strlen(welcome));
    } else {
        cache_tally(turn->stats, CACHE_AUTH_ERRORS);
        cache_packet_error(turn, &packet, AUTH_ERROR);
    }
}

/* ---- packets ---- */

/* What may stand where: the sizes of extras, and whether a key and a value must, may, or must not be there. */
enum { NONE = 1, MUST = 2, MAY = 3 };

struct shape {
    uint8_t plain; /* the opcode that is not quiet, plus 1; 0: there is no such request */
    uint8_t extras, key, value;
};

static const struct shape shapes[] = {
    [OP_GET] = {OP_GET + 1, 0, MUST, NONE},
    [OP_GETQ] = {OP_GET + 1, 0, MUST, NONE},
    [OP_GETK] = {OP_GETK + 1, 0, MUST, NONE},
    [OP_GETKQ] = {OP_GETK + 1, 0, MUST, NONE},
    [OP_SET] = {OP_SET + 1, 8, MUST, MAY},
    [OP_SETQ] = {OP_SET + 1, 8, MUST, MAY},
    [OP_ADD] = {OP_ADD + 1, 8, MUST, MAY},
    [OP_ADDQ] = {OP_ADD + 1, 8, MUST, MAY},
    [OP_REPLACE] = {OP_REPLACE + 1, 8, MUST, MAY},
    [OP_REPLACEQ] = {OP_REPLACE + 1, 8, MUST, MAY},
    [OP_APPEND] = {OP_APPEND + 1, 0, MUST, MAY},
    [OP_APPENDQ] = {OP_APPEND + 1, 0, MUST, MAY},
    [OP_PREPEND] = {OP_PREPEND + 1, 0, MUST, MAY},
    [OP_PREPENDQ] = {OP_PREPEND + 1, 0, MUST, MAY},
    [OP_DELETE] = {OP_DELETE + 1, 0, MUST, NONE},
    [OP_DELETEQ] = {OP_DELETE + 1, 0, MUST, NONE},
    [OP_INCREMENT] = {OP_INCREMENT + 1, 20, MUST, NONE},
    [OP_INCREMENTQ] = {OP_INCREMENT + 1, 20, MUST, NONE},
    [OP_DECREMENT] = {OP_DECREMENT + 1, 20, MUST, NONE},
    [OP_DECREMENTQ] = {OP_DECREMENT + 1, 20, MUST, NONE},
    [OP_QUIT] = {OP_QUIT + 1, 0, NONE, NONE},
    [OP_QUITQ] = {OP_QUIT + 1, 0, NONE, NONE},
    [OP_FLUSH] = {OP_FLUSH + 1, 4, NONE, NONE},
    [OP_FLUSHQ] = {OP_FLUSH + 1, 4, NONE, NONE},
    [OP_NOOP] = {OP_NOOP + 1, 0, NONE, NONE},
    [OP_VERSION] = {OP_VERSION + 1, 0, NONE, NONE},
    [OP_STAT] = {OP_STAT + 1, 0, MAY, MAY},
    [OP_TOUCH] = {OP_TOUCH + 1, 4, MUST, MAY},
    [OP_GAT] = {OP_GAT + 1, 4, MUST, MAY},
    [OP_GATQ] = {OP_GAT + 1, 4, MUST, MAY},
    [OP_GATK] = {OP_GATK + 1, 4, MUST, MAY},
    [OP_GATKQ] = {OP_GATK + 1, 4, MUST, MAY},
    [OP_SASL_LIST] = {OP_SASL_LIST + 1, 0, NONE, NONE},
    [OP_SASL_AUTH] = {OP_SASL_AUTH + 1, 0, MUST, MAY},
    [OP_SASL_STEP] = {OP_SASL_STEP + 1, 0, MUST, MAY},
};

static bool fits(const struct packet *packet, const struct shape *shape)
{
    const bool extras = packet->extras_bytes == shape->extras ||
                        (packet->plain == OP_FLUSH && packet->extras_bytes == 0);

    return extras && (shape->key & (packet->key_bytes != 0 ? MUST : NONE)) != 0 &&
           (shape->value & (packet->value_bytes != 0 ? MUST : NONE)) != 0;
}

static int answer_packet(struct cache_turn *turn, const struct packet *packet)
{
    switch ((enum opcode)packet->plain) {
    case OP_SET:
        update(turn, packet, CACHE_SET);
        return 0;
    case OP_ADD:
        update(turn, packet, CACHE_ADD);
        return 0;
    case OP_REPLACE:
        update(turn, packet, CACHE_REPLACE);
        return 0;
    case OP_APPEND:
        update(turn, packet, CACHE_APPEND);
        return 0;
    case OP_PREPEND:
        update(turn, packet, CACHE_PREPEND);
        return 0;
    case OP_DELETE:
        delete_key(turn, packet);
        return 0;
    case OP_INCREMENT:
    case OP_DECREMENT:
        arithmetic(turn, packet);
        return 0;
    case OP_FLUSH:
        flush(turn, packet);
        return 0;
    case OP_NOOP:
        cache_packet_done(turn, packet, 0);
        return 0;
    case OP_VERSION:
        cache_packet_answer(turn, packet->opcode, packet->opaque, SUCCESS, 0, turn->service->version,
                            strlen(turn->service->version));
        return 0;
    case OP_QUIT:
        cache_packet_done(turn, packet, 0);
        return cache_quit(turn);
    case OP_STAT:
        answer_stats(turn, packet);
        break;
    case OP_SASL_LIST:
        if (turn->service->sasl)
            cache_packet_answer(turn, packet->opcode, packet->opaque, SUCCESS, 0, plain, strlen(plain));
        else
            cache_packet_error(turn, packet, UNKNOWN_COMMAND);
        return 0;
    case OP_SASL_AUTH:
    case OP_SASL_STEP:
        sasl(turn, packet);
        return 0;
    default: /* get, touch and their kin */
        get(turn, packet);
        break;
    }
    cache_swallow(turn, packet->value_bytes); /* what has no business there */
    return 0;
}

/* May it be done before authentication? */
static bool is_open(uint8_t opcode)
{
    return opcode == OP_SASL_LIST || opcode == OP_SASL_AUTH || opcode == OP_SASL_STEP || opcode == OP_VERSION;
}

/* What a header says is wrong: answered, and the connection is closed. */
static int refuse(struct cache_turn *turn, const struct packet *packet, enum status status)
{
    cache_packet_error(turn, packet, status);
    return PROTOCOL_CLOSE;
}

/* A header has come: it is looked at before anything is kept for it. */
static int check_header(struct cache_turn *turn, const unsigned char *at, struct packet *packet)
{
    const uint8_t opcode = at[1];
    const struct shape *shape = opcode < sizeof shapes / sizeof shapes[0] ? &shapes[opcode] : NULL;

    *packet = (struct packet){.opcode = opcode,
                              .extras_bytes = at[4],
                              .key_bytes = read_16(at + 2),
                              .body_bytes = read_32(at + 8),
                              .cas = read_64(at + 16)};
    memcpy(&packet->opaque, at + 12, sizeof packet->opaque);
    if (at[0] != REQUEST)
        return PROTOCOL_CLOSE;
    if ((uint32_t)packet->key_bytes + packet->extras_bytes > packet->body_bytes)
        return refuse(turn, packet, UNKNOWN_COMMAND);
    if (turn->service->sasl && !turn->protocol->authenticated && !is_open(opcode))
        return refuse(turn, packet, AUTH_ERROR);
    if (packet->key_bytes > CACHE_KEY_MAX)
        return refuse(turn, packet, INVALID);
    packet->value_bytes = packet->body_bytes - packet->key_bytes - packet->extras_bytes;
    if (shape == NULL || shape->plain == 0) {
        cache_packet_error(turn, packet, UNKNOWN_COMMAND);
        return 0;
    }
    packet->plain = (uint8_t)(shape->plain - 1);
    packet->quiet = packet->plain != opcode;
    return fits(packet, shape) ? -1 : refuse(turn, packet, INVALID);
}

static int take(struct cache_turn *turn, const unsigned char *at, bool *whole, size_t count, size_t *used)
{
    struct packet packet;
    int result;

    *whole = false;
    *used = HEADER;
    if (count < HEADER)
        return 0;
    result = check_header(turn, at, &packet);
    if (result >= 0) {
        *whole = true;
        cache_swallow(turn, result == 0 ? packet.body_bytes : 0);
        return result;
    }
    *used = (size_t)HEADER + packet.extras_bytes + packet.key_bytes;
    if (count < *used)
        return 0;
    *whole = true;
    packet.extras = at + HEADER;
    packet.key = (const char *)at + HEADER + packet.extras_bytes;
    return answer_packet(turn, &packet);
}

int cache_binary_feed(struct cache_turn *turn, const char **at, const char *end)
{
    struct cache_protocol *protocol = turn->protocol;
    size_t need = HEADER;
    bool whole = false;
    int result = 0;

    if (protocol->kept_count == 0) {
        result = take(turn, (const unsigned char *)*at, &whole, (size_t)(end - *at), &need);
        if (whole)
            *at += need;
    }
    /* First what is missing of the header, then what it says. */
    while (!whole && *at != end) {
        size_t count = (size_t)(end - *at);

        need = HEADER;
        if (protocol->kept_count >= HEADER)
            need += (size_t)(unsigned char)protocol->kept[4] +
                    read_16((const unsigned char *)protocol->kept + 2);
        if (count > need - protocol->kept_count)
            count = need - protocol->kept_count;
        if (!cache_keep(protocol, *at, count))
            return PROTOCOL_CLOSE;
        *at += count;
        result = take(turn, (const unsigned char *)protocol->kept, &whole, protocol->kept_count, &need);
        if (whole)
            protocol->kept_count = 0;
    }
    return result;
}
