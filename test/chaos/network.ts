// The wires between servers and clients.
//
//   client ── bridge0 ─┬─ link1 ═══ eth0, namespace of server 1, 10.77.0.1
//    (node 0, .254)    ├─ link2 ═══ eth0, namespace of server 2, 10.77.0.2
//                      └─ …
//
// A server cannot reach another when it has a wrong hardware address for it: what it sends goes nowhere,
// and nobody is told, as when a switch loses it. That works in one direction and needs nothing but `ip`.
// A slow link is a token bucket on both of its ends; what does not fit into it is lost.

import assert from 'node:assert/strict';
import { freeBasePorts } from '../interop/free-ports.js';
import { runProgram } from '../interop/run-program.js';

/** The clients, among the numbers of servers. */
export const clientNode = 0;

export interface Place {
  readonly host: string;
  readonly basePort: number;
  /** What the command of the server begins with. */
  readonly prefix: readonly string[];
}

export interface Network {
  /** False: links can be neither cut nor slowed down. */
  readonly isOurs: boolean;
  /** Before it is started for the first time. */
  add(server: number): Promise<Place>;
  /** When it has ended for ever. */
  remove(server: number): Promise<void>;
  /** What `source` sends is lost on its way to `target`. */
  cut(source: number, target: number): Promise<void>;
  mend(source: number, target: number): Promise<void>;
  plug(server: number, isIn: boolean): Promise<void>;
  /** Undefined: as fast as it can be. */
  setRate(server: number, kbitPerSecond: number | undefined): Promise<void>;
  /** Everything as it was at first. */
  heal(): Promise<void>;
}

/** Longer than this a packet does not wait for a slow link. */
const queueMsMax = 300;
const nobody = '02:00:00:00:00:fe';

export class NamespaceNetwork implements Network {
  readonly isOurs = true;
  readonly #servers = new Set<number>();
  readonly #cuts = new Map<string, readonly [number, number]>();
  /** Unplugged, or slowed down. */
  readonly #hurt = new Set<number>();

  static async create(): Promise<NamespaceNetwork> {
    // Names of namespaces are kept there, and are those of this run alone.
    await run('mount', '-t', 'tmpfs', 'tmpfs', '/run');
    await run('mkdir', '/run/netns');
    await run('ip', 'link', 'set', 'lo', 'up');
    await run('ip', 'link', 'add', 'bridge0', 'type', 'bridge');
    await run('ip', 'addr', 'add', `${hostOf(clientNode)}/24`, 'dev', 'bridge0');
    await run('ip', 'link', 'set', 'bridge0', 'up');
    return new NamespaceNetwork();
  }

  async add(server: number): Promise<Place> {
    const [namespace, link] = [namespaceOf(server), linkOf(server)];
    await run('ip', 'netns', 'add', namespace);
    const peer = ['peer', 'name', 'eth0', 'netns', namespace];
    await run('ip', 'link', 'add', link, 'type', 'veth', ...peer);
    await run('ip', 'link', 'set', link, 'master', 'bridge0', 'up');
    await run('ip', '-n', namespace, 'addr', 'add', `${hostOf(server)}/24`, 'dev', 'eth0');
    await run('ip', '-n', namespace, 'link', 'set', 'eth0', 'up');
    await run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
    this.#servers.add(server);
    const prefix = ['nsenter', `--net=/run/netns/${namespace}`];
    return { host: hostOf(server), basePort: 7000, prefix };
  }

  async remove(server: number): Promise<void> {
    this.#servers.delete(server);
    await run('ip', 'link', 'del', linkOf(server));
    await run('ip', 'netns', 'del', namespaceOf(server));
  }

  async cut(source: number, target: number): Promise<void> {
    if (!this.#isThere(source)) return;
    this.#cuts.set(`${source} ${target}`, [source, target]);
    const wrong = ['lladdr', nobody, 'nud', 'permanent'];
    await run(...neighbour(source, 'replace', target), ...wrong);
  }

  async mend(source: number, target: number): Promise<void> {
    if (!this.#cuts.delete(`${source} ${target}`) || !this.#isThere(source)) return;
    await runProgram('ip', neighbour(source, 'del', target).slice(1));
  }

  async plug(server: number, isIn: boolean): Promise<void> {
    if (!this.#servers.has(server)) return;
    this.#hurt.add(server);
    await run('ip', 'link', 'set', linkOf(server), isIn ? 'up' : 'down');
  }

  async setRate(server: number, kbitPerSecond: number | undefined): Promise<void> {
    if (!this.#servers.has(server)) return;
    this.#hurt.add(server);
    const ends = [
      ['-n', namespaceOf(server), 'qdisc', 'replace', 'dev', 'eth0'],
      ['qdisc', 'replace', 'dev', linkOf(server)],
    ];
    for (const end of ends) {
      if (kbitPerSecond === undefined) {
        const args = end.map((word) => (word === 'replace' ? 'del' : word));
        await runProgram('tc', [...args, 'root']);
        continue;
      }
      const bucket = [
        'rate',
        `${kbitPerSecond}kbit`,
        'burst',
        '16kb',
        'latency',
        `${queueMsMax}ms`,
      ];
      await run('tc', ...end, 'root', 'tbf', ...bucket);
    }
  }

  async heal(): Promise<void> {
    for (const [source, target] of [...this.#cuts.values()]) await this.mend(source, target);
    for (const server of this.#hurt) {
      await this.plug(server, true);
      await this.setRate(server, undefined);
    }
    this.#hurt.clear();
  }

  #isThere(node: number): boolean {
    return node === clientNode || this.#servers.has(node);
  }
}

/** Ports of this machine, where nothing can be done to the wires. */
export class LoopbackNetwork implements Network {
  readonly isOurs = false;

  async add(): Promise<Place> {
    const [basePort] = await freeBasePorts(1);
    return { host: '127.0.0.1', basePort: basePort!, prefix: [] };
  }

  async remove(): Promise<void> {}
  async heal(): Promise<void> {}

  async cut(): Promise<void> {
    assert.fail('Links of this machine cannot be cut');
  }

  async mend(): Promise<void> {}

  async plug(): Promise<void> {
    assert.fail('Nothing can be unplugged from this machine');
  }

  async setRate(): Promise<void> {
    assert.fail('Links of this machine cannot be slowed down');
  }
}

function hostOf(node: number): string {
  return `10.77.0.${node === clientNode ? 254 : node}`;
}

function namespaceOf(server: number): string {
  return `server${server}`;
}

function linkOf(server: number): string {
  return `link${server}`;
}

function neighbour(source: number, action: string, target: number): [string, ...string[]] {
  const where = source === clientNode ? [] : ['-n', namespaceOf(source)];
  const device = source === clientNode ? 'bridge0' : 'eth0';
  return ['ip', ...where, 'neigh', action, hostOf(target), 'dev', device];
}

async function run(program: string, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await runProgram(program, args);
  assert.equal(code, 0, `${program} ${args.join(' ')}: ${stderr}`);
}
