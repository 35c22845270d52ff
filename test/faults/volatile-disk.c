/*
 * A disk with a volatile write cache: `volatile-disk SIZE MOUNTPOINT -f -s` serves two files.
 *
 * image    The disk, SIZE bytes. What is written stays in the cache until fsync(2) or fdatasync(2), as a disk keeps
 *          it until FLUSH; a loop device passes its flushes on as fsync.
 * control  `drop` cuts the power: the cache is lost, and image answers EIO from then on. `tear SEED` does the same,
 *          but each write of the cache is first kept, lost, or kept in some of its sectors of 512 bytes. `on` brings
 *          the power back. Reading it gives how many bytes are in the cache, and how many all cuts have met there.
 *
 * Requests are served one at a time, so a cut is between two of them.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SECTOR = 512 };

struct cached {
  off_t offset;
  size_t size;
  char *data;
};

/** What image reads as, and what a cut leaves of it. */
static char *seen, *kept;
static off_t disk_size;
/** The writes since the last flush, in order. */
static struct cached *cache;
static size_t cached_writes, room;
static size_t cached_bytes, lost_bytes;
static int powered = 1;
static uint64_t seed;

static unsigned draw(unsigned below)
{
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (unsigned)((seed >> 32) % below);
}

static void keep(off_t offset, const char *data, size_t size) { memcpy(kept + offset, data, size); }

static void keep_some(const struct cached *write)
{
  for (size_t at = 0; at < write->size; at += SECTOR) {
    size_t left = write->size - at;
    if (draw(2)) keep(write->offset + (off_t)at, write->data + at, left < SECTOR ? left : SECTOR);
  }
}

static void empty_cache(void)
{
  for (size_t i = 0; i < cached_writes; i++) free(cache[i].data);
  cached_writes = 0;
  cached_bytes = 0;
}

static void flush(void)
{
  for (size_t i = 0; i < cached_writes; i++) keep(cache[i].offset, cache[i].data, cache[i].size);
  empty_cache();
}

static void tear(void)
{
  for (size_t i = 0; i < cached_writes; i++) {
    unsigned fate = draw(3);
    if (fate == 0) keep(cache[i].offset, cache[i].data, cache[i].size);
    else if (fate == 1) keep_some(&cache[i]);
  }
}

/** What was in the cache is read again as what the disk kept. */
static void lose_cache(void)
{
  lost_bytes += cached_bytes;
  for (size_t i = 0; i < cached_writes; i++)
    memcpy(seen + cache[i].offset, kept + cache[i].offset, cache[i].size);
  empty_cache();
  powered = 0;
}

static int is_image(const char *path) { return strcmp(path, "/image") == 0; }
static int is_control(const char *path) { return strcmp(path, "/control") == 0; }

static int get_attributes(const char *path, struct stat *stat, struct fuse_file_info *file)
{
  (void)file;
  memset(stat, 0, sizeof *stat);
  stat->st_nlink = 1;
  stat->st_mode = S_IFREG | 0600;
  if (strcmp(path, "/") == 0) stat->st_mode = S_IFDIR | 0700;
  else if (is_image(path)) stat->st_size = disk_size;
  else if (!is_control(path)) return -ENOENT;
  return 0;
}

/** Without a page cache of ours between the loop device and the disk. */
static int open_file(const char *path, struct fuse_file_info *file)
{
  (void)path;
  file->direct_io = 1;
  return 0;
}

static int read_file(const char *path, char *into, size_t size, off_t offset, struct fuse_file_info *file)
{
  (void)file;
  if (is_control(path)) {
    char text[128];
    int length = snprintf(text, sizeof text, "%zu %zu\n", cached_bytes, lost_bytes);
    if (offset >= length) return 0;
    if (size > (size_t)(length - offset)) size = (size_t)(length - offset);
    memcpy(into, text + offset, size);
    return (int)size;
  }
  if (!powered) return -EIO;
  if (offset >= disk_size) return 0;
  if (size > (size_t)(disk_size - offset)) size = (size_t)(disk_size - offset);
  memcpy(into, seen + offset, size);
  return (int)size;
}

static int obey(const char *data, size_t size)
{
  char order[64] = "";
  if (size >= sizeof order) return -EINVAL;
  memcpy(order, data, size);
  if (strncmp(order, "on", 2) == 0) {
    powered = 1;
  } else if (strncmp(order, "drop", 4) == 0) {
    lose_cache();
  } else if (strncmp(order, "tear ", 5) == 0) {
    seed = strtoull(order + 5, NULL, 10) * 0x9e3779b97f4a7c15u | 1;
    tear();
    lose_cache();
  } else {
    return -EINVAL;
  }
  return (int)size;
}

static int write_file(const char *path, const char *data, size_t size, off_t offset, struct fuse_file_info *file)
{
  (void)file;
  if (is_control(path)) return obey(data, size);
  if (!powered) return -EIO;
  if (offset + (off_t)size > disk_size) return -ENOSPC;
  if (cached_writes == room) {
    room = room ? 2 * room : 1024;
    cache = realloc(cache, room * sizeof *cache);
    if (cache == NULL) abort();
  }
  char *copy = malloc(size);
  if (copy == NULL) abort();
  memcpy(copy, data, size);
  memcpy(seen + offset, data, size);
  cache[cached_writes++] = (struct cached){offset, size, copy};
  cached_bytes += size;
  return (int)size;
}

static int sync_file(const char *path, int data_only, struct fuse_file_info *file)
{
  (void)data_only;
  (void)file;
  if (!is_image(path)) return 0;
  if (!powered) return -EIO;
  flush();
  return 0;
}

static int truncate_file(const char *path, off_t size, struct fuse_file_info *file)
{
  (void)size;
  (void)file;
  return is_control(path) ? 0 : -EPERM;
}

/** fallocate is left out: it answers EOPNOTSUPP, so a loop device writes zeros and discards nothing. */
static const struct fuse_operations operations = {
  .getattr = get_attributes,
  .open = open_file,
  .read = read_file,
  .write = write_file,
  .fsync = sync_file,
  .truncate = truncate_file,
};

int main(int argc, char *argv[])
{
  if (argc < 3 || (disk_size = atoll(argv[1])) <= 0) return 2;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  seen = mmap(NULL, (size_t)disk_size, PROT_READ | PROT_WRITE, flags, -1, 0);
  kept = mmap(NULL, (size_t)disk_size, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (seen == MAP_FAILED || kept == MAP_FAILED) return 1;
  argv[1] = argv[0];
  return fuse_main(argc - 1, argv + 1, &operations, NULL);
}
