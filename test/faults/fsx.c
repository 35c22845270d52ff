/*
 * Random operations on ingests, each compared with what memory says the file is, and in the end their commit:
 *
 *   fsx MOUNTPOINT NAME SEED OPERATIONS
 *
 * All that docs/SEMANTICS.md allows for an ingest: writes at any place, appends, vectors, copies within the file, cuts
 * and extensions by descriptor and by path, reads by descriptor and by private mapping, sync, rename, a second writer.
 * Says `N commits`; at the first difference what differs, after the operations that led to it, and exits with 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST = 300000, REMEMBERED = 40, ONE_FILE = 60 };

static unsigned seed;
static char model[MOST], bytes[MOST], found[MOST];
static size_t size;
static int writer = -1, reader = -1, beside;
static char path[2][4096], operations[REMEMBERED][120];
static unsigned count;

static size_t below(size_t limit) { return limit == 0 ? 0 : (size_t)rand_r(&seed) % limit; }

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(operations[count++ % REMEMBERED], sizeof operations[0], format, arguments);
  va_end(arguments);
}

static void differs(const char *what, long is, long should)
{
  unsigned first = count > REMEMBERED ? count - REMEMBERED : 0;
  for (unsigned at = first; at < count; at++) printf("  %u %s\n", at, operations[at % REMEMBERED]);
  printf("%s: %ld, not %ld (errno %s)\n", what, is, should, strerrorname_np(errno));
  exit(1);
}

static void demand(const char *what, long is, long should)
{
  if (is != should) differs(what, is, should);
}

/** A call fails with that errno, 0: it does not. */
static void answers(const char *what, long result, int expected)
{
  int answer = result < 0 ? errno : 0;
  if (answer != expected) differs(what, answer, expected);
}

static void same(const char *what, const char *data, size_t at, size_t length)
{
  for (size_t index = 0; index < length; index++)
    if (data[index] != model[at + index]) differs(what, (long)(at + index), data[index]);
}

static void random_bytes(size_t length)
{
  for (size_t at = 0; at < length; at++) bytes[at] = (char)rand_r(&seed);
}

static size_t some_size(void) { return below(4) ? 1 + below(5000) : 1 + below(60000); }

static void wrote(size_t at, size_t length)
{
  if (at > size) memset(model + size, 0, at - size);
  memcpy(model + at, bytes, length);
  if (at + length > size) size = at + length;
}

static void cut(size_t to)
{
  if (to > size) memset(model + size, 0, to - size);
  size = to;
}

static void op_open(void)
{
  int flags = (below(3) ? O_RDWR : O_WRONLY) | O_CREAT | (below(6) ? 0 : O_TRUNC);
  note("open %s", flags & O_TRUNC ? "truncating" : "");
  int fd = open(path[beside], flags, 0644);
  if (fd < 0 && errno == EBUSY && writer < 0 && reader >= 0) {
    /* Outside ingest/ a reader may keep the writers away that come after the first. */
    close(reader);
    reader = -1;
    fd = open(path[beside], flags, 0644);
  }
  answers("open", fd, writer >= 0 ? EBUSY : 0);
  if (fd < 0) return;
  writer = fd;
  if (flags & O_TRUNC) size = 0;
}

static void op_close(void)
{
  if (writer < 0 || below(3)) return;
  note("close");
  answers("close", close(writer), 0);
  writer = -1;
}

static void op_write(void)
{
  size_t length = some_size(), at = below(5) ? below(size + 1) : below(MOST - 60001);
  if (writer < 0 || at + length > MOST) return;
  note("pwrite %zu at %zu", length, at);
  random_bytes(length);
  demand("pwrite", pwrite(writer, bytes, length, (off_t)at), (long)length);
  wrote(at, length);
}

static void op_append(void)
{
  size_t length = some_size();
  if (writer < 0 || size + length > MOST) return;
  note("append %zu at %zu", length, size);
  random_bytes(length);
  struct iovec piece = { bytes, length };
  demand("append", pwritev2(writer, &piece, 1, -1, RWF_APPEND), (long)length);
  wrote(size, length);
}

