// What COMMAND DOCS tells of the arguments of a command.

import { mapReply, type Reply, setReply, simpleString } from '../../../../resp/index.js';
import type { Argument } from './argument.js';
import { dataArguments } from './data-arguments.js';
import { serverArguments } from './server-arguments.js';

/** By the lower-case name of a command, or `container|subcommand`. Empty when there are none. */
export function argumentsOf(name: string): readonly Argument[] {
  return dataArguments[name] ?? serverArguments[name] ?? [];
}

/** With the fields of Redis, in its order; those that do not apply are left out. */
export function argumentReply(argument: Argument): Reply {
  const { name, type, keySpecIndex, token, since, deprecatedSince, flags } = argument;
  const parts = argument.arguments;
  const fields: [string, Reply][] = [
    ['name', name],
    ['type', type],
  ];
  if (parts === undefined) fields.push(['display_text', argument.displayText ?? name]);
  if (keySpecIndex !== undefined) fields.push(['key_spec_index', keySpecIndex]);
  if (token !== undefined) fields.push(['token', token]);
  if (since !== undefined) fields.push(['since', since]);
  if (deprecatedSince !== undefined) fields.push(['deprecated_since', deprecatedSince]);
  if (flags !== undefined) fields.push(['flags', setReply(flags.map(simpleString))]);
  if (parts !== undefined) fields.push(['arguments', parts.map(argumentReply)]);
  return mapReply(fields);
}
