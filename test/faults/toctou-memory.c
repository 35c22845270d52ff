/* What can be done to a file by who has it mapped, and has closed it; see toctou.c. */
#include "toctou.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

static _Thread_local sigjmp_buf fault;

static void jump(int signal)
{
  (void)signal;
  siglongjmp(fault, 1);
}

static int map(struct hold *hold, int protection)
{
  signal(SIGBUS, jump);
  signal(SIGSEGV, jump);
  hold->memory = mmap(NULL, target.size, protection, MAP_SHARED, target.fd, 0);
  hold->mapped = hold->memory != MAP_FAILED;
  return hold->mapped ? 0 : -1;
}

static int take_map(struct hold *hold) { return map(hold, PROT_READ | PROT_WRITE); }
static int take_readable_map(struct hold *hold) { return map(hold, PROT_READ); }

/** The file may be shorter by now (SIGBUS). */
static int put_map(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  if (sigsetjmp(fault, 1) != 0) return -1;
  memcpy(hold->memory + at, bytes, size);
  return 0;
}

/** It may not be written before the commit. */
static int put_map_late(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  if (shared->phase != STRIKE || mprotect(hold->memory, target.size, PROT_READ | PROT_WRITE) < 0) return -1;
  return put_map(hold, bytes, at, size);
}

/** The file of the process's memory writes where the process may not. */
static int write_memory(char *memory, const char *bytes, size_t size)
{
  int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t written = pwrite(fd, bytes, size, (off_t)(size_t)memory);
  close(fd);
  return written == (ssize_t)size ? 0 : -1;
}

static int take_nothing(struct hold *hold)
{
  (void)hold;
  return 0;
}

/** A mapping of the blob, which may only be read. */
static int put_blob_map(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  struct stat stat;
  if (shared->phase != STRIKE) return -1;
  int fd = open(target.blob, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &stat) < 0 || (size_t)stat.st_size < target.size) return fd < 0 ? -1 : (close(fd), -1);
  char *memory = mmap(NULL, target.size, PROT_READ, rand_r(&hold->seed) % 2 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
  close(fd);
  if (memory == MAP_FAILED) return -1;
  int made = mprotect(memory, target.size, PROT_READ | PROT_WRITE) == 0 ? 0 : write_memory(memory + at, bytes, size);
  if (made == 0 && sigsetjmp(fault, 1) == 0) memcpy(memory + at, bytes, size);
  munmap(memory, target.size);
  return made;
}

const struct attack by_memory[] = {
  { .name = "map", .take = take_map, .put = put_map },
  { .name = "map-late", .take = take_readable_map, .put = put_map_late },
  { .name = "map-forked", .apart = 1, .take = take_map, .put = put_map },
  { .name = "blob-map", .take = take_nothing, .put = put_blob_map },
  { 0 },
};
