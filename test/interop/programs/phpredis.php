<?php
// phpredis, unchanged: phpredis.php {plain|cluster} STEP PORT [PASSWORD | PID OF THE LEADER]
//
// Exits with 0 when everything was as checked; otherwise the exception says what was not.

error_reporting(E_ALL);
set_error_handler(function (int $level, string $message) {
    throw new ErrorException($message, 0, $level);
});

[, $mode, $step, $port] = $argv;
$rest = array_slice($argv, 4);

function connect(?string $password = null): Redis|RedisCluster
{
    global $mode, $port;
    if ($mode === 'cluster') {
        // Name, seeds, seconds to connect and to read, persistent, password.
        return new RedisCluster(null, ["127.0.0.1:$port"], 5, 5, false, $password);
    }
    $client = new Redis();
    $client->connect('127.0.0.1', (int) $port, 5);
    if ($password !== null) {
        $client->auth($password);
    }
    return $client;
}

function check(string $what, mixed $actual, mixed $expected): void
{
    if ($actual !== $expected) {
        $texts = [var_export($actual, true), var_export($expected, true)];
        throw new Exception("$what: $texts[0], not $texts[1]");
    }
}

/** SCAN of the cluster client asks one node at a time, and is told of it by any of its keys. */
function scan(Redis|RedisCluster $client, ?string $pattern = null): array
{
    $found = [];
    $nodes = $client instanceof RedisCluster ? $client->_masters() : [null];
    foreach ($nodes as $node) {
        $cursor = null;
        do {
            $names = $node === null
                ? $client->scan($cursor, $pattern, 10)
                : $client->scan($cursor, $node, $pattern, 10);
            foreach ($names ?: [] as $name) {
                $found[$name] = true;
            }
        } while ($cursor !== 0);
    }
    return array_keys($found);
}

function data(Redis|RedisCluster $client): void
{
    $isCluster = $client instanceof RedisCluster;
    foreach ($isCluster ? $client->_masters() : [null] as $node) {
        $node === null ? $client->flushAll() : $client->flushAll($node);
    }
    $binary = implode('', array_map('chr', range(0, 255)));
    check('SET', $client->set("php:\0\xff", $binary), true);
    check('GET', $client->get("php:\0\xff"), $binary);
    check('GET of nothing', $client->get('php:none'), false);
    check('SET NX', $client->set('php:once', '1', ['nx']), true);
    check('SET NX again', $client->set('php:once', '2', ['nx']), false);
    check('APPEND', $client->append('php:once', '!'), 2);

    $client->set('php:brief', 'x', ['ex' => 100]);
    $seconds = $client->ttl('php:brief');
    check('TTL', $seconds > 90 && $seconds <= 100, true);
    check('PERSIST', $client->persist('php:brief'), true);
    check('TTL after PERSIST', $client->ttl('php:brief'), -1);
    $client->set('php:gone', 'x', ['px' => 1]);
    usleep(20_000);
    check('GET of what expired', $client->get('php:gone'), false);

    check('INCRBY', $client->incrBy('php:count', 5), 5);
    check('DECR', $client->decr('php:count'), 4);
    check('INCR of a text', $client->incr('php:once'), false);
    check('its error', str_contains($client->getLastError(), 'not an integer'), true);
    $client->clearLastError();

    // The cluster client has no pipelines.
    if ($isCluster) {
        for ($i = 0; $i < 100; $i++) {
            $client->set("php:pipe:$i", $i);
        }
    } else {
        $pipeline = $client->multi(Redis::PIPELINE);
        $expected = [];
        for ($i = 0; $i < 100; $i++) {
            $pipeline->set("php:pipe:$i", $i)->get("php:pipe:$i");
            array_push($expected, true, (string) $i);
        }
        check('pipeline', $pipeline->exec(), $expected);
    }

    check('MSET', $client->mset(['{php}a' => '1', '{php}b' => '2']), true);
    check('MGET', $client->mget(['{php}a', '{php}none', '{php}b']), ['1', false, '2']);

    check('SCAN', count(scan($client)), 106);
    check('SCAN MATCH', count(scan($client, 'php:pipe:*')), 100);
    check('DEL', $client->del('{php}a', '{php}b'), 2);
}

function transactions(Redis|RedisCluster $client): void
{
    $client->del('php:sum');
    $answers = $client->multi()->set('php:sum', 1)->incr('php:sum')->get('php:sum')->exec();
    check('MULTI', $answers, [true, 2, '2']);

    check('WATCH', $client->watch('php:sum'), true);
    $value = (int) $client->get('php:sum');
    check('EXEC', $client->multi()->set('php:sum', $value + 10)->exec(), [true]);

    $client->watch('php:sum');
    connect()->set('php:sum', 'changed');
    $answers = $client->multi()->get('php:sum')->exec();
    // The plain client says false, the cluster client that there is nothing at its place.
    check('EXEC of what changed', $answers === false || $answers === [false], true);
}

function refused(): void
{
    foreach ([null, 'wrong'] as $password) {
        try {
            $client = connect($password);
            $answer = $client->get('php:none');
            $isRefused = $answer === false && $client->getLastError() !== null;
        } catch (RedisException | RedisClusterException | ErrorException) {
            $isRefused = true;
        }
        check('refused', $isRefused, true);
    }
}

/** The cluster client finds the new leader when it is made anew, which costs a handshake. */
function survive(int $leader): void
{
    $client = connect();
    $before = $client->incr('php:survives');
    posix_kill($leader, 9);
    $deadline = microtime(true) + 20;
    for (;;) {
        try {
            $client ??= connect();
            $value = $client->incr('php:survives');
            if ($value !== false) {
                break;
            }
        } catch (RedisException | RedisClusterException | ErrorException) {
        }
        $client = null;
        check('a leader was found in time', microtime(true) < $deadline, true);
        usleep(100_000);
    }
    check('the counter went on', $value > $before, true);
    check('GET', $client->get('php:survives'), (string) $value);
}

match ($step) {
    'version' => print(phpversion('redis') . "\n"),
    'data' => data(connect(...$rest)),
    'transactions' => transactions(connect()),
    'refused' => refused(),
    'survive' => survive((int) $rest[0]),
};
