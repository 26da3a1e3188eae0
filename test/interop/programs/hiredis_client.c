/* hiredis, the C library, without anything above it: hiredis_client STEP PORT [PASSWORD]
 *
 *     hiredis_client survive PID_OF_THE_LEADER PORT …
 *
 * It knows no cluster: it goes where it is told, so "survive" asks the given ports in turn.
 * Exits with 0 when everything was as checked; otherwise it says what was not. */

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const struct timeval timeout = {5, 0};

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void check(const char *what, int is_right) {
    if (!is_right) fail(what, "not as expected");
}

static redisContext *connect_to(int port) {
    redisContext *client = redisConnectWithTimeout("127.0.0.1", port, timeout);
    if (client == NULL) fail("connect", "no memory");
    if (client->err == 0) redisSetTimeout(client, timeout);
    return client;
}

static void expect(const char *what, redisReply *reply, int type, const char *text, size_t length) {
    if (reply == NULL) fail(what, "the connection was lost");
    if (reply->type == REDIS_REPLY_ERROR && type != REDIS_REPLY_ERROR) fail(what, reply->str);
    check(what, reply->type == type);
    check(what, reply->len == length && memcmp(reply->str, text, length) == 0);
    freeReplyObject(reply);
}

static void expect_text(const char *what, redisReply *reply, int type, const char *text) {
    expect(what, reply, type, text, strlen(text));
}

static long long integer(const char *what, redisReply *reply) {
    if (reply == NULL) fail(what, "the connection was lost");
    if (reply->type == REDIS_REPLY_ERROR) fail(what, reply->str);
    check(what, reply->type == REDIS_REPLY_INTEGER);
    long long value = reply->integer;
    freeReplyObject(reply);
    return value;
}

static void expect_null(const char *what, redisReply *reply) {
    check(what, reply != NULL && reply->type == REDIS_REPLY_NIL);
    freeReplyObject(reply);
}

