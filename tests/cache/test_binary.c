/* SPDX-License-Identifier: MIT */
/* The binary protocol over an in-memory connection: whole, cut at every byte, and what is no packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop.h"

#include <endian.h>

enum { ITEM_MAX = 256 * 1024, CASE_MAX = 8192 };

int test_binary(void);

static struct loop loop;

struct stream {
    char bytes[CASE_MAX];
    size_t count;
};

static void put(struct stream *stream, const void *bytes, size_t count)
{
    memcpy(stream->bytes + stream->count, bytes, count);
    stream->count += count;
}

static void put_header(struct stream *stream, uint8_t magic, uint8_t opcode, uint16_t status, size_t key,
                       size_t extras, size_t body, uint64_t cas)
{
    unsigned char header[24] = {magic, opcode, (unsigned char)(key >> 8), (unsigned char)key,
                                (unsigned char)extras};
    const uint32_t wide = htobe32((uint32_t)body);
    const uint64_t number = htobe64(cas);

    header[6] = (unsigned char)(status >> 8);
    header[7] = (unsigned char)status;
    memcpy(header + 8, &wide, 4);
    memcpy(header + 12, "opaq", 4);
    memcpy(header + 16, &number, 8);
    put(stream, header, sizeof header);
}

static void request(struct stream *stream, uint8_t opcode, const char *extras, size_t extras_count,
                    const char *key, const char *value)
{
    put_header(stream, 0x80, opcode, 0, strlen(key), extras_count, extras_count + strlen(key) + strlen(value),
               0);
    put(stream, extras, extras_count);
    put(stream, key, strlen(key));
    put(stream, value, strlen(value));
}

static void answer(struct stream *stream, uint8_t opcode, uint16_t status, const char *extras,
                   size_t extras_count, const char *key, const char *value)
{
    put_header(stream, 0x81, opcode, status, strlen(key), extras_count,
               extras_count + strlen(key) + strlen(value), 0);
    put(stream, extras, extras_count);
    put(stream, key, strlen(key));
    put(stream, value, strlen(value));
}

/* The numbers of cas are taken out of what was answered. */
static void expect_packets(const struct stream *input, const struct stream *expected, const size_t *cuts,
                           size_t count)
{
    loop_flush(&loop);
    (void)loop_converse(&loop, input->bytes, input->count, cuts, count);
    for (size_t at = 0; at + 24 <= loop.sent_count;) {
        uint32_t body;

        memcpy(&body, loop.sent + at + 8, 4);
        memset(loop.sent + at + 16, 0, 8);
        at += 24 + be32toh(body);
    }
    assert_int_equal(loop.sent_count, expected->count);
    assert_memory_equal(loop.sent, expected->bytes, expected->count);
}

static void packets_whole_and_cut(const struct stream *input, const struct stream *expected)
{
    static size_t cuts[CASE_MAX];

    expect_packets(input, expected, NULL, 0);
    for (size_t i = 0; i < input->count; i++)
        cuts[i] = i;
    expect_packets(input, expected, cuts, input->count);
    for (size_t i = 1; i < input->count; i++)
        expect_packets(input, expected, &i, 1);
}