static void op_vector(void)
{
  size_t length = 3 + some_size(), at = below(size + 1), first = 1 + below(length - 2);
  if (writer < 0 || at + length > MOST) return;
  note("pwritev %zu at %zu", length, at);
  random_bytes(length);
  struct iovec pieces[] = { { bytes, first }, { bytes, 0 }, { bytes + first, length - first } };
  demand("pwritev", pwritev(writer, pieces, 3, (off_t)at), (long)length);
  wrote(at, length);
}

static void op_copy(void)
{
  size_t length = 1 + below(size / 2);
  off_t from = (off_t)below(size / 2), to = (off_t)(size / 2 + below(size));
  if (writer < 0 || reader < 0 || size < 10 || from + (off_t)length > to || (size_t)to + length > MOST) return;
  note("copy %zu from %ld to %ld", length, (long)from, (long)to);
  memcpy(bytes, model + from, length);
  size_t at = (size_t)to;
  for (size_t done = 0; done < length;) {
    ssize_t copied = copy_file_range(reader, &from, writer, &to, length - done, 0);
    if (copied <= 0) differs("copy_file_range", copied, (long)(length - done));
    done += (size_t)copied;
  }
  wrote(at, length);
}

static void op_cut(void)
{
  size_t to = below(3) ? below(size + 1) : below(MOST);
  if (writer < 0) return;
  note("ftruncate %zu", to);
  answers("ftruncate", ftruncate(writer, (off_t)to), 0);
  cut(to);
}

static void op_cut_path(void)
{
  size_t to = below(3) ? below(size + 1) : below(MOST);
  note("truncate %zu", to);
  int failed = truncate(path[beside], (off_t)to) < 0 ? errno : 0;
  // The kernel may pass on the descriptor of whoever has the file open for writing.
  if (writer < 0 ? failed != 0 : failed != 0 && failed != EBUSY) differs("truncate", failed, writer < 0 ? 0 : EBUSY);
  if (failed == 0) cut(to);
}

static void op_refused(void)
{
  if (writer < 0) return;
  note("fallocate, mmap");
  answers("fallocate", fallocate(writer, 0, 0, 4096), EOPNOTSUPP);
  void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
  /* Outside ingest/ the kernel may write files by itself, and maps them. */
  if (map != MAP_FAILED) munmap(map, 4096);
  else if ((fcntl(writer, F_GETFL) & O_ACCMODE) == O_RDWR) answers("mmap", -1, ENODEV);
}

static void op_reader(void)
{
  note("open for reading");
  if (reader >= 0) close(reader);
  reader = open(path[beside], O_RDONLY);
  answers("open for reading", reader, 0);
}

static void op_read(void)
{
  size_t at = below(size + 100), length = some_size();
  int fd = writer >= 0 && (fcntl(writer, F_GETFL) & O_ACCMODE) == O_RDWR && below(2) ? writer : reader;
  if (fd < 0) return;
  note("pread %zu at %zu", length, at);
  size_t there = at >= size ? 0 : size - at < length ? size - at : length;
  demand("pread", pread(fd, found, length, (off_t)at), (long)there);
  same("pread", found, at, there);
}

static void op_map(void)
{
  if (reader < 0 || size == 0) return;
  note("mmap");
  char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, reader, 0);
  if (map == MAP_FAILED) differs("mmap", -1, 0);
  same("mmap", map, 0, size);
  munmap(map, size);
}

static void op_stat(void)
{
  struct stat stats;
  note("stat");
  answers("stat", stat(path[beside], &stats), 0);
  demand("st_size", stats.st_size, (long)size);
  if (reader >= 0) demand("SEEK_END", lseek(reader, 0, SEEK_END), (long)size);
}

