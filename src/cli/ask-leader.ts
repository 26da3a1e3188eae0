// Asking a group's leader for something that may take long, wherever the leader is and goes.
//
// Any member may be asked first: one that does not lead answers MOVED. When the leader is lost in the
// middle, the next one is asked for the same thing, so it must be something that goes on where it was
// left, as changes of membership do.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, addressText, parseAddress } from '../address.js';
import { AdminClient, type AdminReply, AdminReplyError } from './resp-client.js';

/** What was asked for cannot be had. Shown as a sentence. */
export class AdminError extends Error {
  /** The first word of a server's refusal; undefined: no server answered. */
  readonly code: string | undefined;

  constructor(message: string, code?: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'AdminError';
    this.code = code;
  }
}

/** Of what a server has at hand. */
export const answerMs = 5000;
/** Elections are over by then. */
const leaderMs = 20_000;
const retryMs = 250;
const pulseMs = 2000;

/** Not refused for good: another server, or the same one a little later, may do it. */
const passingCodes = ['MOVED', 'CLUSTERDOWN', 'UNCERTAIN', 'TRYAGAIN', 'LOADING'];

/** Asks one server, which has the answer at hand. Throws `AdminError`. */
export async function ask(
  address: Address,
  password: string,
  words: readonly string[],
): Promise<AdminReply> {
  try {
    const { host, port } = address;
    const client = await AdminClient.connect(host, port, password, answerMs);
    try {
      return await client.command(...words);
    } finally {
      client.close();
    }
  } catch (error) {
    throw adminError(address, error as Error);
  }
}

/** Asks one server, however long it takes, as long as it is alive. Throws `AdminError`. */
async function askAndWait(
  address: Address,
  password: string,
  words: readonly string[],
): Promise<AdminReply> {
  try {
    const { host, port } = address;
    const client = await AdminClient.connect(host, port, password);
    // A process that hangs keeps its connections: only something that is answered at once tells.
    const pulse = setInterval(() => {
      ask(address, password, ['PING']).catch(() => client.close());
    }, pulseMs);
    try {
      return await client.command(...words);
    } finally {
      clearInterval(pulse);
      client.close();
    }
  } catch (error) {
    throw adminError(address, error as Error);
  }
}

function adminError(address: Address, error: Error): AdminError {
  if (!(error instanceof AdminReplyError)) {
    return new AdminError(
      `no answer from ${addressText(address)}: ${error.message}`,
      undefined,
      error,
    );
  }
  const { code, message } = error;
  // What the first word of other refusals says, the sentence says, too.
  const isPlain = code === 'ERR' || code === 'NOMEMBER';
  return new AdminError(isPlain ? message.slice(code.length + 1) : message, code, error);
}

/**
 * `addresses`: members' client ports, the likeliest leader first. Throws `AdminError` when the leader
 * refuses, or none is found in time; `mayBeDone` then says whether an earlier one may have done it.
 */
export async function askLeader(
  addresses: readonly Address[],
  password: string,
  words: readonly string[],
): Promise<
  { readonly reply: AdminReply } | { readonly refusal: AdminError; readonly mayBeDone: boolean }
> {
  let [address] = addresses;
  let tried = 0;
  let mayBeDone = false;
  let failingSinceMs: number | undefined;
  for (;;) {
    const begunAtMs = performance.now();
    let failure: AdminError;
    try {
      return { reply: await askAndWait(address!, password, words) };
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      failure = error;
    }
    const { code } = failure;
    if (code !== undefined && !passingCodes.includes(code)) return { refusal: failure, mayBeDone };
    if (code === undefined || code === 'UNCERTAIN') mayBeDone = true;
    const nowMs = performance.now();
    // What had been going on until now was no search.
    if (nowMs - begunAtMs > leaderMs / 2) failingSinceMs = nowMs;
    failingSinceMs ??= nowMs;
    if (nowMs - failingSinceMs > leaderMs) throw failure;
    tried += 1;
    address = movedTo(failure) ?? addresses[tried % addresses.length];
    await sleep(retryMs);
  }
}

function movedTo({ code, message }: AdminError): Address | undefined {
  return code === 'MOVED' ? parseAddress(message.split(' ').at(-1)!) : undefined;
}
