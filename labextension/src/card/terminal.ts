/**
 * What a terminal would show of a log, as plain text: progress bars overwrite their line, colours are dropped.
 */

// CSI sequences (colours, cursor), OSC sequences (titles, links), and single-character escapes
// eslint-disable-next-line no-control-regex
const ESCAPES = /\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]/g;

/** The text with each line as its last carriage return left it. */
export function plainLines(text: string): string {
  return text.replace(ESCAPES, '').split('\n').map(overwritten).join('\n');
}

function overwritten(line: string): string {
  let shown = '';
  for (const part of line.split('\r')) {
    shown = part + shown.slice(part.length);
  }
  return shown;
}
