// The command is bundled: loading its two hundred modules one by one takes twice as long as the whole start should
// (docs/decisions/0013-bundled-command.md). Names stay, for stack traces; comments and blanks go.
export default {
  input: 'packages/cli/dist/main.js',
  platform: 'node',
  logLevel: 'silent',
  output: {
    dir: 'packages/cli/bundle',
    format: 'esm',
    cleanDir: true,
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  },
};
