// A client of a Holt cluster, with nothing but a Redis library: ioredis.
//
//   npm run client -- set hello world
//   npm run client -- get hello
//   npm run client -- --port 21001 mset {user:1}:name Ada {user:1}:born 1815
//
// A cluster client asks any server for the map of the cluster and sends each command to the server
// that leads the key's group. When leadership moves, the server answers MOVED with the new address;
// the library follows it and asks for the map again. Nothing here is special to Holt.

import process from 'node:process';
import { Cluster } from 'ioredis';

const [port, commandName, args] = parseArguments(process.argv.slice(2));

// Any one server is enough to find the others. Three are named so that one may be down.
// `cluster-scripts/cluster start` puts a server on every hundredth port.
const seeds = [port, port + 100, port + 200].map((seed) => ({ host: '127.0.0.1', port: seed }));

const cluster = new Cluster(seeds, {
  // By default the library tries for ever; an example should tell. Three seconds, because electing a
  // new leader may take two of them.
  clusterRetryStrategy: (attempt) => (attempt <= 10 ? 300 : null),
  redisOptions: {
    // A leader that hangs is given up, and the command goes to whoever leads by then. It may have been
    // executed already: Redis clients that resend by themselves do so at least once.
    socketTimeout: 2000,
    // At the end, connections that are still being made would keep the program waiting for two seconds.
    disconnectTimeout: 100,
  },
  // A cluster with a password: password: '…' in redisOptions
});

// Without a listener every failed attempt would be printed. What matters arrives at `call` below.
cluster.on('error', () => {});

try {
  // A method for each command (`cluster.set(key, value)`) knows types; `call` takes any command.
  const reply = await cluster.call(commandName, ...args);
  console.log(replyText(reply));
} catch (error) {
  // An error reply is the server's answer. Anything else: there was no answer.
  const { name, message } = error as Error;
  if (name === 'ReplyError') {
    console.log(`(error) ${message}`);
  } else {
    console.error(
      `No cluster answers on ports ${seeds.map((seed) => seed.port).join(', ')} (${message}).\n` +
        'Start one with `npm start`, or give the port of a server with --port.',
    );
  }
  process.exitCode = 1;
} finally {
  cluster.disconnect();
}

/** About as redis-cli shows replies. */
function replyText(reply: unknown, indent = ''): string {
  if (reply === null) return '(nil)';
  if (typeof reply === 'number' || typeof reply === 'bigint') return `(integer) ${reply}`;
  if (!Array.isArray(reply)) return String(reply);
  if (reply.length === 0) return '(empty array)';
  return reply
    .map((item, at) => {
      const label = `${at + 1}) `;
      return (at === 0 ? '' : indent) + label + replyText(item, indent + ' '.repeat(label.length));
    })
    .join('\n');
}

/** Options come before the command: what follows may look like one. */
function parseArguments(argv: readonly string[]): [number, string, string[]] {
  const hasPort = argv[0] === '--port';
  const seed = hasPort ? Number(argv[1]) : 7001;
  const [name, ...rest] = hasPort ? argv.slice(2) : argv;
  if (name === undefined || !(seed > 0 && seed < 65_336)) {
    console.error('Usage: npm run client -- [--port 7001] <command> [argument …]');
    process.exit(2);
  }
  return [seed, name, rest];
}
