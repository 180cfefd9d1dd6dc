/* SPDX-License-Identifier: MIT */
/* evbuffers and bufferevents. */
#include "test_event.h"

#include <event2/buffer.h>
#include <event2/buffer_compat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct evbuffer *buffer;

static int new_buffer(void **state)
{
    (void)state;
    buffer = evbuffer_new();
    return buffer == NULL;
}

static int free_buffer(void **state)
{
    (void)state;
    evbuffer_free(buffer);
    return 0;
}

static void holds(const char *text)
{
    assert_int_equal(evbuffer_get_length(buffer), strlen(text));
    if (*text == '\0')
        assert_null(evbuffer_pullup(buffer, -1));
    else
        assert_memory_equal(evbuffer_pullup(buffer, -1), text, strlen(text));
}

static void bytes_leave_in_the_order_in_which_they_came(void **state)
{
    char out[8];

    (void)state;
    assert_int_equal(evbuffer_add(buffer, "abc", 3), 0);
    assert_int_equal(evbuffer_add_printf(buffer, "%d-%s", 42, "x"), 4);
    assert_int_equal(evbuffer_prepend(buffer, "<<", 2), 0);
    holds("<<abc42-x");
    assert_int_equal(evbuffer_copyout(buffer, out, 4), 4);
    assert_memory_equal(out, "<<ab", 4);
    assert_int_equal(evbuffer_remove(buffer, out, 3), 3);
    assert_int_equal(evbuffer_drain(buffer, 2), 0);
    holds("42-x");
    assert_null(evbuffer_pullup(buffer, 5));
    assert_null(evbuffer_pullup(buffer, 0));
    assert_int_equal(evbuffer_drain(buffer, 100), 0);
    holds("");
    assert_int_equal(evbuffer_remove(buffer, out, 3), 0);
}

static void lines_end_in_five_ways(void **state)
{
    static const struct {
        enum evbuffer_eol_style style;
        const char *text, *first, *rest;
    } cases[] = {
        {EVBUFFER_EOL_ANY, "a\n\r\nb\n", "a", "b\n"},
        {EVBUFFER_EOL_ANY, "abc", NULL, "abc"},
        {EVBUFFER_EOL_CRLF, "a\r\nb", "a", "b"},
        {EVBUFFER_EOL_CRLF, "a\rb\nc", "a\rb", "c"},
        {EVBUFFER_EOL_CRLF, "\n\n", "", "\n"},
        {EVBUFFER_EOL_CRLF_STRICT, "a\nb\r\nc", "a\nb", "c"},
        {EVBUFFER_EOL_CRLF_STRICT, "a\nb", NULL, "a\nb"},
        {EVBUFFER_EOL_LF, "a\r\nb", "a\r", "b"},
    };
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        evbuffer_drain(buffer, 1000);
        evbuffer_add(buffer, cases[i].text, strlen(cases[i].text));
        char *line = evbuffer_readln(buffer, &length, cases[i].style);
        if (cases[i].first == NULL) {
            assert_null(line);
            assert_int_equal(length, 0);
        } else {
            assert_string_equal(line, cases[i].first);
            assert_int_equal(length, strlen(cases[i].first));
        }
        holds(cases[i].rest);
        free(line);
    }
    evbuffer_drain(buffer, 1000);
    evbuffer_add(buffer, "x\0y", 3);
    char *line = evbuffer_readln(buffer, &length, EVBUFFER_EOL_NUL);
    assert_string_equal(line, "x");
    free(line);
    evbuffer_add(buffer, "\r\n", 2);
    line = evbuffer_readline(buffer);
    assert_string_equal(line, "y");
    free(line);
}

static void what_is_in_it_can_be_searched(void **state)
{
    struct evbuffer_ptr at, end;
    struct evbuffer_iovec piece;
    size_t eol;

    (void)state;
    evbuffer_add(buffer, "abcabcab\r\n", 10);
    at = evbuffer_search(buffer, "cab", 3, NULL);
    assert_int_equal(at.pos, 2);
    assert_int_equal(evbuffer_ptr_set(buffer, &at, 1, EVBUFFER_PTR_ADD), 0);
    at = evbuffer_search(buffer, "cab", 3, &at);
    assert_int_equal(at.pos, 5);
    assert_int_equal(evbuffer_ptr_set(buffer, &end, 7, EVBUFFER_PTR_SET), 0);
    assert_int_equal(evbuffer_search_range(buffer, "cab", 3, &at, &end).pos, -1);
    assert_int_equal(evbuffer_search(buffer, "zz", 2, NULL).pos, -1);
    assert_int_equal(evbuffer_search_eol(buffer, NULL, &eol, EVBUFFER_EOL_CRLF).pos, 8);
    assert_int_equal(eol, 2);
    assert_int_equal(evbuffer_ptr_set(buffer, &end, 10, EVBUFFER_PTR_SET), 0);
    assert_int_equal(evbuffer_ptr_set(buffer, &end, 11, EVBUFFER_PTR_SET), -1);
    assert_int_equal(end.pos, -1);
    assert_ptr_equal(evbuffer_find(buffer, (const unsigned char *)"bc", 2), evbuffer_pullup(buffer, -1) + 1);
    assert_null(evbuffer_find(buffer, (const unsigned char *)"ba", 2));
    assert_int_equal(evbuffer_peek(buffer, -1, NULL, &piece, 1), 1);
    assert_int_equal(piece.iov_len, 10);
}

