// What the examples do where no server runs: a message with what to do, at once, in place of a stack trace.
import { connect } from '@treekeeper/client';

/** Connects; ends the process where nothing listens at `server`. */
export async function connectOrExplain(server) {
  try {
    return await connect(server, { failFast: true });
  } catch (error) {
    console.error(`${error.message}\nStart a server first: npm start`);
    process.exit(1);
  }
}
