// Messages as lines of a transcript: `1→2 append term=3 prev=4/2 +2 commit=4`.
//
// A position in a log is written index/term.

import type { Message } from '../../../raft/core/index.js';

export function describeMessage(message: Message): string {
  const { from, to, kind, term } = message;
  return `${from}→${to} ${kind} term=${term}${describeBody(message)}`;
}

function describeBody(message: Message): string {
  switch (message.kind) {
    case 'preVote':
      return ` last=${message.lastIndex}/${message.lastTerm}`;
    case 'vote':
      return ` last=${message.lastIndex}/${message.lastTerm}${message.isTransfer ? ' transfer' : ''}`;
    case 'preVoteReply':
    case 'voteReply':
      return message.granted ? ' granted' : ' refused';
    case 'append':
      return ` prev=${message.prevIndex}/${message.prevTerm} +${message.entries.length} commit=${message.commit}`;
    case 'appendReply':
      return message.rejected
        ? ` rejected=${message.index} hint=${message.hintIndex}/${message.hintTerm}`
        : ` index=${message.index}`;
    case 'heartbeat':
      return ` commit=${message.commit}${message.round > 0 ? ` round=${message.round}` : ''}`;
    case 'heartbeatReply':
      return message.round > 0 ? ` round=${message.round}` : '';
    case 'timeoutNow':
      return '';
    case 'readIndex':
      return ` question=${message.sequence}${message.needsTick ? ' tick' : ''}`;
    case 'readIndexReply':
      return ` question=${message.sequence} index=${message.index}`;
  }
}
