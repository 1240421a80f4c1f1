// What the demo shows: a picture that is redrawn on a terminal, plain lines elsewhere.
const isTerminal = process.stdout.isTTY === true;
const WIDTH = 40;
let drawn = 0;
let lastTenth = -1;
const told = [];

/** Something that happened, to be kept on the screen. */
export function tell(text) {
  told.push(text);
  if (!isTerminal) {
    console.log(text);
  }
}

/** How things stand: the tasks done of all, and a row for each process. */
export function draw(done, all, rows) {
  if (!isTerminal) {
    const tenth = Math.floor((10 * done) / all);
    if (tenth !== lastTenth) {
      lastTenth = tenth;
      console.log(`${done} of ${all} tasks done`);
    }
    return;
  }
  const full = Math.round((WIDTH * done) / all);
  const lines = [
    '',
    `  ${'█'.repeat(full)}${'░'.repeat(WIDTH - full)}  ${done} of ${all} tasks done`,
    '',
    ...rows.map((row) => `  ${row.map((cell, i) => String(cell).padEnd([12, 14, 14, 12, 14][i])).join('')}`),
    '',
    ...told.map((text) => `  ${text}`),
  ];
  process.stdout.write(drawn === 0 ? '' : `\x1b[${drawn}A`);
  process.stdout.write(lines.map((line) => `\x1b[2K${line}\n`).join(''));
  drawn = lines.length;
}
