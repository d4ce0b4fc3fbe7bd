/** Kills the extension host that it runs in: whoever runs suites must count that as a failure. */
describe('a suite whose extension host dies', () => {
  it('never ends', () => {
    process.kill(process.pid, 'SIGKILL');
  });
});