static void op_seek(void)
{
  size_t at = below(size + 10);
  if (reader < 0) return;
  note("lseek %zu", at);
  off_t hole = lseek(reader, (off_t)at, SEEK_HOLE);
  if (at >= size) return answers("SEEK_HOLE", hole, ENXIO);
  if (hole < (off_t)at || hole > (off_t)size) differs("SEEK_HOLE", hole, (long)size);
  off_t data = lseek(reader, (off_t)at, SEEK_DATA);
  for (size_t zero = at; zero < (data < 0 ? size : (size_t)data); zero++)
    if (model[zero] != 0) differs("SEEK_DATA", data, (long)zero);
}

static void op_sync(void)
{
  int fd = writer >= 0 ? writer : reader;
  if (fd < 0 || below(4)) return;
  note("fsync");
  answers("fsync", below(2) ? fsync(fd) : fdatasync(fd), 0);
}

static void op_rename(void)
{
  note("rename");
  answers("rename", rename(path[beside], path[!beside]), 0);
  beside = !beside;
}

static void hex_of_model(char *hex)
{
  char command[64];
  int fd = memfd_create("model", 0);
  if (fd < 0 || write(fd, model, size) != (ssize_t)size) exit(2);
  snprintf(command, sizeof command, "sha256sum < /proc/%d/fd/%d", (int)getpid(), fd);
  FILE *output = popen(command, "r");
  if (output == NULL || fscanf(output, "%64s", hex) != 1 || pclose(output) != 0) exit(2);
  close(fd);
}

/** Refused under another digest, done under its own; then nothing changes it. The open files stay what they were. */
static void commit(const char *mountpoint)
{
  char blob[4200], wrong[4200], hex[65];
  hex_of_model(hex);
  snprintf(blob, sizeof blob, "%s/blobs/sha256/%s", mountpoint, hex);
  hex[0] = hex[0] == '0' ? '1' : '0';
  snprintf(wrong, sizeof wrong, "%s/blobs/sha256/%s", mountpoint, hex);
  note("commit");
  answers("commit under a wrong digest", rename(path[beside], wrong), EBADMSG);
  op_stat();
  answers("commit", rename(path[beside], blob), 0);
  /* What the kernel writes by itself is lost; it must be what is there, since the open files go on being compared. */
  if (writer >= 0 && size > 0 && pwrite(writer, model, 1, 0) != 1) answers("write after the commit", -1, EBADF);
  if (writer >= 0 && ftruncate(writer, (off_t)size) != 0) answers("ftruncate after the commit", -1, EBADF);
  op_read();
  if (writer >= 0) close(writer);
  if (reader >= 0) close(reader);
  writer = -1;
  reader = open(blob, O_RDONLY);
  answers("open of the blob", reader, 0);
  op_map();
  answers("open of the blob for writing", open(blob, O_RDWR), EROFS);
  answers("truncate of the blob", truncate(blob, (off_t)size), EROFS);
  demand("pread of the blob", pread(reader, found, MOST, 0), (long)size);
  same("pread of the blob", found, 0, size);
  close(reader);
  reader = -1;
  size = 0;
}

int main(int argc, char *argv[])
{
  void (*const choices[])(void) = { op_open,  op_open, op_close, op_write,  op_write,   op_write, op_append, op_vector, op_copy,   op_cut,
                                    op_cut_path, op_refused, op_reader, op_read, op_read, op_map, op_stat, op_seek, op_sync, op_rename };
  if (argc != 5) return 2;
  seed = (unsigned)atoi(argv[3]);
  int commits = 0;
  for (int done = 0; done < atoi(argv[4]); commits++) {
    count = 0;
    beside = 0;
    for (int name = 0; name < 2; name++) snprintf(path[name], sizeof path[0], "%s/%s-%d", argv[1], argv[2], name);
    op_open();
    for (int step = 0; step < ONE_FILE; step++, done++) choices[below(sizeof choices / sizeof *choices)]();
    commit(argv[1]);
  }
  printf("%d commits\n", commits);
  return 0;
}
