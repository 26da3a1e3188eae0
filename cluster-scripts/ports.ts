// Whether ports are free, before servers are started that would die of one in use.

import net from 'node:net';
import type { LocalServer } from './local-cluster.js';
import { portHolder } from './process-table.js';
import { Trouble } from './trouble.js';

/** Throws `Trouble` that names each port in use and, where it can be known, by whom. */
export async function assertPortsFree(servers: readonly LocalServer[]): Promise<void> {
  const complaints: string[] = [];
  for (const { number, host, clientPort, busPort } of servers) {
    for (const [port, purpose] of [
      [clientPort, 'clients'],
      [busPort, 'bus'],
    ] as const) {
      if (await isFree(host, port)) continue;
      const by = portHolder(port) ?? 'another program';
      complaints.push(`port ${port} (${purpose} of server ${number}) is in use by ${by}`);
    }
  }
  if (complaints.length === 0) return;
  throw new Trouble(
    `${complaints.join('\n')}\nstop that program, or make a cluster on other ports: ` +
      '--dir NEW-DIRECTORY --port NUMBER',
  );
}

/** Tells only of ports in use: what else keeps a server from listening, it says itself. */
function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
