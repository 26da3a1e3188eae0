// The public face of `holt/resp`: the Redis protocol as values. Nothing here knows a socket.
//
// In: `RequestParser` turns a connection's bytes into commands, behind limits.
// Out: commands answer with a `Reply`, and `ReplyBuffer` turns replies into bytes for RESP2 or RESP3.

export { doubleText } from './double-text.js';
export { splitInlineCommand } from './inline-command.js';
export * from './reply.js';
export { encodeReply, type ProtocolVersion, ReplyBuffer } from './reply-encoder.js';
export { RequestParser } from './request-parser.js';
export { defaultRequestLimits, type RequestLimits } from './request-scanner.js';