static void frozen_ends_refuse(void **state)
{
    char out[4];

    (void)state;
    evbuffer_add(buffer, "abc", 3);
    evbuffer_freeze(buffer, 0);
    assert_int_equal(evbuffer_add(buffer, "d", 1), -1);
    assert_int_equal(evbuffer_prepend(buffer, "z", 1), 0);
    evbuffer_unfreeze(buffer, 0);
    evbuffer_freeze(buffer, 1);
    assert_int_equal(evbuffer_drain(buffer, 1), -1);
    assert_int_equal(evbuffer_remove(buffer, out, 1), -1);
    assert_int_equal(evbuffer_prepend(buffer, "y", 1), -1);
    assert_int_equal(evbuffer_add(buffer, "d", 1), 0);
    evbuffer_unfreeze(buffer, 1);
    holds("zabcd");
}

static void buffers_pour_into_each_other(void **state)
{
    struct evbuffer *other = evbuffer_new();

    (void)state;
    evbuffer_add(other, "abcdef", 6);
    assert_int_equal(evbuffer_remove_buffer(other, buffer, 2), 2);
    holds("ab");
    assert_int_equal(evbuffer_add_buffer(buffer, other), 0);
    holds("abcdef");
    assert_int_equal(evbuffer_get_length(other), 0);
    evbuffer_add(other, "12", 2);
    assert_int_equal(evbuffer_prepend_buffer(buffer, other), 0);
    holds("12abcdef");
    assert_int_equal(evbuffer_remove_buffer(other, buffer, 5), 0);
    assert_int_equal(evbuffer_add_buffer(buffer, other), 0);
    evbuffer_free(other);
}

static size_t sums[4];
static int sum_count;

/* What another buffer loses and this one gets: the first callback sees both as they are after it. */
static void see_both(struct evbuffer *changed, const struct evbuffer_cb_info *info, void *arg)
{
    (void)info;
    sums[sum_count++] = evbuffer_get_length(changed) + evbuffer_get_length(arg);
}

static void bytes_that_are_poured_are_never_in_both(void **state)
{
    struct evbuffer *other = evbuffer_new();

    (void)state;
    evbuffer_add(buffer, "abc", 3);
    evbuffer_add(other, "de", 2);
    evbuffer_add_cb(buffer, see_both, other);
    evbuffer_add_cb(other, see_both, buffer);
    sum_count = 0;
    assert_int_equal(evbuffer_add_buffer(buffer, other), 0);
    assert_int_equal(evbuffer_prepend_buffer(other, buffer), 0);
    assert_int_equal(sum_count, 4);
    for (int i = 0; i < sum_count; i++)
        assert_int_equal(sums[i], 5);
    evbuffer_free(other);
}

static void space_can_be_reserved_and_committed(void **state)
{
    struct evbuffer_iovec space;

    (void)state;
    evbuffer_add(buffer, "ab", 2);
    assert_int_equal(evbuffer_expand(buffer, 5000), 0);
    assert_int_equal(evbuffer_reserve_space(buffer, 3000, &space, 1), 1);
    assert_true(space.iov_len >= 3000);
    memcpy(space.iov_base, "cd", 2);
    space.iov_len = 2;
    assert_int_equal(evbuffer_commit_space(buffer, &space, 1), 0);
    holds("abcd");
}

static struct evbuffer_cb_info told;
static int told_times;

static void tell(struct evbuffer *of, const struct evbuffer_cb_info *info, void *arg)
{
    (void)of;
    (void)arg;
    told = *info;
    told_times++;
}

static size_t old_length, new_length;

static void tell_lengths(struct evbuffer *of, size_t before, size_t after, void *arg)
{
    (void)of;
    (void)arg;
    old_length = before;
    new_length = after;
}

