/*
 * Makes system calls from many processes at the same moment:
 *
 *   at-once COUNT CALL ARGUMENT… [-- COUNT CALL ARGUMENT…]…
 *
 * `%` in an argument stands for the number of the process within its group. All processes wait for each other, make
 * their call, and keep open what they opened until all have made it. Prints for each group and each outcome a line
 * `GROUP OUTCOME COUNT`, where the outcome is OK or the errno's name.
 *
 *   open PATH            creates or opens for writing        create PATH   the same with O_EXCL
 *   write PATH BYTES     opens, empties, writes and closes   unlink PATH
 *   rename FROM TO                                           truncate PATH BYTES
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GROUPS = 8, OUTCOMES = 256, PIECE = 16384 };

static struct shared {
  pthread_barrier_t ready, done;
  int counts[GROUPS][OUTCOMES];
} *shared;

static char *numbered(const char *pattern, int number)
{
  const char *mark = strchr(pattern, '%');
  char *text;
  if (mark == NULL) return strdup(pattern);
  if (asprintf(&text, "%.*s%d%s", (int)(mark - pattern), pattern, number, mark + 1) < 0) abort();
  return text;
}

/** The first errno of open, write and close; all pieces are tried. */
static int write_whole(const char *path, long size)
{
  static char piece[PIECE];
  int found = 0, fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) return errno;
  for (long left = size; left > 0; left -= PIECE)
    if (write(fd, piece, (size_t)(left < PIECE ? left : PIECE)) < 0 && found == 0) found = errno;
  if (close(fd) < 0 && found == 0) found = errno;
  return found;
}

static int make(const char *call, const char *first, const char *second)
{
  int made = -1;
  if (strcmp(call, "open") == 0) made = open(first, O_WRONLY | O_CREAT, 0644);
  else if (strcmp(call, "create") == 0) made = open(first, O_WRONLY | O_CREAT | O_EXCL, 0644);
  else if (strcmp(call, "write") == 0) return write_whole(first, atol(second));
  else if (strcmp(call, "unlink") == 0) made = unlink(first);
  else if (strcmp(call, "rename") == 0) made = rename(first, second);
  else if (strcmp(call, "truncate") == 0) made = truncate(first, atol(second));
  else exit(2);
  return made < 0 ? errno : 0;
}

int main(int argc, char *argv[])
{
  int groups = 0, processes = 0;
  char **begins[GROUPS];
  for (int at = 1; at < argc; at++) {
    if (groups == GROUPS) return 2;
    begins[groups++] = argv + at;
    processes += atoi(argv[at]);
    while (at < argc && strcmp(argv[at], "--") != 0) at++;
    if (at < argc) argv[at] = NULL;
  }
  if (processes == 0) return 2;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_barrierattr_t attributes;
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&shared->ready, &attributes, (unsigned)processes);
  pthread_barrier_init(&shared->done, &attributes, (unsigned)processes);
  for (int group = 0; group < groups; group++) {
    char **call = begins[group];
    for (int number = 0; number < atoi(call[0]); number++) {
      if (fork() != 0) continue;
      char *first = numbered(call[2], number);
      char *second = numbered(call[3] ? call[3] : "", number);
      pthread_barrier_wait(&shared->ready);
      int outcome = make(call[1], first, second);
      __atomic_add_fetch(&shared->counts[group][outcome], 1, __ATOMIC_SEQ_CST);
      pthread_barrier_wait(&shared->done);
      return 0;
    }
  }
  while (wait(NULL) > 0) continue;
  for (int group = 0; group < groups; group++)
    for (int outcome = 0; outcome < OUTCOMES; outcome++) {
      int count = shared->counts[group][outcome];
      if (count > 0) printf("%d %s %d\n", group, outcome ? strerrorname_np(outcome) : "OK", count);
    }
  return 0;
}
