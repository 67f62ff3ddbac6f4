// Draws a recorded terminal as SVG: node docs/pictures/terminal.mjs docs/pictures/first-minute.txt
// A line that begins with `# ` is what was typed; everything else is what was printed, taken as it was.
import { readFileSync, writeFileSync } from 'node:fs';

const source = process.argv[2];
const lines = readFileSync(source, 'utf8').trimEnd().split('\n');
const width = 940;
const lineHeight = 19;
const top = 52;
const height = top + lines.length * lineHeight + 18;
const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function paint(line) {
  if (line.startsWith('# ')) return `<tspan fill="#7ee787">#</tspan><tspan fill="#f0f6fc" font-weight="bold">${escape(line.slice(1))}</tspan>`;
  if (line.startsWith('✔')) return `<tspan fill="#3fb950">✔</tspan>${escape(line.slice(1))}`;
  if (/Isolation: software|NOT a security boundary/.test(line)) return `<tspan fill="#d29922">${escape(line)}</tspan>`;
  return escape(line);
}

const body = lines.map((line, index) => `<text x="20" y="${top + index * lineHeight}" xml:space="preserve">${paint(line)}</text>`);
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Recorded terminal: the first minute with Berth">
<rect width="${width}" height="${height}" rx="10" fill="#0d1117"/>
<circle cx="22" cy="20" r="6" fill="#ff5f56"/><circle cx="42" cy="20" r="6" fill="#ffbd2e"/><circle cx="62" cy="20" r="6" fill="#27c93f"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13" fill="#c9d1d9">
${body.join('\n')}
</g>
</svg>
`;
writeFileSync(source.replace(/\.txt$/, '.svg'), svg);
