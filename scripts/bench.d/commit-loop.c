/*
 * Writes COUNT files of SIZE bytes and gives each its digest as a name, one
 * after the other; prints the seconds it took.
 *
 *   commit-loop cas|disk DIRECTORY DIGESTS SALT FIRST COUNT SIZE
 *
 * cas:  write DIRECTORY/ingest/<name>, close, rename to DIRECTORY/blobs/sha256/<hex>
 * disk: the same with fsync before close: what durability costs without a mount
 *
 * DIGESTS holds one line of 64 hexadecimal digits for each file from number 0
 * on. File number i is "SALT i\n" (decimal) followed by NUL bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HEX_LENGTH = 64, LINE_LENGTH = HEX_LENGTH + 1 };

static void fail(const char *what, const char *path) {
  fprintf(stderr, "commit-loop: %s %s: %s\n", what, path, strerror(errno));
  exit(1);
}

static const char *map_digests(const char *path, long lines) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) < 0) fail("open", path);
  if (st.st_size < lines * LINE_LENGTH) {
    fprintf(stderr, "commit-loop: %s has fewer than %ld digests\n", path, lines);
    exit(1);
  }
  const char *digests = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (digests == MAP_FAILED) fail("mmap", path);
  close(fd);
  return digests;
}

static void write_all(int fd, const char *data, size_t size, const char *path) {
  while (size > 0) {
    ssize_t written = write(fd, data, size);
    if (written < 0) fail("write", path);
    data += written;
    size -= written;
  }
}

int main(int argc, char **argv) {
  if (argc != 8) {
    fprintf(stderr, "usage: commit-loop cas|disk DIRECTORY DIGESTS SALT FIRST COUNT SIZE\n");
    return 2;
  }
  int bare = strcmp(argv[1], "disk") == 0;
  const char *directory = argv[2], *salt = argv[4];
  long first = atol(argv[5]), count = atol(argv[6]), size = atol(argv[7]);
  const char *digests = map_digests(argv[3], first + count);
  char *data = calloc(1, size);
  char from[4096], to[4096];
  if (data == NULL) fail("allocate", "");

  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (long i = first; i < first + count; i++) {
    memset(data, 0, size < 64 ? size : 64);
    snprintf(data, size, "%s %ld\n", salt, i);
    snprintf(from, sizeof from, "%s/ingest/%s-%ld", directory, salt, i);
    snprintf(to, sizeof to, "%s/blobs/sha256/%.*s", directory, HEX_LENGTH, digests + i * LINE_LENGTH);
    int fd = open(from, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) fail("create", from);
    write_all(fd, data, size, from);
    if (bare && fsync(fd) < 0) fail("fsync", from);
    if (close(fd) < 0) fail("close", from);
    if (rename(from, to) < 0) fail("rename to", to);
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%.6f\n", (end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec) / 1e9);
  return 0;
}
