// Base ports for servers under test. Holt derives others from them (base + 1 for clients, base +
// 10001 for the bus), so all three must be free, and below the range that the kernel lends out to
// outgoing connections.

import { randomInt } from 'node:crypto';
import net from 'node:net';

const basePortMin = 10_000;
/** Its bus port, 10001 above, stays below 32768. */
const basePortMax = 22_700;

/** `count` base ports that were free a moment ago. */
export async function freeBasePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const base = randomInt(basePortMin, basePortMax);
    if (found.some((other) => Math.abs(other - base) < 2)) continue;
    const isFree = await Promise.all([base, base + 1, base + 10_001].map(isPortFree));
    if (isFree.every(Boolean)) found.push(base);
  }
  return found;
}

function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
