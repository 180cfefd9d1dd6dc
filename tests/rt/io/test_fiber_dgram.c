/* SPDX-License-Identifier: MIT */
/* Fibers that send and receive datagrams. On both engines. */
#include "io.h"
#include "test_io.h"

#include <netinet/in.h>
#include <pawl/fiber_dgram.h>
#include <sys/un.h>

enum { ROUNDS = 200, LARGEST = 3000, FLOOD = 400 };

static const uint64_t SOON_NS = 2000000;

static struct {
    struct pawl_rt *rt;
    int family;
    struct sockaddr_storage address; /* of who answers */
    socklen_t bytes;
    PAWL_ATOMIC(uint64_t) open, sent, over;
} post;

/* An address of the family for a socket to be bound to. */
static socklen_t any_address(struct sockaddr_storage *address)
{
    struct sockaddr_in *name = (struct sockaddr_in *)address;

    memset(address, 0, sizeof *address);
    address->ss_family = (sa_family_t)post.family;
    if (post.family == AF_UNIX)
        return sizeof(sa_family_t); /* the kernel finds a name */
    name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof *name;
}

static void open_box(struct pawl_mailbox *box)
{
    struct sockaddr_storage address;
    socklen_t bytes = any_address(&address);

    assert_int_equal(pawl_mailbox_open(box, (const struct sockaddr *)&address, bytes, LARGEST,
                                       PAWL_DGRAM_GRO),
                     -EINVAL);
    assert_int_equal(pawl_mailbox_open(box, (const struct sockaddr *)&address, bytes, LARGEST, 0), 0);
}

static void publish(struct pawl_mailbox *box)
{
    post.bytes = sizeof post.address;
    assert_int_equal(pawl_mailbox_address(box, (struct sockaddr *)&post.address, &post.bytes), 0);
    io_add(&post.open, 1);
}

/* Answers each with the same, until it is cancelled. */
static void answer(void *arg)
{
    struct sockaddr_storage from;
    struct pawl_mailbox box;
    char bytes[LARGEST];
    int64_t n;

    (void)arg;
    open_box(&box);
    publish(&box);
    do {
        socklen_t from_bytes = sizeof from;

        n = pawl_receive_from(&box, bytes, sizeof bytes, (struct sockaddr *)&from, &from_bytes);
        if (n >= 0) {
            int64_t sent = pawl_send_to(&box, bytes, (size_t)n, (struct sockaddr *)&from, from_bytes);

            assert_true(sent == n || sent == -ECANCELED); /* the latter: told to end meanwhile */
        }
    } while (n >= 0 || n == -ECONNREFUSED); /* the latter: who asked last has gone */
    assert_int_equal(n, -ECANCELED);
    assert_int_equal(pawl_send_to(&box, bytes, 1, (struct sockaddr *)&from, sizeof from), -ECANCELED);
    (void)pawl_mailbox_close(&box);
    io_add(&post.over, 1);
}

static void ask(void *arg)
{
    const struct sockaddr *to = (const struct sockaddr *)&post.address;
    uint64_t random = io_seed();
    char bytes[LARGEST + 1], heard[LARGEST];
    struct sockaddr_storage from;
    socklen_t from_bytes;
    struct pawl_mailbox box;

    (void)arg;
    open_box(&box);
    assert_int_equal(pawl_receive_from_until(&box, heard, 1, NULL, NULL, pawl_deadline(SOON_NS)), -ETIMEDOUT);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        size_t count = i == 0 ? 0 : io_random(&random) % (LARGEST + 1);

        io_fill(bytes, count, i, 0);
        assert_int_equal(pawl_send_to(&box, bytes, count, to, post.bytes), count);
        from_bytes = sizeof from;
        assert_int_equal(pawl_receive_from(&box, heard, sizeof heard, (struct sockaddr *)&from, &from_bytes),
                         count);
        assert_memory_equal(heard, bytes, count);
        assert_int_equal(from_bytes, post.bytes);
        assert_memory_equal(&from, to, from_bytes);
    }
    /* what does not fit is told */
    assert_int_equal(pawl_send_to(&box, "longer", 6, to, post.bytes), 6);
    assert_int_equal(pawl_receive_from(&box, heard, 4, NULL, NULL), -EMSGSIZE);
    assert_memory_equal(heard, "long", 4);
    /* and what nobody waits for is kept, in order */
    assert_int_equal(pawl_send_to(&box, "a", 1, to, post.bytes), 1);
    assert_int_equal(pawl_send_to(&box, "bb", 2, to, post.bytes), 2);
    (void)pawl_sleep(SOON_NS);
    assert_int_equal(pawl_receive_from(&box, heard, 4, NULL, NULL), 1);
    from_bytes = 1; /* too little room: cut, and its length told */
    assert_int_equal(pawl_receive_from(&box, heard, 1, (struct sockaddr *)&from, &from_bytes), -EMSGSIZE);
    assert_int_equal(from_bytes, post.bytes);
    assert_int_equal(pawl_send_to(&box, "left", 4, to, post.bytes), 4); /* an answer is on its way */
    assert_int_equal(pawl_mailbox_close(&box), 0);
    assert_int_equal(pawl_mailbox_close(&box), 0); /* nothing */
    assert_int_equal(pawl_receive_from(&box, heard, 1, NULL, NULL), -EPIPE);
    assert_int_equal(pawl_send_to(&box, "x", 1, to, post.bytes), -EPIPE);
    io_add(&post.over, 1);
}

