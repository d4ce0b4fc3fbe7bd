// Runs in the browser before the page's own script: plays the editor that is around the page, and counts what each frame draws.
const frames = [];
const topics = {};
let drawn = 0;

for (const name of ['fill', 'stroke', 'fillRect', 'fillText', 'drawImage']) {
  const original = CanvasRenderingContext2D.prototype[name];
  CanvasRenderingContext2D.prototype[name] = function (...args) {
    drawn += 1;
    return original.apply(this, args);
  };
}
const nextFrame = () => new Promise(resolve => requestAnimationFrame(resolve));
const turn = () => new Promise(resolve => setTimeout(resolve));
const count = at => {
  frames.push({at, drawn});
  drawn = 0;
  requestAnimationFrame(count);
};
requestAnimationFrame(count);

const post = message => window.postMessage(message);
window.acquireVsCodeApi = () => ({
  setState() {},
  postMessage(message) {
    if (message.kind === 'ready') {
      post({kind: 'hello', state: {page: 'graph', sessionId: 's-graph'}, host: 'editor', l10n: {}});
      post({kind: 'connection', state: 'connected'});
    } else if (message.kind === 'open') topics[message.topic.kind] = message.topicId;
  },
});

window.stage = {
  topics,

  /** Milliseconds from these messages to the first frame that shows something. */
  async firstPaint({messages, limitMs}) {
    const began = performance.now();
    for (const message of messages) post(message);
    while (!frames.some(({at, drawn: ops}) => at > began && ops > 0)) {
      if (performance.now() - began > limitMs) throw new Error('nothing was drawn');
      await nextFrame();
    }
    return performance.now() - began;
  },

  /** Times between frames, in ms, while a message is posted every so often. */
  async frameTimes({messages, everyMs}) {
    const from = frames.length;
    const began = performance.now();
    for (const [index, message] of messages.entries()) {
      const wait = began + index * everyMs - performance.now();
      if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait));
      post(message);
    }
    const times = frames.slice(from);
    return times.slice(1).map(({at}, index) => at - times[index].at);
  },

  /** Posts them as fast as they are taken. */
  async replay({messages}) {
    for (const message of messages) {
      post(message);
      await turn();
    }
    frames.length = 0;
  },
};
