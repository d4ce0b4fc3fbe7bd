/* What the disk can do: one writer, records of one sector, each durable before the next. Arguments: the file, the bytes to prepare, the ms to write. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  long bytes = atol(argv[2]);
  double ms = atof(argv[3]);
  size_t record = 512;
  char *zeros = calloc(1, 1 << 20), *data = malloc(record);
  memset(data, 'v', record);
  int file = open(argv[1], O_CREAT | O_EXCL | O_RDWR, 0600);
  if (file < 0) return 3;
  for (long at = 0; at < bytes; at += 1 << 20)
    if (pwrite(file, zeros, 1 << 20, at) != 1 << 20) return 4;
  if (fsync(file) != 0) return 5;
  close(file);
  file = open(argv[1], O_RDWR | O_DSYNC);
  double begin = now_ms(), end = begin + ms;
  long count = 0, at = 0;
  for (; now_ms() < end; count++, at += record) {
    if (at + (long)record > bytes) at = 0;
    if (pwrite(file, data, record, at) != (ssize_t)record) return 6;
  }
  printf("%.1f\n", count / (now_ms() - begin) * 1e3);
  return 0;
}