static struct pawl_fiber *start(void (*fn)(void *arg))
{
    struct pawl_fiber *fiber;

    assert_int_equal(pawl_fiber_open(&fiber, post.rt, fn, NULL), 0);
    return fiber;
}

static void begin(int family)
{
    memset((void *)&post, 0, sizeof post);
    post.family = family;
    io_open(&post.rt, 2);
}

static void fibers_ask_and_answer_by_datagrams(void **state)
{
    static const int families[] = {AF_INET, AF_UNIX};
    struct pawl_fiber *answerer, *asker;

    (void)state;
    for (int i = 0; i < 2; i++) {
        begin(families[i]);
        answerer = start(answer);
        io_reach(&post.open, 1);
        asker = start(ask);
        assert_int_equal(pawl_fiber_join(asker), 0);
        assert_int_equal(pawl_fiber_cancel(answerer), 0);
        assert_int_equal(pawl_fiber_join(answerer), 0);
        assert_int_equal(io_get(&post.over), 2);
        io_close(post.rt);
    }
}

/* More than all queues hold: over UNIX sockets who sends waits, and nothing is lost. */
static void flood(void *arg)
{
    struct pawl_mailbox box;
    char bytes[LARGEST];

    (void)arg;
    open_box(&box);
    assert_int_equal(pawl_mailbox_connect(&box, (const struct sockaddr *)&post.address, post.bytes), 0);
    for (uint64_t i = 0; i < FLOOD; i++) {
        io_fill(bytes, sizeof bytes, i, 0);
        assert_int_equal(pawl_send_to(&box, bytes, sizeof bytes, NULL, 0), sizeof bytes);
        io_add(&post.sent, 1);
    }
    assert_int_equal(pawl_mailbox_close(&box), 0); /* when all has gone */
}

static void drink(void *arg)
{
    struct pawl_mailbox box;
    char bytes[LARGEST], heard[LARGEST];

    (void)arg;
    open_box(&box);
    publish(&box);
    for (uint64_t i = 0; i < FLOOD; i++) {
        if (i % 50 == 0)
            (void)pawl_sleep(SOON_NS);
        assert_int_equal(pawl_receive_from(&box, heard, sizeof heard, NULL, NULL), sizeof heard);
        io_fill(bytes, sizeof bytes, i, 0);
        assert_memory_equal(heard, bytes, sizeof bytes);
        assert_true(box.weight < 300000); /* what is kept is bounded */
    }
    assert_int_equal(pawl_mailbox_close(&box), 0);
}

static void who_sends_more_than_is_received_waits(void **state)
{
    struct pawl_fiber *drinker, *flooder;

    (void)state;
    begin(AF_UNIX);
    drinker = start(drink);
    io_reach(&post.open, 1);
    flooder = start(flood);
    assert_int_equal(pawl_fiber_join(flooder), 0);
    assert_int_equal(pawl_fiber_join(drinker), 0);
    assert_int_equal(io_get(&post.sent), FLOOD);
    io_close(post.rt);
}

/* Nobody is reached at that port (who has it is connected to itself): the next call is told, once, and the mailbox lives on. */
static void hear_of_refusal(void *arg)
{
    struct sockaddr_storage address;
    socklen_t bytes = sizeof address;
    struct pawl_mailbox box, unreached;
    char byte;

    (void)arg;
    open_box(&unreached);
    assert_int_equal(pawl_mailbox_address(&unreached, (struct sockaddr *)&address, &bytes), 0);
    assert_int_equal(pawl_mailbox_connect(&unreached, (const struct sockaddr *)&address, bytes), 0);
    open_box(&box);
    assert_int_equal(pawl_mailbox_connect(&box, (const struct sockaddr *)&address, bytes), 0);
    assert_int_equal(pawl_send_to(&box, "?", 1, NULL, 0), 1);
    assert_int_equal(pawl_receive_from(&box, &byte, 1, NULL, NULL), -ECONNREFUSED);
    assert_int_equal(pawl_send_to(&box, "?", 1, NULL, 0), 1);
    (void)pawl_sleep(SOON_NS); /* while nobody waits */
    while (box.error == 0)
        (void)pawl_sleep(SOON_NS);
    assert_int_equal(pawl_send_to(&box, "?", 1, NULL, 0), -ECONNREFUSED);
    assert_int_equal(pawl_mailbox_close(&box), 0);
    assert_int_equal(pawl_mailbox_close(&unreached), 0);
    io_add(&post.over, 1);
}

static void a_refusal_is_told_by_the_next_call(void **state)
{
    (void)state;
    begin(AF_INET);
    assert_int_equal(pawl_fiber_join(start(hear_of_refusal)), 0);
    assert_int_equal(io_get(&post.over), 1);
    io_close(post.rt);
}

static void the_end_of_the_runtime_ends_who_receives(void **state)
{
    (void)state;
    begin(AF_INET);
    assert_int_equal(pawl_go(post.rt, answer, NULL), 0);
    io_reach(&post.open, 1);
    io_close(post.rt);
    assert_int_equal(io_get(&post.over), 1);
}

const struct CMUnitTest fiber_dgram_tests[] = {
    cmocka_unit_test(fibers_ask_and_answer_by_datagrams),
    cmocka_unit_test(who_sends_more_than_is_received_waits),
    cmocka_unit_test(a_refusal_is_told_by_the_next_call),
    cmocka_unit_test(the_end_of_the_runtime_ends_who_receives),
};
const size_t fiber_dgram_test_count = sizeof fiber_dgram_tests / sizeof fiber_dgram_tests[0];
