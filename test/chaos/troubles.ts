// Everything that goes wrong, each as a function that does it, waits and undoes it.
//
// Several go on at the same time, so each looks at what is there when it begins, and undoes what it did even
// if another has undone it before: what has ended is started, what runs is left alone.

import fs from 'node:fs';
import { join } from 'node:path';
import { randomInteger } from '../faults/seeded-random.js';
import { pause } from '../interop/eventually.js';
import type { ChaosCluster } from './chaos-cluster.js';
import { type ChaosServer, callWithin, throwUnlessUnreachable } from './chaos-server.js';
import { clientNode } from './network.js';

export interface TroubleContext {
  readonly cluster: ChaosCluster;
  readonly random: () => number;
  /** How long it lasts. */
  readonly holdMs: number;
  readonly tell: (words: string) => void;
}

interface Trouble {
  readonly run: (context: TroubleContext) => Promise<void>;
  /** It takes wires or mounts of our own. */
  readonly needsEnclosure?: true;
}

const leaderChance = 0.5;
const pauseMsMin = 100;
const pauseMsMax = 8_000;
/** There is another leader by then, and clients have found it. */
const sleepMsMin = 3_000;
const sleepMsMax = 6_000;
const clockOffsetMsMax = 60_000;
const slowRates = [128, 512, 2_000];
const fillerBytes = 64 * 1024;
/** Several segments of the log. */
const fillerWrites = 80;
const fillerAnswerMsMax = 15_000;
const MiB = 1024 * 1024;

export const troubles = {
  kill: { run: kill },
  stop: { run: stop },
  pause: { run: pauseOne },
  split: { run: split, needsEnclosure: true },
  oneWay: { run: oneWay, needsEnclosure: true },
  wakeAlone: { run: wakeAlone, needsEnclosure: true },
  unplug: { run: unplug, needsEnclosure: true },
  slowLink: { run: slowLink, needsEnclosure: true },
  clock: { run: clock },
  fullDisk: { run: fullDisk, needsEnclosure: true },
  killAll: { run: killAll },
  stopAll: { run: stopAll },
  transfer: { run: transfer },
  replace: { run: replace },
  snapshot: { run: snapshot },
  lag: { run: lag },
} as const satisfies Record<string, Trouble>;

export type TroubleName = keyof typeof troubles;

export function troubleNames(isEnclosed: boolean): readonly TroubleName[] {
  const all: [string, Trouble][] = Object.entries(troubles);
  const possible = all.filter(([, { needsEnclosure }]) => isEnclosed || needsEnclosure !== true);
  return possible.map(([name]) => name as TroubleName);
}

// ------------------------------------------------------------------------------------ processes

async function kill(context: TroubleContext): Promise<void> {
  const server = await drawServer(context);
  if (server === undefined) return;
  context.tell(`kill -9 of server ${server.number}`);
  await server.end('SIGKILL');
  await pause(context.holdMs);
  server.launch();
}

async function stop(context: TroubleContext): Promise<void> {
  const server = await drawServer(context);
  if (server === undefined) return;
  context.tell(`server ${server.number} is stopped`);
  await server.end('SIGTERM');
  await pause(context.holdMs / 2);
  server.launch();
}

/** From a moment to several election timeouts. */
async function pauseOne(context: TroubleContext): Promise<void> {
  const server = await drawServer(context);
  if (server === undefined) return;
  const ms = randomInteger(context.random, pauseMsMin, pauseMsMax);
  context.tell(`server ${server.number} stands still for ${ms} ms`);
  server.pause();
  await pause(ms);
  server.resume();
}

async function killAll({ cluster, random, holdMs, tell }: TroubleContext): Promise<void> {
  tell('kill -9 of all servers');
  await cluster.endAll('SIGKILL');
  await pause(holdMs * random() * 0.3);
  for (const server of cluster.servers) server.launch();
}

async function stopAll({ cluster, random, holdMs, tell }: TroubleContext): Promise<void> {
  tell('all servers are stopped');
  await cluster.endAll('SIGTERM');
  await pause(holdMs * random() * 0.3);
  for (const server of cluster.servers) server.launch();
}

