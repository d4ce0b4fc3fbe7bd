// Draws what a terminal showed as an SVG: ANSI text on stdin (such as `tmux capture-pane -e -p`), the picture on stdout.
//   node .config/terminalPicture.mjs --columns 96 --title 'What it shows' < screen.ansi > picture.svg
const COLORS = ['#1d1f21', '#cc6666', '#8abf5e', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', '#c5c8c6'];
const BRIGHT = ['#7a7f85', '#e06c75', '#98c379', '#f0d58a', '#7cc0ff', '#d9a0ec', '#7fd6de', '#ffffff'];
const [FOREGROUND, BACKGROUND] = ['#d4d7d6', '#16191d'];
const [CELL, LINE, FONT, PADDING] = [8.4, 19, 14, 18];

const ESCAPE = String.fromCharCode(27);
const STYLE = new RegExp(`(${ESCAPE}\\[[0-9;]*m)`, 'u');
const STYLE_CODES = new RegExp(`^${ESCAPE}\\[([0-9;]*)m$`, 'u');

const option = name =>
  process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined;
const columns = Number(option('--columns') ?? 96);
const title = option('--title') ?? 'A terminal';
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const lines = Buffer.concat(chunks).toString('utf8').replace(/\s+$/u, '').split('\n');
const xmlText = text => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

let style = {};
const drawn = lines.map((line, row) => {
  let column = 0;
  const spans = line.split(STYLE).map(part => {
    const codes = STYLE_CODES.exec(part);
    if (codes) {
      apply(codes[1] === '' ? [0] : codes[1].split(';').map(Number));
      return '';
    }
    if (part === '') return '';
    const x = PADDING + column * CELL;
    column += [...part].length;
    const weight = style.bold ? ' font-weight="bold"' : '';
    const dim = style.dim ? ' opacity="0.6"' : '';
    return `<tspan x="${x.toFixed(1)}" fill="${style.color ?? FOREGROUND}"${weight}${dim}>${xmlText(part)}</tspan>`;
  });
  return `<text y="${PADDING + (row + 1) * LINE + 24}" xml:space="preserve">${spans.join('')}</text>`;
});
const [width, height] = [PADDING * 2 + columns * CELL, PADDING * 2 + lines.length * LINE + 30];
console.log(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width.toFixed(0)} ${height}" width="${width.toFixed(0)}" height="${height}" role="img">
<title>${xmlText(title)}</title>
<rect width="100%" height="100%" rx="10" fill="${BACKGROUND}"/>
${['#ff5f56', '#ffbd2e', '#27c93f'].map((color, index) => `<circle cx="${22 + index * 20}" cy="20" r="6" fill="${color}"/>`).join('')}
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${FONT}">
${drawn.join('\n')}
</g>
</svg>`);

function apply(codes) {
  for (const code of codes) {
    if (code === 0) style = {};
    else if (code === 1) style = {...style, bold: true};
    else if (code === 2) style = {...style, dim: true};
    else if (code === 22) style = {...style, bold: false, dim: false};
    else if (code === 39) style = {...style, color: undefined};
    else if (code >= 30 && code <= 37) style = {...style, color: COLORS[code - 30]};
    else if (code >= 90 && code <= 97) style = {...style, color: BRIGHT[code - 90]};
  }
}
