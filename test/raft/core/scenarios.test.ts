// Plays the scripts of test/raft/scenarios/ and compares what happens with what is written there.
//
// A script is a story in moves, and after each `----` the transcript of what the moves above it
// caused: messages as they arrive, roles, commits, confirmed reads. A whole transcript also catches
// what nobody would have asserted, such as one message too many.
//
//     # A follower that missed entries is probed back.
//     nodes 3
//     elect 1
//     ----
//     > 1 is leader in term 1
//
//     isolate 3
//     propose 1 2
//     settle
//     ----
//     …
//
// After a change of the core, `HOLT_REWRITE=1` writes the transcripts anew. The diff is
// then the proof of what the change does; commit it only when every line of it is understood.
//
// Moves; replicas are 1, 2, 3 …, A>B is the link from A to B:
//
//     nodes N [learners=N] [spares=N] [window=N] [entries=N] [margin=N] [lease=1]
//                          begins; spares are no members; `entries` and `window` bound messages,
//                          `margin` what a learner may lack when it is promoted
//     tick ID|all [N]      time passes            campaign ID    … until its election timeout
//     elect ID [unheard]   untold; `unheard`: no message of the new leader arrives
//     settle               delivers until nothing is on its way
//     propose ID [N]       N entries in one turn each
//     read ID              transfer ID [TO]       status         who is what
//     ask ID [tick]        a read on a follower, which asks the leader
//     add|promote|remove ID SERVER                asks ID to change the configuration
//     isolate ID           cut A>B                heal
//     deliver A>B [N]      drop all|A>B [N]       duplicate A>B  delay A>B (overtaken by all)
//     disk ID manual|auto  persist ID vote|log    link-lost A>B  compact ID INDEX
//     crash ID             restart ID             forget ID LAST (the disk lies: only while down)
//     snapshot A>B INDEX   a snapshot of A's is offered to B and, when it is taken, installed there
//     late-snapshot A>B INDEX   the same, offered long ago
//     snapshot-ended A>B installed|failed         A hears of it

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReplicaId } from '../../../raft/core/index.js';
import { type Change, CoreCluster } from './core-cluster.js';

const directory = join(import.meta.dirname, '../../../../test/raft/scenarios');
const isRewriting = process.env.HOLT_REWRITE === '1';

interface Block {
  /** Moves, comments and blank lines, as written. */
  readonly lines: readonly string[];
  readonly transcript: readonly string[];
}

class Script {
  #cluster: CoreCluster | undefined;
  #transcript: string[] = [];
  #isMuted = false;

  play(lines: readonly string[]): string[] {
    this.#transcript = [];
    for (const line of lines) {
      const [move, ...args] = line.trim().split(/\s+/);
      if (move !== undefined && move !== '' && !move.startsWith('#')) this.#move(move, args);
    }
    return this.#transcript;
  }

  #move(move: string, args: readonly string[]): void {
    if (move === 'nodes') return this.#begin(args);
    const cluster = this.#cluster;
    assert(cluster !== undefined, 'a script begins with `nodes`');
    const [first = '', second = ''] = args;
    const count = second === '' ? 1 : Number(second);
    switch (move) {
      case 'tick':
        return first === 'all' ? cluster.tickAll(count) : cluster.tick(first, count);
      case 'campaign':
        return cluster.campaign(first);
      case 'elect':
        return this.#elect(cluster, first, second === 'unheard');
      case 'settle':
        return cluster.settle();
      case 'propose':
        return repeat(count, () => this.#propose(cluster, first));
      case 'read':
        return this.#read(cluster, first);
      case 'ask':
        return this.#ask(cluster, first, second === 'tick');
      case 'transfer':
        return this.#transfer(cluster, first, second === '' ? undefined : second);
      case 'add':
      case 'promote':
      case 'remove':
        return this.#change(cluster, first, move, second);
      case 'status':
        return this.#tell(...cluster.describe().split('\n'));
      case 'isolate':
        return cluster.isolate(first);
      case 'cut':
        return cluster.cut(...link(first));
      case 'heal':
        return cluster.heal();
      case 'deliver':
        return repeat(count, () => cluster.deliverFrom(...link(first)));
      case 'drop':
        return this.#drop(cluster, first, count);
      case 'duplicate':
        return cluster.duplicateFrom(...link(first));
      case 'delay':
        return cluster.delayFrom(...link(first));
      case 'link-lost':
        return cluster.linkLost(...link(first));
      case 'disk':
        assert(second === 'manual' || second === 'auto', 'a disk is manual or auto');
        return cluster.setDisk(first, second);
      case 'persist':
        assert(second === 'vote' || second === 'log', 'a vote or the log is persisted');
        return second === 'vote' ? cluster.persistVote(first) : cluster.persistLog(first);
      case 'snapshot':
        return this.#snapshot(cluster, ...link(first), count);
      case 'late-snapshot':
        return this.#install(cluster, link(first)[1], count);
      case 'snapshot-ended':
        assert(second === 'installed' || second === 'failed', 'a snapshot is installed or failed');
        return cluster.snapshotEnded(...link(first), second === 'installed');
      case 'compact':
        return cluster.compact(first, Number(second));
      case 'crash':
        return cluster.crash(first);
      case 'restart':
        return cluster.restart(first);
      case 'forget':
        return cluster.forget(first, Number(second));
      default:
        assert.fail(`unknown move ${move}`);
    }
  }

