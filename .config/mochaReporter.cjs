// mocha's spec reporter that also leaves its counts in a file: a run without that file counts as failed.
const {writeFileSync} = require('node:fs');
const {reporters} = require('mocha');

module.exports = class SpecWithVerdict extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const skipped = [];
    const failed = [];
    runner.on('pending', test => skipped.push(test.fullTitle()));
    runner.on('fail', (test, error) => failed.push(`${test.fullTitle()}: ${firstLine(error)}`));
    runner.once('end', () => {
      const file = options.reporterOption?.stats ?? options.reporterOptions?.stats;
      if (!file) return;
      const {passes, failures, pending} = this.stats;
      writeFileSync(file, JSON.stringify({passes, failures, pending, skipped, failed}));
    });
  }
};

function firstLine(error) {
  return String(error?.message ?? error).split('\n', 1)[0];
}