static void binary_requests_answer_as_memcached(void **state)
{
    static struct stream in, out;
    static const char set[8] = {0, 0, 0, 7, 0, 0, 0, 0}, zero[4] = {0};
    static const char sum[20] = {0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9};
    static const char no_initial[20] = {0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, -1, -1, -1, -1};
    static const char nine[8] = {0, 0, 0, 0, 0, 0, 0, 9}, fourteen[8] = {0, 0, 0, 0, 0, 0, 0, 14};

    (void)state;
    in.count = out.count = 0;
    request(&in, 0x00, "", 0, "a", ""), answer(&out, 0x00, 1, "", 0, "", "Not found");
    request(&in, 0x09, "", 0, "a", ""); /* quiet */
    request(&in, 0x0c, "", 0, "a", ""), answer(&out, 0x0c, 1, "", 0, "a", "");
    request(&in, 0x01, set, 8, "a", "value"), answer(&out, 0x01, 0, "", 0, "", "");
    request(&in, 0x00, "", 0, "a", ""), answer(&out, 0x00, 0, set, 4, "", "value");
    request(&in, 0x09, "", 0, "a", ""), answer(&out, 0x09, 0, set, 4, "", "value");
    request(&in, 0x0c, "", 0, "a", ""), answer(&out, 0x0c, 0, set, 4, "a", "value");
    request(&in, 0x0d, "", 0, "a", ""), answer(&out, 0x0d, 0, set, 4, "a", "value");
    request(&in, 0x11, set, 8, "b", ""); /* quiet set, of nothing */
    request(&in, 0x00, "", 0, "b", ""), answer(&out, 0x00, 0, set, 4, "", "");
    request(&in, 0x02, set, 8, "a", "x"), answer(&out, 0x02, 2, "", 0, "", "Data exists for key.");
    request(&in, 0x12, set, 8, "a", "x"), answer(&out, 0x12, 2, "", 0, "", "Data exists for key.");
    request(&in, 0x03, set, 8, "c", "x"), answer(&out, 0x03, 1, "", 0, "", "Not found");
    request(&in, 0x0e, "", 0, "a", "+"), answer(&out, 0x0e, 0, "", 0, "", "");
    request(&in, 0x1a, "", 0, "a", "-");
    request(&in, 0x0f, "", 0, "c", "-"), answer(&out, 0x0f, 5, "", 0, "", "Not stored.");
    request(&in, 0x00, "", 0, "a", ""), answer(&out, 0x00, 0, set, 4, "", "-value+");
    request(&in, 0x05, sum, 20, "a", ""),
        answer(&out, 0x05, 6, "", 0, "", "Non-numeric server-side value for incr or decr");
    request(&in, 0x05, no_initial, 20, "n", ""), answer(&out, 0x05, 1, "", 0, "", "Not found");
    request(&in, 0x05, sum, 20, "n", ""), put_header(&out, 0x81, 0x05, 0, 0, 0, 8, 0), put(&out, nine, 8);
    request(&in, 0x05, sum, 20, "n", ""), put_header(&out, 0x81, 0x05, 0, 0, 0, 8, 0), put(&out, fourteen, 8);
    request(&in, 0x16, sum, 20, "n", "");
    request(&in, 0x06, sum, 20, "n", ""), put_header(&out, 0x81, 0x06, 0, 0, 0, 8, 0), put(&out, zero, 4),
        put(&out, "\0\0\0\4", 4);
    request(&in, 0x1c, zero, 4, "a", ""), answer(&out, 0x1c, 0, set, 4, "", "");
    request(&in, 0x1d, zero, 4, "a", ""), answer(&out, 0x1d, 0, set, 4, "", "-value+");
    request(&in, 0x1e, zero, 4, "c", "");
    request(&in, 0x23, zero, 4, "a", ""), answer(&out, 0x23, 0, set, 4, "a", "-value+");
    request(&in, 0x04, "", 0, "a", ""), answer(&out, 0x04, 0, "", 0, "", "");
    request(&in, 0x14, "", 0, "a", ""), answer(&out, 0x14, 1, "", 0, "", "Not found");
    request(&in, 0x0b, "", 0, "", ""), answer(&out, 0x0b, 0, "", 0, "", "1.6.18");
    request(&in, 0x60, "", 0, "key", "value"), answer(&out, 0x60, 0x81, "", 0, "", "Unknown command");
    request(&in, 0x20, "", 0, "", ""), answer(&out, 0x20, 0x81, "", 0, "", "Unknown command");
    request(&in, 0x21, "", 0, "PLAIN", "x"), answer(&out, 0x21, 0x81, "", 0, "", "Unknown command");
    request(&in, 0x10, "", 0, "detail dump", ""), answer(&out, 0x10, 0, "", 0, "detailed", "END\r\n"),
        answer(&out, 0x10, 0, "", 0, "", "");
    request(&in, 0x10, "", 0, "sizes", ""), answer(&out, 0x10, 0, "", 0, "sizes_status", "disabled"),
        answer(&out, 0x10, 0, "", 0, "", "");
    request(&in, 0x10, "", 0, "nonsense", ""), answer(&out, 0x10, 1, "", 0, "", "Not found");
    request(&in, 0x10, "", 0, "reset", ""), answer(&out, 0x10, 0, "", 0, "", "");
    request(&in, 0x08, "", 0, "", ""), answer(&out, 0x08, 0, "", 0, "", "");
    request(&in, 0x18, zero, 4, "", "");
    request(&in, 0x00, "", 0, "b", ""), answer(&out, 0x00, 1, "", 0, "", "Not found");
    request(&in, 0x0a, "", 0, "", ""), answer(&out, 0x0a, 0, "", 0, "", "");
    request(&in, 0x07, "", 0, "", ""), answer(&out, 0x07, 0, "", 0, "", "");
    packets_whole_and_cut(&in, &out);
}

static void binary_cas_compares(void **state)
{
    static struct stream in, out;
    static const char set[8] = {0};

    (void)state;
    in.count = out.count = 0;
    request(&in, 0x01, set, 8, "a", "1"), answer(&out, 0x01, 0, "", 0, "", "");
    put_header(&in, 0x80, 0x01, 0, 1, 8, 10, 999999999), put(&in, set, 8), put(&in, "a2", 2);
    answer(&out, 0x01, 2, "", 0, "", "Data exists for key.");
    put_header(&in, 0x80, 0x02, 0, 1, 8, 10, 999999999), put(&in, set, 8), put(&in, "b2", 2);
    answer(&out, 0x02, 1, "", 0, "", "Not found");
    put_header(&in, 0x80, 0x04, 0, 1, 0, 1, 999999999), put(&in, "a", 1);
    answer(&out, 0x04, 2, "", 0, "", "Data exists for key.");
    put_header(&in, 0x80, 0x0e, 0, 1, 0, 2, 999999999), put(&in, "a2", 2);
    answer(&out, 0x0e, 2, "", 0, "", "Data exists for key.");
    packets_whole_and_cut(&in, &out);
}

