// Histories of clients that share one store which executes each command at one moment between its call
// and its return: linearizable by construction. Some answers are lost; such a command takes effect
// late, long after its call perhaps, or never.

import { randomInteger } from '../faults/seeded-random.js';
import { KeyspaceModel } from '../sqlite-sm/keyspace-model.js';
import type { Operation } from './operation.js';

export interface SimulatedHistoryOptions {
  readonly random: () => number;
  readonly clients: number;
  /** Of all clients. */
  readonly operations: number;
  /** Share of commands whose answer is lost. */
  readonly losses: number;
  readonly nextCommand: (client: number) => readonly string[];
}

interface Call {
  readonly client: number;
  readonly invokedAt: number;
  /** Infinite: never. */
  readonly effectAt: number;
  readonly returnedAt: number | undefined;
  readonly command: readonly string[];
}

export function simulatedHistory(options: SimulatedHistoryOptions): readonly Operation[] {
  return simulatedStore(options).history;
}

/** The history in the order of effects, what never took effect last; and the store as it is then. */
export function simulatedStore(options: SimulatedHistoryOptions): {
  readonly history: readonly Operation[];
  readonly store: KeyspaceModel;
} {
  const { clients, operations } = options;
  const calls: Call[] = [];
  for (let client = 1; client <= clients; client += 1) {
    const count = Math.floor(operations / clients);
    calls.push(...callsOf(client, count, options));
  }
  calls.sort((a, b) => a.effectAt - b.effectAt);
  const store = new KeyspaceModel();
  const history = calls.map(({ effectAt, ...call }) => {
    const reply = effectAt < Number.POSITIVE_INFINITY ? store.run(call.command, 0) : undefined;
    return { ...call, reply: call.returnedAt === undefined ? undefined : plainReply(reply) };
  });
  return { history, store };
}

function callsOf(client: number, count: number, options: SimulatedHistoryOptions): readonly Call[] {
  const { random, losses, nextCommand } = options;
  const calls: Call[] = [];
  let now = 0;
  for (let at = 0; at < count; at += 1) {
    const invokedAt = now + randomInteger(random, 1, 1000);
    const command = nextCommand(client);
    if (random() < losses) {
      const effectAt =
        random() < 0.5 ? Number.POSITIVE_INFINITY : invokedAt + randomInteger(random, 1, 3000);
      calls.push({ client, invokedAt, effectAt, returnedAt: undefined, command });
      now = invokedAt;
    } else {
      const effectAt = invokedAt + randomInteger(random, 1, 500);
      const returnedAt = effectAt + randomInteger(random, 1, 500);
      calls.push({ client, invokedAt, effectAt, returnedAt, command });
      now = returnedAt;
    }
  }
  return calls;
}

/** The store marks simple strings, histories do not. */
export function plainReply(reply: unknown): unknown {
  return reply === '+OK' ? 'OK' : reply;
}

/** Registers r1 …, counters c1 …, lists l1 … and the pair {p}a and {p}b. Values are never written twice. */
export function mixedCommands(
  random: () => number,
  keysOfEachKind: number,
): (client: number) => readonly string[] {
  let serial = 0;
  return (client) => {
    serial += 1;
    const value = `${client}.${serial};`;
    const number = randomInteger(random, 1, keysOfEachKind);
    const [register, counter, list] = [`r${number}`, `c${number}`, `l${number}`];
    const commands: readonly (readonly string[])[] = [
      ['GET', register],
      ['GET', register],
      ['SET', register, value],
      ['SET', register, value],
      ['SET', register, value, 'NX'],
      ['GETSET', register, value],
      ['GETDEL', register],
      ['DEL', register],
      ['EXISTS', register],
      ['INCR', counter],
      ['INCR', counter],
      ['INCRBY', counter, '-3'],
      ['GET', counter],
      ['GET', counter],
      ['APPEND', list, value],
      ['APPEND', list, value],
      ['GET', list],
      ['GET', list],
      ['STRLEN', list],
      ['MSET', '{p}a', value, '{p}b', value],
      ['SET', '{p}a', value],
      ['MGET', '{p}a', '{p}b'],
      ['MGET', '{p}a', '{p}b'],
    ];
    return commands[randomInteger(random, 0, commands.length - 1)]!;
  };
}

/** Nothing but SET and GET. */
export function registerCommands(
  random: () => number,
  keyCount: number,
): (client: number) => readonly string[] {
  let serial = 0;
  return (client) => {
    serial += 1;
    const key = `r${randomInteger(random, 1, keyCount)}`;
    return random() < 0.5 ? ['GET', key] : ['SET', key, `${client}.${serial}`];
  };
}

/** The same with another reply at one place. */
export function withReply(
  history: readonly Operation[],
  operation: Operation,
  reply: unknown,
): readonly Operation[] {
  return history.map((each) => (each === operation ? { ...each, reply } : each));
}
