/*
 * Ingests and commits many files from many processes:
 *
 *   ingest-many PROCESSES MOUNTPOINT < LIST
 *
 * LIST has lines `SOURCE HEX`, HEX the sha256 of the file SOURCE, and is ordered by nothing. Each process takes the
 * next line, writes SOURCE to `ingest/many-NUMBER` and renames it to its digest. Every tenth ingest is removed when half
 * of it is written: from then on the writer is to get EBADF, and writes the file again. Prints `DONE committed, DONE
 * removed`, and a line for each call that ended otherwise.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECE = 8192, LINES = 20000 };

static struct shared {
  int next, committed, removed;
} *shared;
static char *sources[LINES], *digests[LINES];

static int complain(int number, const char *call, const char *outcome)
{
  printf("%d: %s: %s\n", number, call, outcome);
  fflush(stdout);
  return -1;
}

static int failed(int number, const char *call) { return complain(number, call, strerrorname_np(errno)); }

/** Writes it; with `removing` half of it, and then unlinks it. */
static int ingest(int number, const char *ref, const char *data, size_t size, int removing)
{
  int fd = open(ref, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (fd < 0) return failed(number, "open");
  if (removing) size /= 2;
  for (size_t at = 0; at < size; at += PIECE) {
    size_t left = size - at;
    ssize_t written = write(fd, data + at, left < PIECE ? left : PIECE);
    if (written < 0) return failed(number, "write");
    if ((size_t)written != (left < PIECE ? left : PIECE)) return complain(number, "write", "short");
  }
  if (removing) {
    if (unlink(ref) < 0) return failed(number, "unlink");
    if (write(fd, data, 1) >= 0) return complain(number, "write after unlink", "OK");
    if (errno != EBADF) return failed(number, "write after unlink");
  }
  if (close(fd) < 0) return failed(number, "close");
  return 0;
}

static void commit(int number)
{
  char ref[64], blob[96];
  snprintf(ref, sizeof ref, "ingest/many-%d", number);
  snprintf(blob, sizeof blob, "blobs/sha256/%s", digests[number]);
  struct stat stat;
  int source = open(sources[number], O_RDONLY);
  if (source < 0 || fstat(source, &stat) < 0) exit(1);
  size_t size = (size_t)stat.st_size;
  char *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, source, 0);
  close(source);
  if (data == MAP_FAILED) exit(1);
  int removing = number % 10 == 9;
  if (removing && ingest(number, ref, data, size, 1) == 0) __atomic_add_fetch(&shared->removed, 1, __ATOMIC_SEQ_CST);
  if (ingest(number, ref, data, size, 0) == 0) {
    if (rename(ref, blob) < 0) failed(number, "rename");
    else __atomic_add_fetch(&shared->committed, 1, __ATOMIC_SEQ_CST);
  }
  munmap(data, size);
}

int main(int argc, char *argv[])
{
  char source[4096], digest[128];
  int lines = 0;
  if (argc != 3) return 2;
  while (lines < LINES && scanf("%4095s %127s", source, digest) == 2) {
    sources[lines] = strdup(source);
    digests[lines++] = strdup(digest);
  }
  if (chdir(argv[2]) < 0) return 1;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int process = 0; process < atoi(argv[1]); process++) {
    if (fork() != 0) continue;
    int number;
    while ((number = __atomic_fetch_add(&shared->next, 1, __ATOMIC_SEQ_CST)) < lines) commit(number);
    return 0;
  }
  while (wait(NULL) > 0) continue;
  printf("%d committed, %d removed\n", shared->committed, shared->removed);
  return 0;
}
