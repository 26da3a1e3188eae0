# redis-rb, unchanged: redis_rb.rb {plain|cluster} STEP PORT [PASSWORD | PID OF THE LEADER]
#
# Exits with 0 when everything was as asserted; otherwise the exception says what was not.

require 'redis'
require 'set'

MODE, STEP, PORT, *REST = ARGV
BINARY = (0..255).to_a.pack('C*')

def connect(password = nil)
  return Redis.new(host: '127.0.0.1', port: PORT.to_i, password: password) if MODE == 'plain'

  Redis.new(cluster: [{ host: '127.0.0.1', port: PORT.to_i }], password: password)
end

def check(what, actual, expected)
  raise "#{what}: #{actual.inspect}, not #{expected.inspect}" unless actual == expected
end

def data(client)
  client.flushall
  check 'SET', client.set("rb:\x00\xff".b, BINARY), 'OK'
  check 'GET', client.get("rb:\x00\xff".b).b, BINARY
  check 'GET of nothing', client.get('rb:none'), nil
  check 'SET NX', client.set('rb:once', '1', nx: true), true
  check 'SET NX again', client.set('rb:once', '2', nx: true), false
  check 'APPEND', client.append('rb:once', '!'), 2

  client.set('rb:brief', 'x', ex: 100)
  check 'TTL', (91..100).cover?(client.ttl('rb:brief')), true
  check 'PERSIST', client.persist('rb:brief'), true
  check 'TTL after PERSIST', client.ttl('rb:brief'), -1
  client.set('rb:gone', 'x', px: 1)
  sleep 0.02
  check 'GET of what expired', client.get('rb:gone'), nil
  # Not yet removed, perhaps, and then DBSIZE would count it.
  check 'DEL of what expired', client.del('rb:gone'), 0

  check 'INCRBY', client.incrby('rb:count', 5), 5
  check 'DECR', client.decr('rb:count'), 4
  begin
    client.incr('rb:once')
    raise 'INCR of a text'
  rescue Redis::CommandError => e
    check 'INCR of a text', e.message.include?('not an integer'), true
  end

  # In cluster mode a pipeline of redis-rb 4 goes to one slot.
  answers = client.pipelined do |pipeline|
    100.times do |i|
      pipeline.set("{rb:pipe}:#{i}", i)
      pipeline.get("{rb:pipe}:#{i}")
    end
  end
  check 'pipeline', answers, (0...100).flat_map { |i| ['OK', i.to_s] }

  check 'MSET', client.mset('{rb}a', '1', '{rb}b', '2'), 'OK'
  check 'MGET', client.mget('{rb}a', '{rb}none', '{rb}b'), ['1', nil, '2']

  check 'SCAN', client.scan_each(count: 10).to_set.size, 106
  check 'SCAN MATCH', client.scan_each(match: '{rb:pipe}:*').to_set.size, 100
  check 'DBSIZE', client.dbsize, 106
  check 'DEL', client.del('{rb}a', '{rb}b'), 2
end

def transactions(client)
  client.del('rb:sum')
  answers = client.multi do |transaction|
    transaction.set('rb:sum', 1)
    transaction.incr('rb:sum')
    transaction.get('rb:sum')
  end
  check 'MULTI', answers, ['OK', 2, '2']
  return unless MODE == 'plain'

  answers = client.watch('rb:sum') do
    value = client.get('rb:sum').to_i
    client.multi { |transaction| transaction.set('rb:sum', value + 10) }
  end
  check 'WATCH', answers, ['OK']
  answers = client.watch('rb:sum') do
    connect.set('rb:sum', 'changed')
    client.multi { |transaction| transaction.get('rb:sum') }
  end
  check 'WATCH of what changed', answers, nil
end

def refused
  [nil, 'wrong'].each do |password|
    begin
      connect(password).get('rb:none')
    rescue Redis::BaseError
      next
    end
    raise 'let in'
  end
end

# The cluster client finds the new leader, if it is made anew when it has lost all of its nodes.
def survive(leader)
  client = connect
  before = client.incr('rb:survives')
  Process.kill(:KILL, leader)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 20
  value = begin
    client.incr('rb:survives')
  rescue Redis::BaseError
    raise if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline

    sleep 0.1
    retry
  end
  raise "#{value} after #{before}" unless value > before

  check 'GET', client.get('rb:survives'), value.to_s
end

case STEP
when 'version' then puts Redis::VERSION
when 'data' then data(connect(*REST))
when 'transactions' then transactions(connect)
when 'refused' then refused
when 'survive' then survive(REST[0].to_i)
else abort "No step #{STEP}"
end
