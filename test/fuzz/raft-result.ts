import { RaftError } from '../../raft/errors.js';

/** What `read` returns, or why it refuses. Whatever else it throws is thrown on. */
export function raftResultOf<Result>(read: () => Result): Result | RaftError {
  try {
    return read();
  } catch (error) {
    if (error instanceof RaftError) return error;
    throw error;
  }
}