static size_t scanned(redisContext *client, const char *pattern) {
    size_t count = 0;
    char cursor[32] = "0";
    do {
        redisReply *reply = redisCommand(client, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
        check("SCAN", reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2);
        count += reply->element[1]->elements;
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    return count;
}

static void data(redisContext *client) {
    unsigned char binary[256];
    for (int i = 0; i < 256; i++) binary[i] = (unsigned char)i;

    expect_text("FLUSHALL", redisCommand(client, "FLUSHALL"), REDIS_REPLY_STATUS, "OK");
    expect_text("SET", redisCommand(client, "SET %b %b", "c:\0\xff", (size_t)4, binary, (size_t)256),
                REDIS_REPLY_STATUS, "OK");
    expect("GET", redisCommand(client, "GET %b", "c:\0\xff", (size_t)4), REDIS_REPLY_STRING,
           (const char *)binary, 256);
    expect_null("GET of nothing", redisCommand(client, "GET c:none"));
    expect_text("SET NX", redisCommand(client, "SET c:once 1 NX"), REDIS_REPLY_STATUS, "OK");
    expect_null("SET NX again", redisCommand(client, "SET c:once 2 NX"));

    expect_text("SET EX", redisCommand(client, "SET c:brief x EX 100"), REDIS_REPLY_STATUS, "OK");
    long long seconds = integer("TTL", redisCommand(client, "TTL c:brief"));
    check("TTL", seconds > 90 && seconds <= 100);
    check("PERSIST", integer("PERSIST", redisCommand(client, "PERSIST c:brief")) == 1);
    expect_text("SET PX", redisCommand(client, "SET c:gone x PX 1"), REDIS_REPLY_STATUS, "OK");
    usleep(20000);
    expect_null("GET of what expired", redisCommand(client, "GET c:gone"));
    /* Not yet removed, perhaps, and then DBSIZE would count it. */
    check("DEL of what expired", integer("DEL", redisCommand(client, "DEL c:gone")) == 0);

    check("INCRBY", integer("INCRBY", redisCommand(client, "INCRBY c:count 5")) == 5);
    check("DECR", integer("DECR", redisCommand(client, "DECR c:count")) == 4);
    expect_text("INCR of a text", redisCommand(client, "INCR c:brief"), REDIS_REPLY_ERROR,
                "ERR value is not an integer or out of range");

    for (int i = 0; i < 100; i++) redisAppendCommand(client, "SET c:pipe:%d %d", i, i);
    for (int i = 0; i < 100; i++) {
        redisReply *reply = NULL;
        check("pipeline", redisGetReply(client, (void **)&reply) == REDIS_OK);
        expect_text("pipeline", reply, REDIS_REPLY_STATUS, "OK");
    }

    expect_text("MSET", redisCommand(client, "MSET {c}a 1 {c}b 2"), REDIS_REPLY_STATUS, "OK");
    redisReply *values = redisCommand(client, "MGET {c}a {c}none {c}b");
    check("MGET", values != NULL && values->type == REDIS_REPLY_ARRAY && values->elements == 3);
    check("MGET", strcmp(values->element[0]->str, "1") == 0);
    check("MGET", values->element[1]->type == REDIS_REPLY_NIL);
    check("MGET", strcmp(values->element[2]->str, "2") == 0);
    freeReplyObject(values);

    check("SCAN", scanned(client, "*") == 106);
    check("SCAN MATCH", scanned(client, "c:pipe:*") == 100);
    check("DBSIZE", integer("DBSIZE", redisCommand(client, "DBSIZE")) == 106);
    check("DEL", integer("DEL", redisCommand(client, "DEL {c}a {c}b")) == 2);
}

static void transactions(redisContext *client, int port) {
    expect_text("MULTI", redisCommand(client, "MULTI"), REDIS_REPLY_STATUS, "OK");
    expect_text("SET", redisCommand(client, "SET c:sum 1"), REDIS_REPLY_STATUS, "QUEUED");
    expect_text("INCR", redisCommand(client, "INCR c:sum"), REDIS_REPLY_STATUS, "QUEUED");
    redisReply *reply = redisCommand(client, "EXEC");
    check("EXEC", reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2);
    check("EXEC", reply->element[1]->integer == 2);
    freeReplyObject(reply);

    redisContext *other = connect_to(port);
    expect_text("WATCH", redisCommand(client, "WATCH c:sum"), REDIS_REPLY_STATUS, "OK");
    expect_text("SET", redisCommand(other, "SET c:sum changed"), REDIS_REPLY_STATUS, "OK");
    expect_text("MULTI", redisCommand(client, "MULTI"), REDIS_REPLY_STATUS, "OK");
    expect_text("GET", redisCommand(client, "GET c:sum"), REDIS_REPLY_STATUS, "QUEUED");
    expect_null("EXEC of what changed", redisCommand(client, "EXEC"));
    redisFree(other);
}

static void refused(redisContext *client) {
    expect_text("without a password", redisCommand(client, "GET c:none"), REDIS_REPLY_ERROR,
                "NOAUTH Authentication required.");
    expect_text("a wrong password", redisCommand(client, "AUTH wrong"), REDIS_REPLY_ERROR,
                "WRONGPASS invalid username-password pair or user is disabled.");
}

/* The leader's port first, then the others'. */
static void survive(pid_t leader, int port_count, char **ports) {
    redisContext *client = connect_to(atoi(ports[0]));
    long long before = integer("INCR", redisCommand(client, "INCR c:survives"));
    kill(leader, SIGKILL);
    time_t deadline = time(NULL) + 20;
    for (int at = 0;; at = (at + 1) % port_count) {
        check("a leader was found in time", time(NULL) < deadline);
        redisFree(client);
        client = connect_to(atoi(ports[at]));
        redisReply *reply = client->err == 0 ? redisCommand(client, "INCR c:survives") : NULL;
        /* MOVED and CLUSTERDOWN say that nothing was done; after a lost connection who knows. */
        int is_done = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
        if (is_done) check("the counter went on", reply->integer > before);
        if (reply != NULL) freeReplyObject(reply);
        if (is_done) break;
        usleep(100000);
    }
    redisFree(client);
}

int main(int argc, char **argv) {
    const char *step = argc > 1 ? argv[1] : "";
    if (strcmp(step, "version") == 0) {
        printf("%d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
        return 0;
    }
    if (argc < 3) fail(step, "needs a port");
    if (strcmp(step, "survive") == 0) {
        if (argc < 4) fail(step, "needs a process and ports");
        survive((pid_t)atol(argv[2]), argc - 3, argv + 3);
        return 0;
    }
    int port = atoi(argv[2]);
    redisContext *client = connect_to(port);
    if (client->err != 0) fail("connect", client->errstr);
    if (argc > 3) {
        expect_text("AUTH", redisCommand(client, "AUTH %s", argv[3]), REDIS_REPLY_STATUS, "OK");
    }
    if (strcmp(step, "data") == 0) data(client);
    else if (strcmp(step, "transactions") == 0) transactions(client, port);
    else if (strcmp(step, "refused") == 0) refused(client);
    else fail(step, "no such step");
    redisFree(client);
    return 0;
}
