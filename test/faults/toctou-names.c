/* What can be done to a file by who knows a name of it: a path, one below /proc, a handle; see toctou.c. */
#include "toctou.h"
#include <libgen.h>
#include <sys/stat.h>

static int take_nothing(struct hold *hold)
{
  (void)hold;
  return 0;
}

/** Writes through a descriptor of its own, which it closes. */
static int put_and_close(int fd, const char *bytes, size_t at, size_t size)
{
  if (fd < 0) return -1;
  int made = put_all(fd, bytes, at, size);
  return close(fd) < 0 ? -1 : made;
}

static int put_path(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  int access = rand_r(&hold->seed) % 2 ? O_WRONLY : O_RDWR;
  return put_and_close(open(target.path, access | O_CLOEXEC), bytes, at, size);
}

/** What it has opened before the commit it writes after it. */
static int put_path_late(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  if (shared->phase == STRIKE) return hold->fd < 0 ? -1 : put_all(hold->fd, bytes, at, size);
  if (hold->fd >= 0) close(hold->fd);
  hold->fd = open(target.path, O_WRONLY | O_CLOEXEC);
  return -1;
}

static int put_truncating(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  (void)hold;
  int fd = open(target.path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (bytes == target.good + at) return put_and_close(fd, target.good, 0, target.size);
  return put_and_close(fd, bytes, at, size);
}

static int put_cut_path(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  (void)hold, (void)size;
  if (bytes != target.good + at) return truncate(target.path, (off_t)at);
  if (truncate(target.path, (off_t)target.size) < 0) return -1;
  return put_and_close(open(target.path, O_WRONLY | O_CLOEXEC), bytes, at, target.size - at);
}

static int put_proc(const char *process, int number, const char *bytes, size_t at, size_t size)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/fd/%d", process, number);
  if (shared->phase == STRIKE && at % 2) return truncate(path, (off_t)at);
  return put_and_close(open(path, O_WRONLY | O_CLOEXEC), bytes, at, size);
}

static int put_reopened(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  return put_proc("self", hold->fd, bytes, at, size);
}

static int take_reader(struct hold *hold) { return hold->fd = open(target.path, O_RDONLY | O_CLOEXEC); }
static int take_name(struct hold *hold) { return hold->fd = open(target.path, O_PATH | O_CLOEXEC); }

/** A process that has the descriptor, and nothing to do with it. */
static int take_other_process(struct hold *hold)
{
  int *number = malloc(sizeof *number);
  *number = target.fd;
  hold->state = number;
  hold->process = child();
  if (hold->process > 0) return 0;
  while (shared->phase != END) usleep(1000);
  _exit(0);
}

static int put_other_process(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  char process[16];
  snprintf(process, sizeof process, "%d", (int)hold->process);
  return put_proc(process, *(int *)hold->state, bytes, at, size);
}

static int take_handle(struct hold *hold)
{
  int mount;
  struct file_handle *handle = calloc(1, sizeof *handle + MAX_HANDLE_SZ);
  char *directory = strdup(target.path);
  handle->handle_bytes = MAX_HANDLE_SZ;
  hold->state = handle;
  if (name_to_handle_at(AT_FDCWD, target.path, handle, &mount, 0) < 0) return -1;
  hold->other = open(dirname(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(directory);
  return hold->other;
}

static int put_handle(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  return put_and_close(open_by_handle_at(hold->other, hold->state, O_WRONLY | O_CLOEXEC), bytes, at, size);
}

static const char *beside(char *room, const char *suffix)
{
  snprintf(room, 4096, "%s-%s", target.path, suffix);
  return room;
}

/** A file with bad bytes that takes the place of ours for a while. */
static int take_swap(struct hold *hold)
{
  char other[4096];
  int fd = open(beside(other, "swap"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  hold->state = calloc(1, sizeof(int));
  return put_and_close(fd, target.bad, 0, target.size);
}

static int put_swap(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  char other[4096], away[4096];
  int *swapped = hold->state;
  (void)size;
  beside(other, "swap"), beside(away, "away");
  if (bytes != target.good + at) {
    if (*swapped || rename(target.path, away) < 0) return -1;
    *swapped = 1;
    return rename(other, target.path);
  }
  if (!*swapped) return -1;
  *swapped = 0;
  rename(target.path, other);
  return rename(away, target.path);
}

/** All that a blob must refuse, but for unlink(2). */
static int put_blob(struct hold *hold, const char *bytes, size_t at, size_t size)
{
  const char *blob = target.blob;
  char other[4096], path[64];
  int fd;
  if (shared->phase != STRIKE) return -1;
  beside(other, "other");
  switch (rand_r(&hold->seed) % 8) {
    case 0: return put_and_close(open(blob, O_WRONLY | O_CLOEXEC), bytes, at, size);
    case 1: return put_and_close(open(blob, O_RDWR | O_APPEND | O_CLOEXEC), bytes, at, size);
    case 2: return put_and_close(open(blob, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0644), bytes, at, size);
    case 3: return truncate(blob, (off_t)at);
    case 4: return chmod(blob, 0666) < 0 ? link(blob, other) : put_and_close(open(blob, O_WRONLY), bytes, at, size);
    case 5: return rename(blob, other);
    case 6:
      if (put_and_close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), bytes, at, size) < 0) return -1;
      return rename(other, blob);
    default:
      fd = open(blob, O_RDONLY | O_CLOEXEC);
      snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
      int made = put_and_close(open(path, O_RDWR | O_CLOEXEC), bytes, at, size);
      if (fd >= 0) close(fd);
      return made;
  }
}

const struct attack by_name[] = {
  { .name = "path", .take = take_nothing, .put = put_path },
  { .name = "path-late", .take = take_nothing, .put = put_path_late },
  { .name = "truncating", .take = take_nothing, .put = put_truncating },
  { .name = "cut-path", .take = take_nothing, .put = put_cut_path },
  { .name = "reopened", .take = take_descriptor, .put = put_reopened },
  { .name = "reader", .take = take_reader, .put = put_reopened },
  { .name = "name", .take = take_name, .put = put_reopened },
  { .name = "other-process", .take = take_other_process, .put = put_other_process },
  { .name = "handle", .take = take_handle, .put = put_handle },
  { .name = "swap", .take = take_swap, .put = put_swap },
  { .name = "blob", .take = take_nothing, .put = put_blob },
  { 0 },
};
