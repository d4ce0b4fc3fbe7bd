// Loaded into a measured process with --import and --expose-gc: answers each message with the memory in use after a collection.
process.on('message', () => {
  globalThis.gc?.();
  setTimeout(() => {
    globalThis.gc?.();
    process.send?.(process.memoryUsage());
  }, 50);
});
process.channel?.unref();