/** It stays wrong, until it is wrong in another way. */
async function clock(context: TroubleContext): Promise<void> {
  const server = await drawServer(context);
  if (server === undefined) return;
  const offsetMs = randomInteger(context.random, -clockOffsetMsMax, clockOffsetMsMax);
  context.tell(`the clock of server ${server.number} is wrong by ${offsetMs} ms`);
  server.setClock(offsetMs);
}

// ------------------------------------------------------------------------------------ wires

/** In two parts that do not hear of each other; clients may be in one of them, or reach both. */
async function split({ cluster, random, holdMs, tell }: TroubleContext): Promise<void> {
  const numbers = shuffled(
    cluster.servers.map(({ number }) => number),
    random,
  );
  const size = randomInteger(random, 1, numbers.length - 1);
  const [one, other] = [numbers.slice(0, size), numbers.slice(size)];
  const hasClients = random() < 0.3;
  tell(`servers ${one}${hasClients ? ' and clients' : ''} | ${other} do not reach each other`);
  if (hasClients) one.push(clientNode);
  const pairs = one.flatMap((a) => other.map((b) => [a, b] as const));
  await cut(cluster, pairs);
  await pause(holdMs);
  await mend(cluster, pairs);
}

type Pair = readonly [number, number];

async function cut({ network }: ChaosCluster, pairs: readonly Pair[]): Promise<void> {
  for (const [a, b] of pairs) {
    await network.cut(a, b);
    await network.cut(b, a);
  }
}

async function mend({ network }: ChaosCluster, pairs: readonly Pair[]): Promise<void> {
  for (const [a, b] of pairs) {
    await network.mend(a, b);
    await network.mend(b, a);
  }
}

/**
 * A leader stands still until there is another, and when it goes on, nobody tells it: clients reach it, the
 * other servers do not.
 */
async function wakeAlone({ cluster, random, holdMs, tell }: TroubleContext): Promise<void> {
  const leader = await cluster.leader();
  if (leader === undefined) return;
  const others = cluster.servers.filter((server) => server !== leader);
  const pairs = others.map(({ number }): Pair => [leader.number, number]);
  const ms = randomInteger(random, sleepMsMin, sleepMsMax);
  tell(`leader ${leader.number} stands still for ${ms} ms, and is alone when it goes on`);
  leader.pause();
  await cut(cluster, pairs);
  await pause(ms);
  leader.resume();
  await pause(holdMs);
  await mend(cluster, pairs);
}

/** What one server says reaches some of the others no more; what they say reaches it. */
async function oneWay(context: TroubleContext): Promise<void> {
  const { cluster, random, holdMs, tell } = context;
  const server = await drawServer(context);
  if (server === undefined) return;
  const others = cluster.servers.map(({ number }) => number).filter((n) => n !== server.number);
  const deaf = shuffled(others, random).slice(0, randomInteger(random, 1, others.length));
  const isMute = random() < 0.5;
  tell(`servers ${deaf} ${isMute ? 'do not hear' : 'are not heard by'} server ${server.number}`);
  const cuts = deaf.map((n): [number, number] => {
    return isMute ? [server.number, n] : [n, server.number];
  });
  for (const [from, to] of cuts) await cluster.network.cut(from, to);
  await pause(holdMs);
  for (const [from, to] of cuts) await cluster.network.mend(from, to);
}

async function unplug(context: TroubleContext): Promise<void> {
  const server = await drawServer(context);
  if (server === undefined) return;
  context.tell(`server ${server.number} is unplugged`);
  await context.cluster.network.plug(server.number, false);
  await pause(context.holdMs);
  await context.cluster.network.plug(server.number, true);
}

async function slowLink(context: TroubleContext): Promise<void> {
  const server = await drawServer(context);
  if (server === undefined) return;
  const rate = slowRates[randomInteger(context.random, 0, slowRates.length - 1)]!;
  context.tell(`the link of server ${server.number} has ${rate} kbit/s`);
  await context.cluster.network.setRate(server.number, rate);
  await pause(context.holdMs);
  await context.cluster.network.setRate(server.number, undefined);
}

// ------------------------------------------------------------------------------------ disk

/**
 * To the last byte, and its server ends; or until it refuses writes, if it leads. One that starts
 * meanwhile may end a while after there is room again.
 */
