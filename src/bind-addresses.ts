// Where a server listens, for clients and for its peers: `bind`, as redis.conf has it.
//
//   bind 10.0.0.1 127.0.0.1 -::1      behind `-` an address that the machine need not have

import type { Listener, Network } from '../raft/index.js';

export interface BindAddress {
  /** As `listen` wants it. */
  readonly host: string;
  /** It is passed over where the machine does not have it. */
  readonly isOptional: boolean;
}

/** As Redis names all addresses of a family. */
const wildcards: Readonly<Record<string, string>> = { '*': '0.0.0.0', '::*': '::' };

/** The addresses of the option, which are separated by blanks. Empty when there are none. */
export function parseBind(text: string): readonly BindAddress[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '' && word !== '-')
    .map((word) => {
      const isOptional = word.startsWith('-');
      const host = isOptional ? word.slice(1) : word;
      return { host: wildcards[host] ?? host, isOptional };
    });
}

/** Redis' protected mode: without a password only this machine may talk to the server. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

/** One that others than this machine may reach; undefined when there is none. */
export function exposedHost(addresses: readonly BindAddress[]): string | undefined {
  return addresses.find(({ host }) => !isLoopback(host))?.host;
}

/** What the kernel says of an address that it does not have. */
const missingCodes: readonly unknown[] = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'];

/**
 * Listens on all addresses, one after the other. Throws the first error, with nothing left that
 * listens; also when there was no address to listen on.
 */
export async function listenOnEach<Listening>(
  addresses: readonly BindAddress[],
  options: {
    readonly listen: (host: string) => Promise<Listening>;
    readonly close: (listening: Listening) => void;
    readonly onSkipped: (host: string, reason: string) => void;
  },
): Promise<readonly Listening[]> {
  const all: Listening[] = [];
  for (const { host, isOptional } of addresses) {
    try {
      all.push(await options.listen(host));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (!isOptional || !missingCodes.includes(code)) {
        for (const listening of all) options.close(listening);
        throw error;
      }
      options.onSkipped(host, message);
    }
  }
  if (all.length > 0) return all;
  throw new Error('Cannot listen: this machine has none of the addresses of bind');
}

/** The same network, but to listen is to listen on all of these addresses. */
export function networkOn(
  addresses: readonly BindAddress[],
  network: Network,
  onSkipped: (host: string, reason: string) => void,
): Network {
  return {
    connect: (address, done) => network.connect(address, done),
    listen({ port }, onConnection, done) {
      listenOnEach<Listener>(addresses, {
        listen: (host) =>
          new Promise((resolve, reject) => {
            network.listen({ host, port }, onConnection, (error, listener) => {
              if (error !== undefined) reject(error);
              else resolve(listener!);
            });
          }),
        close: (listener) => listener.close(),
        onSkipped,
      }).then(
        (listeners) => done(undefined, together(listeners)),
        (error: Error) => done(error, undefined),
      );
    },
  };
}

function together(listeners: readonly Listener[]): Listener {
  return {
    port: listeners[0]!.port,
    close() {
      for (const listener of listeners) listener.close();
    },
  };
}
