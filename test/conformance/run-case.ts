// Runs a case against one server, and says in which step it first answers otherwise.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { pause } from '../interop/eventually.js';
import { type Answer, ErrorAnswer, type RespConnection } from '../interop/resp-connection.js';
import {
  type Command,
  type ConformanceCase,
  ErrorText,
  type ExpectedReply,
  Matching,
  OtherClient,
  Simple,
  splitCommand,
  Wait,
} from './conformance-case.js';

/** Opens a connection to the server under test. */
export type Connect = () => Promise<RespConnection>;

/** Leaves nothing behind: connections are closed, and the next case begins by FLUSHALL. */
export async function runCase(connect: Connect, { steps }: ConformanceCase): Promise<void> {
  const connections: RespConnection[] = [];
  const open = async (): Promise<RespConnection> => {
    const connection = await connect();
    connections.push(connection);
    return connection;
  };
  try {
    const client = await open();
    assert.equal(await client.call('FLUSHALL'), 'OK');
    let otherClient: RespConnection | undefined;
    for (const step of steps) {
      if (step instanceof Wait) {
        await pause(step.milliseconds);
        continue;
      }
      const [command, expected] = step;
      if (command instanceof OtherClient) otherClient ??= await open();
      const connection = command instanceof OtherClient ? otherClient! : client;
      const args = argumentsOf(command);
      const answer = await connection.callBytes(...args.map((arg) => Buffer.from(arg, 'latin1')));
      if (!answers(answer, expected)) assert.fail(difference(args, answer, expected));
    }
  } finally {
    for (const connection of connections) connection.close();
  }
}

function argumentsOf(command: Command): readonly string[] {
  if (command instanceof OtherClient) return argumentsOf(command.command);
  return typeof command === 'string' ? splitCommand(command) : command;
}

function answers(answer: Answer, expected: ExpectedReply): boolean {
  if (expected instanceof Matching) return expected.matches(readable(answer));
  if (expected instanceof Simple) return answer === expected.text;
  if (expected instanceof ErrorText) {
    return answer instanceof ErrorAnswer && answer.text === expected.text;
  }
  if (typeof expected === 'string') {
    return Buffer.isBuffer(answer) && answer.toString('latin1') === expected;
  }
  if (Array.isArray(expected)) {
    return (
      Array.isArray(answer) &&
      answer.length === expected.length &&
      expected.every((each, at) => answers(answer[at]!, each))
    );
  }
  return answer === expected;
}

/** Bulk strings as text, byte by byte; errors with their minus. */
function readable(answer: Answer): unknown {
  if (Buffer.isBuffer(answer)) return answer.toString('latin1');
  if (answer instanceof ErrorAnswer) return `-${answer.text}`;
  return Array.isArray(answer) ? answer.map(readable) : answer;
}

function difference(args: readonly string[], answer: Answer, expected: ExpectedReply): string {
  const command = args.map((arg) => JSON.stringify(arg)).join(' ');
  return `${command}\n  expected ${describe(expected)}\n  received ${describe(asExpected(answer))}`;
}

function asExpected(answer: Answer): ExpectedReply {
  if (Buffer.isBuffer(answer)) return answer.toString('latin1');
  if (answer instanceof ErrorAnswer) return new ErrorText(answer.text);
  if (typeof answer === 'string') return new Simple(answer);
  return Array.isArray(answer) ? answer.map(asExpected) : (answer as number | bigint | null);
}

function describe(reply: ExpectedReply): string {
  if (reply instanceof Matching) return reply.description;
  if (reply instanceof Simple) return `+${reply.text}`;
  if (reply instanceof ErrorText) return `-${reply.text}`;
  if (Array.isArray(reply)) return `[${reply.map(describe).join(', ')}]`;
  return typeof reply === 'bigint' ? String(reply) : JSON.stringify(reply);
}
