// Replicated counters over HTTP, whole in one file: three processes, any one of which may die.
//
//   npm run example:counter                                    three replicas, until Ctrl-C
//   curl -L -X POST http://127.0.0.1:3001/visits/increment     at any of 3001, 3002, 3003
//   curl -L http://127.0.0.1:3002/visits
//   curl http://127.0.0.1:3003/                                who leads, and how far this one is
//   curl -X POST http://127.0.0.1:3001/snapshot                cuts this one's log
//
// A reply means that a majority has the increment on disk; increments are the leader's to take, and the
// others redirect there. A read has everything that was acknowledged before it, at every replica.
// raft/README.md explains the parts.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import process from 'node:process';
import {
  foundCluster,
  NotLeaderError,
  openRaft,
  type Raft,
  type ReplicatedCommand,
  type ReplicatedStateMachine,
  UncertainError,
} from 'holt/raft';

/** The state. A command is a counter's name; its result is the counter's new value. */
class Counters implements ReplicatedStateMachine<number> {
  #values = new Map<string, number>();

  get(name: string): number {
    return this.#values.get(name) ?? 0;
  }

  apply(commands: readonly ReplicatedCommand[]): number[] {
    return commands.map(({ data }) => {
      const name = data.toString();
      const value = this.get(name) + 1;
      this.#values.set(name, value);
      return value;
    });
  }

  async writeSnapshot(directory: string): Promise<void> {
    // Everything before the first await: the next commands are applied while the file is written.
    const text = JSON.stringify([...this.#values]);
    await fs.promises.writeFile(join(directory, 'counters.json'), text);
  }

  async readSnapshot(directory: string): Promise<void> {
    const text = await fs.promises.readFile(join(directory, 'counters.json'), 'utf8');
    this.#values = new Map(JSON.parse(text));
  }
}

/** Makes the replicas' directories. Once for ever: a lost one must not be made again. */
function found(parent: string, addresses: readonly string[]): void {
  foundCluster(
    addresses.map((address, at) => {
      const [httpPort, raftPort] = address.split(':').map(Number);
      return {
        directory: join(parent, `replica-${at + 1}`),
        host: '127.0.0.1',
        port: raftPort!,
        attributes: { url: `http://127.0.0.1:${httpPort}` },
      };
    }),
  );
}

/** One replica, until it is told to stop. */
async function serve(directory: string): Promise<void> {
  const counters = new Counters();
  const say = (text: string): void => console.log(`${directory}: ${text}`);
  const raft = await openRaft({
    directory,
    machine: counters,
    events: {
      onFatal(error) {
        say(error.message);
        process.exit(1);
      },
      onWarning: say,
      onLeadershipChange({ term, leader, isServing }) {
        const who = leader?.attributes.url ?? 'nobody';
        say(`${who} leads in term ${term}${isServing ? ', and takes commands' : ''}`);
      },
    },
  });
  const url = new URL(String(raft.self.attributes.url));
  http
    .createServer((request, response) => void answer(raft, counters, request, response))
    .listen(Number(url.port), url.hostname, () => say(`serves ${url}`));
  const stop = (): void => void raft.stop().then(() => process.exit(0));
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

async function answer(
  raft: Raft<number>,
  counters: Counters,
  { method, url = '/' }: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const [, name = '', action] = url.split('/');
  const request = [method, name !== '' && 'NAME', action].filter(Boolean).join(' ');
  try {
    if (request === 'GET') {
      response.end(`${JSON.stringify(raft.status(), undefined, 2)}\n`);
    } else if (request === 'GET NAME') {
      await raft.read();
      response.end(`${counters.get(name)}\n`);
    } else if (request === 'POST NAME increment') {
      const value = await raft.replicate(Buffer.from(name));
      response.end(`${value}\n`);
    } else if (request === 'POST NAME' && name === 'snapshot') {
      const { manifest } = await raft.takeSnapshot();
      response.end(`${manifest.index}\n`);
    } else {
      response.writeHead(404).end('GET /, GET /NAME, POST /NAME/increment, POST /snapshot\n');
    }
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof NotLeaderError && error.leader !== undefined) {
      response.writeHead(307, { location: `${error.leader.attributes.url}${url}` }).end();
    } else if (error instanceof UncertainError) {
      response.writeHead(504).end(`${message}\n`);
    } else {
      // Certainly not counted: whoever asks may ask again.
      response.writeHead(503, { 'retry-after': '1' }).end(`${message}\n`);
    }
  }
}

/** Three replicas as child processes, founded if there are none yet. */
function start(parent: string): void {
  if (!fs.existsSync(parent)) found(parent, ['3001:4001', '3002:4002', '3003:4003']);
  const replicas = [1, 2, 3].map((number) =>
    spawn(process.execPath, [import.meta.filename, 'serve', join(parent, `replica-${number}`)], {
      stdio: 'inherit',
    }),
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      for (const replica of replicas) replica.kill(signal);
    });
  }
}

const [mode = 'start', directory = 'data/counter', ...addresses] = process.argv.slice(2);
if (mode === 'start') start(directory);
else if (mode === 'found') found(directory, addresses);
else if (mode === 'serve') await serve(directory);
else console.error(`Unknown mode ${mode}: start, found or serve`);