static void callbacks_are_told_what_changed(void **state)
{
    (void)state;
    struct evbuffer_cb_entry *entry = evbuffer_add_cb(buffer, tell, NULL);
    told_times = 0;
    evbuffer_add(buffer, "abcd", 4);
    assert_int_equal(told.orig_size, 0);
    assert_int_equal(told.n_added, 4);
    evbuffer_drain(buffer, 3);
    assert_int_equal(told.orig_size, 4);
    assert_int_equal(told.n_added, 0);
    assert_int_equal(told.n_deleted, 3);
    assert_int_equal(told_times, 2);
    evbuffer_cb_clear_flags(buffer, entry, EVBUFFER_CB_ENABLED);
    evbuffer_add(buffer, "e", 1);
    assert_int_equal(told_times, 2);
    evbuffer_cb_set_flags(buffer, entry, EVBUFFER_CB_ENABLED);
    assert_int_equal(evbuffer_remove_cb(buffer, tell, NULL), 0);
    assert_int_equal(evbuffer_remove_cb(buffer, tell, NULL), -1);
    evbuffer_setcb(buffer, tell_lengths, NULL);
    evbuffer_add(buffer, "f", 1);
    assert_int_equal(old_length, 2);
    assert_int_equal(new_length, 3);
    assert_int_equal(told_times, 2);
}

static void buffers_read_and_write_descriptors(void **state)
{
    struct evbuffer *other = evbuffer_new();
    char block[3000];
    int pipes[2];

    (void)state;
    memset(block, 'x', sizeof block);
    assert_int_equal(pipe(pipes), 0);
    evbuffer_add(buffer, block, sizeof block);
    evbuffer_add(buffer, "end", 3);
    assert_int_equal(evbuffer_write_atmost(buffer, pipes[1], 1000), 1000);
    assert_int_equal(evbuffer_write(buffer, pipes[1]), 2003);
    assert_int_equal(evbuffer_write(buffer, pipes[1]), -1); /* nothing to write */
    assert_int_equal(evbuffer_read(other, pipes[0], 10), 10);
    assert_int_equal(evbuffer_read(other, pipes[0], -1), 2993);
    assert_int_equal(evbuffer_get_length(other), 3003);
    close(pipes[1]);
    assert_int_equal(evbuffer_read(other, pipes[0], -1), 0);
    close(pipes[0]);
    evbuffer_free(other);
}

/* Adds and takes at random; a plain array knows what must be there. */
static void any_sequence_of_calls_agrees_with_an_array(void **state)
{
    static unsigned char model[1 << 16];
    unsigned char bytes[3000], out[3000];
    size_t from = sizeof model / 2, to = from;
    unsigned seed = 5;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        size_t count = (size_t)rand_r(&seed) % (i % 7 == 0 ? sizeof bytes : 60);

        for (size_t k = 0; k < count; k++)
            bytes[k] = (unsigned char)rand_r(&seed);
        switch (rand_r(&seed) % 4) {
        case 0:
            if (from < count)
                break;
            assert_int_equal(evbuffer_prepend(buffer, bytes, count), 0);
            from -= count;
            memcpy(model + from, bytes, count);
            break;
        case 1:
            if (to + count > sizeof model)
                break;
            assert_int_equal(evbuffer_add(buffer, bytes, count), 0);
            memcpy(model + to, bytes, count);
            to += count;
            break;
        default: {
            int taken = evbuffer_remove(buffer, out, count);

            assert_int_equal(taken, count < to - from ? count : to - from);
            assert_memory_equal(out, model + from, (size_t)taken);
            from += (size_t)taken;
            break;
        }
        }
        if (from == to)
            from = to = sizeof model / 2;
        assert_int_equal(evbuffer_get_length(buffer), to - from);
    }
    assert_true(to == from || memcmp(evbuffer_pullup(buffer, -1), model + from, to - from) == 0);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, new_buffer, free_buffer)

int test_buffers(void)
{
    const struct CMUnitTest tests[] = {
        promise(bytes_leave_in_the_order_in_which_they_came),
        promise(lines_end_in_five_ways),
        promise(what_is_in_it_can_be_searched),
        promise(frozen_ends_refuse),
        promise(buffers_pour_into_each_other),
        promise(bytes_that_are_poured_are_never_in_both),
        promise(space_can_be_reserved_and_committed),
        promise(callbacks_are_told_what_changed),
        promise(buffers_read_and_write_descriptors),
        promise(any_sequence_of_calls_agrees_with_an_array),
    };

    return cmocka_run_group_tests_name("buffers", tests, NULL, NULL);
}
