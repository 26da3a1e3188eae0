"""redis-py, unchanged: redis_py.py {plain|cluster} STEP PORT [PASSWORD | PID OF THE LEADER]

Exits with 0 when everything was as asserted; otherwise the traceback says what was not.
"""

import os
import signal
import sys
import time

import redis

mode, step, port, *rest = sys.argv[1:]
binary = bytes(range(256))


def connect(password=None):
    if mode == "cluster":
        return redis.RedisCluster(host="127.0.0.1", port=int(port), password=password)
    return redis.Redis(host="127.0.0.1", port=int(port), password=password)


def data(client):
    client.flushall()
    assert client.ping()
    assert client.set(b"py:\x00\xff", binary)
    assert client.get(b"py:\x00\xff") == binary
    assert client.get("py:none") is None
    assert client.set("py:once", "1", nx=True) is True
    assert client.set("py:once", "2", nx=True) is None
    assert client.append("py:once", "!") == 2

    assert client.set("py:brief", "x", ex=100)
    assert 90 < client.ttl("py:brief") <= 100
    assert client.persist("py:brief")
    assert client.ttl("py:brief") == -1
    assert client.set("py:gone", "x", px=1)
    time.sleep(0.02)
    assert client.get("py:gone") is None
    # Not yet removed, perhaps, and then DBSIZE would count it.
    assert client.delete("py:gone") == 0

    assert client.incr("py:count", 5) == 5
    assert client.decr("py:count") == 4
    try:
        client.incr("py:once")
        raise AssertionError("INCR of a text")
    except redis.ResponseError as error:
        assert "not an integer" in str(error), error

    pipeline = client.pipeline(transaction=False)
    for i in range(100):
        pipeline.set(f"py:pipe:{i}", i)
        pipeline.get(f"py:pipe:{i}")
    assert pipeline.execute() == [each for i in range(100) for each in (True, b"%d" % i)]

    assert client.mset({"{py}a": "1", "{py}b": "2"})
    assert client.mget("{py}a", "{py}none", "{py}b") == [b"1", None, b"2"]

    names = set(client.scan_iter(count=10))
    assert len(names) == 106, len(names)
    assert len(set(client.scan_iter(match="py:pipe:*"))) == 100
    assert client.dbsize() == 106
    assert client.delete("{py}a", "{py}b") == 2


def transactions(client):
    """RedisCluster of this version has no transactions."""
    client.delete("py:sum")
    with client.pipeline(transaction=True) as pipeline:
        pipeline.set("py:sum", 1).incr("py:sum").get("py:sum")
        assert pipeline.execute() == [True, 2, b"2"]

    def add(pipeline):
        value = int(pipeline.get("py:sum"))
        pipeline.multi()
        pipeline.set("py:sum", value + 10)

    assert client.transaction(add, "py:sum") == [True]
    with client.pipeline() as pipeline:
        pipeline.watch("py:sum")
        client.set("py:sum", "changed")
        pipeline.multi()
        pipeline.get("py:sum")
        try:
            pipeline.execute()
            raise AssertionError("EXEC went through")
        except redis.WatchError:
            pass


def replicas():
    """Reads from replicas see what was written just before."""
    client = redis.RedisCluster(host="127.0.0.1", port=int(port), read_from_replicas=True)
    for i in range(300):
        client.set("py:fresh", i)
        assert int(client.get("py:fresh")) == i


def refused():
    for password in (None, "wrong"):
        try:
            connect(password).get("py:none")
            raise AssertionError("let in")
        # What the cluster client wraps it in is no RedisError.
        except (redis.RedisError, redis.exceptions.RedisClusterException):
            pass


def survive(leader):
    """A new cluster client finds the new leader.

    One that lost a master cannot read the map again in redis-py 4.3: it fails to copy its own
    connection arguments ("cannot pickle '_thread.lock' object"), with any Redis.
    """
    client = connect()
    before = client.incr("py:survives")
    os.kill(leader, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while True:
        try:
            client = client or connect()
            value = client.incr("py:survives")
            break
        except (redis.RedisError, redis.exceptions.RedisClusterException):
            assert time.monotonic() < deadline, "No leader was found"
            time.sleep(0.1)
            client = None
    assert value > before
    assert int(client.get("py:survives")) == value


if step == "version":
    print(redis.__version__)
elif step == "data":
    data(connect(*rest))
elif step == "transactions":
    transactions(connect())
elif step == "replicas":
    replicas()
elif step == "refused":
    refused()
elif step == "survive":
    survive(int(rest[0]))
else:
    sys.exit(f"No step {step}")
