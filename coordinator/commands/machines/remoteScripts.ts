/** What the other machine's Node is told to do before our program is there: short scripts, whose input comes on stdin. Pure. */

/** The folder where the user's things are, as `userDirectories` finds it there. `home` is '' unless a person named one. */
const COMMON = `
const fs = require('fs'), path = require('path'), os = require('os'), crypto = require('crypto');
const homeOf = named => named || process.env.MCPX_HOME || (process.platform === 'darwin'
  ? path.join(os.homedir(), 'Library/Application Support/mcpx')
  : path.join(process.env.XDG_DATA_HOME || path.join(os.homedir(), '.local/share'), 'mcpx'));
const sha = content => crypto.createHash('sha256').update(content).digest('hex');
const answer = value => process.stdout.write(JSON.stringify(value) + '\\n');
const input = fs.readFileSync(0);
`;

/** In: {home, digest, files: [{path, sha256}]}. Out: what the machine is, whether the program is there unharmed, and which others are. */
export const PROBE_SCRIPT = `${COMMON}
const {home: named, digest, files} = JSON.parse(input);
const home = homeOf(named), programs = path.join(home, 'programs'), folder = path.join(programs, digest);
const whole = file => { try { return sha(fs.readFileSync(path.join(folder, file.path))) === file.sha256; } catch { return false; } };
let names = [];
try { names = fs.readdirSync(programs); } catch {}
const versionOf = name => { try { return fs.readFileSync(path.join(programs, name, 'version'), 'utf8'); } catch { return undefined; } };
answer({
  node: process.versions.node, platform: process.platform, arch: process.arch, home, folder,
  present: files.every(whole),
  others: names.filter(name => name !== digest && versionOf(name)).map(name => ({version: versionOf(name), folder: path.join(programs, name)})),
});
`;

/** In: a line of JSON {home, digest, version, files: [{path, sha256, bytes}]}, then the bytes of all files. Out: {folder} once it is there whole. */
export const RECEIVE_SCRIPT = `${COMMON}
const end = input.indexOf(10);
const {home: named, digest, version, files} = JSON.parse(input.subarray(0, end));
const programs = path.join(homeOf(named), 'programs'), folder = path.join(programs, digest);
const draft = path.join(programs, '.draft-' + process.pid + '-' + Date.now());
let from = end + 1;
for (const file of files) {
  const content = input.subarray(from, from += file.bytes), target = path.join(draft, file.path);
  if (content.length !== file.bytes || sha(content) !== file.sha256) throw new Error(file.path + ' arrived damaged');
  fs.mkdirSync(path.dirname(target), {recursive: true, mode: 0o700});
  fs.writeFileSync(target, content, {mode: 0o600, flush: true});
  if (sha(fs.readFileSync(target)) !== file.sha256) throw new Error(target + ' was not written as it came');
}
fs.writeFileSync(path.join(draft, 'version'), version);
fs.rmSync(folder, {recursive: true, force: true});
fs.renameSync(draft, folder);
answer({folder});
`;