  #begin([count = '', ...settings]: readonly string[]): void {
    const {
      learners = 0,
      spares = 0,
      window = 2,
      entries = 8,
      lease = 0,
      margin = 1,
    } = Object.fromEntries(
      settings.map((setting) => setting.split('=')).map(([name, value]) => [name, Number(value)]),
    );
    const voters = Number(count);
    const ids = Array.from({ length: voters + learners + spares }, (_, at) => String(at + 1));
    this.#cluster = new CoreCluster({
      voters: ids.slice(0, voters),
      learners: ids.slice(voters, voters + learners),
      spares: ids.slice(voters + learners),
      inFlightMax: window,
      appendEntriesMax: entries,
      usesLease: lease === 1,
      catchupMargin: margin,
      trace: (line) => this.#tell(line),
    });
    this.#transcript = [];
  }

  #elect(cluster: CoreCluster, id: ReplicaId, isUnheard: boolean): void {
    this.#isMuted = true;
    cluster.elect(id);
    if (isUnheard) cluster.network.length = 0;
    else cluster.settle();
    this.#isMuted = false;
    this.#tell(`> ${id} is leader in term ${cluster.core(id).term}`);
  }

  #drop(cluster: CoreCluster, what: string, count: number): void {
    if (what !== 'all') return repeat(count, () => cluster.dropFrom(...link(what)));
    while (cluster.network.length > 0) cluster.drop(0);
  }

  #propose(cluster: CoreCluster, id: ReplicaId): void {
    const at = this.#transcript.length;
    const index = cluster.propose(id);
    // Said before what the proposal caused.
    const outcome = index === undefined ? 'takes no proposal' : `appends ${index}`;
    this.#transcript.splice(at, 0, `> ${id} ${outcome}`);
  }

  #read(cluster: CoreCluster, id: ReplicaId): void {
    const at = this.#transcript.length;
    const round = cluster.read(id);
    const outcome = round === undefined ? 'takes no read' : `reads in round ${round}`;
    this.#transcript.splice(at, 0, `> ${id} ${outcome}`);
  }

  #ask(cluster: CoreCluster, id: ReplicaId, needsTick: boolean): void {
    const at = this.#transcript.length;
    const question = cluster.ask(id, needsTick);
    const outcome = question === undefined ? 'asks nobody' : `reads by question ${question}`;
    this.#transcript.splice(at, 0, `> ${id} ${outcome}`);
  }

  #snapshot(cluster: CoreCluster, from: ReplicaId, to: ReplicaId, index: number): void {
    if (cluster.isSnapshotTaken(from, to, index)) this.#install(cluster, to, index);
    else this.#tell(`> ${to} takes no snapshot of ${index} from ${from}`);
  }

  #install(cluster: CoreCluster, to: ReplicaId, index: number): void {
    if (!cluster.install(to, index)) this.#tell(`> ${to} does not install ${index}`);
  }

  #transfer(cluster: CoreCluster, id: ReplicaId, target: ReplicaId | undefined): void {
    const isAccepted = cluster.transfer(id, target);
    this.#tell(`> ${id} ${isAccepted ? 'hands over' : 'has nobody to hand over to'}`);
  }

  #change(cluster: CoreCluster, id: ReplicaId, change: Change, server: ReplicaId): void {
    const at = this.#transcript.length;
    const index = cluster.change(id, change, server);
    const verbs = { add: 'adds', promote: 'promotes', remove: 'removes' };
    const outcome =
      typeof index === 'number'
        ? `${verbs[change]} ${server} in entry ${index}`
        : `does not ${change} ${server}: ${index}`;
    this.#transcript.splice(at, 0, `> ${id} ${outcome}`);
  }

  #tell(...lines: readonly string[]): void {
    if (!this.#isMuted) this.#transcript.push(...lines);
  }
}

function link(text: string): [ReplicaId, ReplicaId] {
  const [from, to] = text.split('>');
  assert(from !== undefined && to !== undefined, `${text} is not a link A>B`);
  return [from, to];
}

function repeat(count: number, act: () => void): void {
  for (let done = 0; done < count; done += 1) act();
}

/** A block is moves, `----`, and the transcript up to the next blank line. */
function parse(text: string): Block[] {
  const blocks: Block[] = [];
  let lines: string[] = [];
  let transcript: string[] | undefined;
  for (const line of text.replace(/\n$/, '').split('\n')) {
    if (transcript === undefined) {
      if (line === '----') transcript = [];
      else lines.push(line);
    } else if (line === '') {
      blocks.push({ lines, transcript });
      lines = [];
      transcript = undefined;
    } else {
      transcript.push(line);
    }
  }
  assert(transcript !== undefined || lines.length === 0, 'the last moves have no transcript');
  if (transcript !== undefined) blocks.push({ lines, transcript });
  return blocks;
}

function format(blocks: readonly Block[]): string {
  const texts = blocks.map(({ lines, transcript }) => [...lines, '----', ...transcript].join('\n'));
  return `${texts.join('\n\n')}\n`;
}

function play(text: string): string {
  const script = new Script();
  return format(
    parse(text).map(({ lines }) => {
      const transcript = script.play(lines);
      return { lines, transcript: transcript.length === 0 ? ['> nothing'] : transcript };
    }),
  );
}

describe('RaftCore in scenarios', () => {
  const files = readdirSync(directory).filter((name) => name.endsWith('.txt'));

  for (const file of files.sort()) {
    const path = join(directory, file);
    const written = readFileSync(path, 'utf8');
    const sentence = written.split('\n')[0]!.replace(/^# /, '').replace(/\.$/, '');

    it(`${file}: ${sentence}`, () => {
      const played = play(written);
      if (isRewriting) writeFileSync(path, played);
      else assert.equal(played, written);
    });
  }
});
