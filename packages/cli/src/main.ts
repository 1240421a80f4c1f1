import { runCli } from './cli.ts';

const code = await runCli(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  colour: Boolean(process.stderr.isTTY) && !process.env.NO_COLOR,
  env: process.env,
});
// A server that has ended by itself may have said already how.
if (code !== 0) {
  process.exitCode = code;
}