static void bad_packets_end_the_connection(void **state)
{
    static const struct {
        uint8_t opcode;
        size_t key, extras, body;
        uint16_t status;
        const char *text;
    } bad[] = {
        {0x00, 251, 0, 251, 4, "Invalid arguments"}, {0x00, 5, 0, 4, 0x81, "Unknown command"},
        {0x00, 0, 0, 0, 4, "Invalid arguments"},     {0x01, 1, 0, 1, 4, "Invalid arguments"},
        {0x00, 1, 4, 5, 4, "Invalid arguments"},     {0x0a, 0, 0, 1, 4, "Invalid arguments"},
        {0x05, 1, 8, 9, 4, "Invalid arguments"},     {0x08, 0, 2, 2, 4, "Invalid arguments"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        static struct stream in, out;
        static const char zeros[512];

        in.count = out.count = 0;
        put_header(&in, 0x80, bad[i].opcode, 0, bad[i].key, bad[i].extras, bad[i].body, 0);
        put(&in, zeros, bad[i].body);
        answer(&out, bad[i].opcode, bad[i].status, "", 0, "", bad[i].text);
        expect_packets(&in, &out, NULL, 0);
        assert_true(loop_converse(&loop, in.bytes, in.count, NULL, 0));
    }
}

static void sasl_opens_the_binary_protocol(void **state)
{
    static const uint8_t closed[] = {0x00, 0x01, 0x04, 0x05, 0x07, 0x08, 0x09,
                                     0x0a, 0x10, 0x11, 0x18, 0x1d, 0x23};
    static struct stream in, out;

    (void)state;
    loop.service.sasl = true;
    in.count = out.count = 0;
    request(&in, 0x20, "", 0, "", ""), answer(&out, 0x20, 0, "", 0, "", "PLAIN");
    put_header(&in, 0x80, 0x21, 0, 5, 0, 15, 0), put(&in, "PLAIN\0user\0fail", 15);
    answer(&out, 0x21, 0x20, "", 0, "", "Auth failure.");
    put_header(&in, 0x80, 0x21, 0, 5, 0, 9, 0), put(&in, "PLAINuser", 9);
    answer(&out, 0x21, 0x20, "", 0, "", "Auth failure.");
    put_header(&in, 0x80, 0x21, 0, 5, 0, 15, 0), put(&in, "PLAIN\0user\0pass", 15);
    answer(&out, 0x21, 0, "", 0, "", "Authenticated");
    request(&in, 0x00, "", 0, "a", ""), answer(&out, 0x00, 1, "", 0, "", "Not found");
    packets_whole_and_cut(&in, &out);
    for (size_t i = 0; i < sizeof closed; i++) {
        in.count = out.count = 0;
        put_header(&in, 0x80, closed[i], 0, 1, 0, 1, 0), put(&in, "a", 1);
        answer(&out, closed[i], 0x20, "", 0, "", "Auth failure.");
        expect_packets(&in, &out, NULL, 0);
        assert_true(loop_converse(&loop, in.bytes, in.count, NULL, 0));
    }
    /* Who asks anew, and is not known, is nobody. */
    in.count = out.count = 0;
    put_header(&in, 0x80, 0x21, 0, 5, 0, 15, 0), put(&in, "PLAIN\0user\0pass", 15);
    answer(&out, 0x21, 0, "", 0, "", "Authenticated");
    put_header(&in, 0x80, 0x21, 0, 5, 0, 15, 0), put(&in, "PLAIN\0user\0fail", 15);
    answer(&out, 0x21, 0x20, "", 0, "", "Auth failure.");
    request(&in, 0x00, "", 0, "a", ""), answer(&out, 0x00, 0x20, "", 0, "", "Auth failure.");
    expect_packets(&in, &out, NULL, 0);
    assert_true(loop_closes(&loop, "get a\r\nmore than a header has\r\n"));
    loop.service.sasl = false;
}

int test_binary(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_requests_answer_as_memcached),
        cmocka_unit_test(binary_cas_compares),
        cmocka_unit_test(bad_packets_end_the_connection),
        cmocka_unit_test(sasl_opens_the_binary_protocol),
    };
    int failed;

    loop_open(&loop, ITEM_MAX);
    failed = cmocka_run_group_tests_name("cache binary protocol", tests, NULL, NULL);
    loop_close(&loop);
    return failed;
}
