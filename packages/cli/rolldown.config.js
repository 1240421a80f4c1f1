// The command is bundled: loading its two hundred modules one by one takes twice as long as the whole start should
// (docs/decisions/0013-bundled-command.md).
export default {
  input: 'packages/cli/dist/main.js',
  platform: 'node',
  logLevel: 'silent',
  output: { dir: 'packages/cli/bundle', format: 'esm', cleanDir: true },
};
