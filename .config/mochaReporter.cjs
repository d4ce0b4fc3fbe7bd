// mocha's spec reporter that also leaves its counts in a file: a run without that file counts as failed, and so does one that does not end.
const {writeFileSync} = require('node:fs');
const {reporters} = require('mocha');

/** A process that is not over this long after its last test has something open. */
const LEFT_OPEN_MS = 30_000;

module.exports = class SpecWithVerdict extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const skipped = [];
    const failed = [];
    const files = new Set();
    runner.on('pending', test => skipped.push(test.fullTitle()));
    runner.on('fail', (test, error) => {
      failed.push(`${test.fullTitle()}: ${firstLine(error)}`);
      if (test.file) files.add(test.file);
    });
    runner.once('end', () => {
      const file = options.reporterOption?.stats ?? options.reporterOptions?.stats;
      if (!file) return;
      const {passes, failures, pending} = this.stats;
      const leave = (counted, titles) =>
        writeFileSync(
          file,
          JSON.stringify({passes, failures: counted, pending, skipped, failed: titles, files: [...files]}),
        );
      leave(failures, failed);
      const leftOpen = () => {
        const what = `the process did not end after its last test: ${process.getActiveResourcesInfo().join(', ')}`;
        console.error(`\n  ${what}`);
        leave(failures + 1, [...failed, what.slice(0, 400)]);
        process.exit(1);
      };
      setTimeout(leftOpen, LEFT_OPEN_MS).unref();
    });
  }
};

function firstLine(error) {
  return String(error?.message ?? error).split('\n', 1)[0];
}