async function fullDisk({ cluster, random, holdMs, tell }: TroubleContext): Promise<void> {
  const server = cluster.smallDisk;
  if (server === undefined || server.isDiskFull) return;
  const { bavail, bsize } = fs.statfsSync(server.directory);
  const left = random() < 0.5 ? 0 : 4 * MiB;
  tell(`the disk of server ${server.number} has ${left} bytes left`);
  server.isDiskFull = true;
  const path = join(server.directory, 'something-else');
  try {
    fill(path, Math.max(0, bavail * bsize - left));
    await pause(holdMs);
  } finally {
    fs.rmSync(path, { force: true });
    await server.startedOrEnded();
    server.launch();
    server.isDiskFull = false;
  }
}

function fill(path: string, byteLength: number): void {
  const chunk = Buffer.alloc(MiB);
  const file = fs.openSync(path, 'w');
  try {
    for (let left = byteLength; left > 0; left -= MiB) {
      fs.writeSync(file, chunk, 0, Math.min(left, MiB));
    }
  } catch (error) {
    // Somebody else was faster.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    fs.closeSync(file);
  }
}

// ------------------------------------------------------------------------------------ administration

async function transfer({ cluster, tell }: TroubleContext): Promise<void> {
  tell('another server is to lead');
  await cluster.members('transfer-leader');
}

/** A new server joins, and then one of the others is removed, perhaps the leader. */
async function replace(context: TroubleContext): Promise<void> {
  const { cluster, random, tell } = context;
  const leader = await cluster.leader();
  if (leader === undefined) return;
  const newcomer = await cluster.join(leader);
  tell(`server ${newcomer.number} joins`);
  const added = await cluster.members('add', newcomer.address);
  if (added.code !== 0) return tell(`server ${newcomer.number} is not added: ${added.stderr}`);
  newcomer.isJoining = false;
  await pause(context.holdMs * random());
  const candidates = cluster.servers.filter(
    (server) => server !== newcomer && server !== cluster.smallDisk && !server.isJoining,
  );
  const victim = candidates[randomInteger(random, 0, candidates.length - 1)];
  if (victim === undefined) return;
  tell(`server ${victim.number} is removed`);
  const removed = await cluster.members('remove', String(victim.number));
  if (removed.code === 0) return cluster.forget(victim);
  tell(`server ${victim.number} is not removed: ${removed.stderr}`);
}

async function snapshot(context: TroubleContext): Promise<void> {
  const server = await drawServer(context);
  if (server === undefined) return;
  context.tell(`server ${server.number} takes a snapshot`);
  await server.call('BGSAVE');
}

/** Away for so long that the others have cut their logs: it has a snapshot sent to it. */
async function lag({ cluster, random, tell }: TroubleContext): Promise<void> {
  const leader = await cluster.leader();
  const others = cluster.servers.filter((server) => server !== leader && server.isAwake);
  const server = others[randomInteger(random, 0, others.length - 1)];
  if (leader === undefined || server === undefined || server.isJoining) return;
  tell(`server ${server.number} is away while much is written`);
  await server.end('SIGKILL');
  for (const half of [0, 1]) {
    await writeMuch(leader, half * fillerWrites);
    await leader.call('BGSAVE');
    await pause(500);
  }
  server.launch();
}

/** As long as it leads. Nobody judges it. */
async function writeMuch(leader: ChaosServer, from: number): Promise<void> {
  const connection = await leader.connect();
  if (connection === undefined) return;
  try {
    for (let at = from; at < from + fillerWrites / 2; at += 1) {
      const filler = String.fromCharCode(97 + (at % 26)).repeat(fillerBytes);
      const key = `filler-${at % 8}`;
      const answer = await callWithin(fillerAnswerMsMax, connection, 'SET', key, filler);
      // It has lost the leadership, or its disk is full.
      if (answer !== 'OK') return;
    }
  } catch (error) {
    throwUnlessUnreachable(error);
  } finally {
    connection.close();
  }
}

// ------------------------------------------------------------------------------------ drawing

/** One that runs, the leader as often as not. */
async function drawServer({ cluster, random }: TroubleContext): Promise<ChaosServer | undefined> {
  const wantsLeader = random() < leaderChance;
  const place = random();
  const leader = wantsLeader ? await cluster.leader() : undefined;
  if (leader !== undefined && !leader.isJoining) return leader;
  const running = cluster.servers.filter(({ isAwake, isJoining }) => isAwake && !isJoining);
  return running[Math.floor(place * running.length)];
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}
