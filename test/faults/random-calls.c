/*
 * Random system calls, with random arguments, on paths of a mount, which becomes the root directory:
 *
 *   random-calls MOUNTPOINT SEED CALLS < PATHS
 *
 * Each line of PATHS is a path below MOUNTPOINT; one that begins with `!` is not unlinked. Nothing is asked of a call but
 * that it is answered, and by no errno that says that something is broken. Says `N calls`, and a line for each of these.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <linux/fs.h>
#include <time.h>
#include <unistd.h>

/** PATIENCE: how long all of it may take, LONGEST: how long a call may take, in seconds. */
enum { PATHS = 500, FILES = 6, ROOM = 100000, PATIENCE = 110, LONGEST = 20 };

static unsigned seed;
static char *paths[PATHS], room[ROOM];
static int kept[PATHS], count, files[FILES];

static const char *const attributes[] = { "user.cas.total", "user.cas.expected", "user.cas.digest", "user.cas.ref",
                                          "user.cas.label.x", "user.other", "security.selinux", "trusted.x", "" };
static const char *const values[] = { "1", "1000", "-1", "x", "", "sha256:0" };
static const int flags[] = { O_CREAT, O_EXCL | O_CREAT, O_TRUNC, O_APPEND, O_DIRECT, O_SYNC, O_NOFOLLOW, O_DIRECTORY,
                             O_PATH, O_TMPFILE, O_NOATIME, O_CREAT | O_TRUNC, 0, 0, 0, 0 };

static int below(int limit) { return (int)((unsigned)rand_r(&seed) % (unsigned)limit); }
static off_t offset(void) { return below(3) ? below(10000) : ((off_t)below(1 << 30) << below(30)) - (below(9) == 0); }
static size_t length(void) { return (size_t)below(below(2) ? 100 : ROOM); }
static const char *path(void) { return paths[below(count)]; }
static const char *removable(void)
{
  int index = below(count);
  return kept[index] ? "no/such" : paths[index];
}
#define ANY(list) list[below(sizeof list / sizeof *list)]

static long call_open(int index)
{
  if (files[index] >= 0) close(files[index]);
  return files[index] = open(path(), below(4) | ANY(flags) | ANY(flags) | O_CLOEXEC, below(01000));
}

static long list(void)
{
  DIR *directory = opendir(path());
  if (directory == NULL) return -1;
  for (int names = below(300); names > 0 && readdir(directory) != NULL; names--) continue;
  if (below(3) == 0) rewinddir(directory);
  readdir(directory);
  return closedir(directory);
}

static long map(int fd)
{
  char *memory = mmap(NULL, 4096, PROT_READ | (below(2) ? PROT_WRITE : 0), below(2) ? MAP_SHARED : MAP_PRIVATE, fd, 0);
  return memory == MAP_FAILED ? -1 : munmap(memory, 4096);
}

static long make(int choice, int fd, int other)
{
  struct stat stats;
  struct statvfs statistics;
  struct timespec times[2] = { { below(1 << 30), below(999999999) }, { below(1 << 30), below(2) ? UTIME_NOW : UTIME_OMIT } };
  int number;
  off_t from = offset();
  switch (choice) {
    case 0: case 1: case 2: case 3: return call_open(below(FILES));
    case 4: return pread(fd, room, length(), offset());
    case 5: return pwrite(fd, room, length(), below(20000));
    case 6: return write(fd, room, length());
    case 7: return ftruncate(fd, below(4) ? below(50000) : -below(2));
    case 8: return truncate(removable(), below(50000));
    case 9: return lseek(fd, offset(), below(6));
    case 10: return map(fd);
    case 11: return fsync(fd);
    case 12: return fallocate(fd, below(128), below(10000), 1 + below(10000));
    case 13: return flock(fd, below(16) | LOCK_NB);
    case 14: return fstat(fd, &stats);
    case 15: return copy_file_range(fd, NULL, other, NULL, length(), 0);
    case 16: return sendfile(fd, other, &from, length());
    case 17: return ioctl(fd, below(2) ? FS_IOC_GETFLAGS : FIGETBSZ, &number);
    case 18: return ioctl(fd, FICLONE, other);
    case 19: return fgetxattr(fd, ANY(attributes), room, length());
    case 20: return fchmod(fd, (mode_t)below(010000));
    case 21: return rename(removable(), path());
    case 22: return renameat2(AT_FDCWD, removable(), AT_FDCWD, path(), (unsigned)below(8));
    case 23: return link(path(), path());
    case 24: return symlink(path(), path());
    case 25: return unlink(removable());
    case 26: return rmdir(removable());
    case 27: return mkdir(path(), (mode_t)below(010000));
    case 28: return mknod(path(), (mode_t)(below(16) << 12 | below(0777)), 0);
    case 29: return chmod(path(), (mode_t)below(010000));
    case 30: return lchown(path(), (uid_t)(below(3) - 1), (gid_t)(below(3) - 1));
    case 31: return utimensat(AT_FDCWD, path(), times, below(2) ? AT_SYMLINK_NOFOLLOW : 0);
    case 32: return lstat(path(), &stats);
    case 33: return stat(path(), &stats);
    case 34: return statvfs(path(), &statistics);
    case 35: return readlink(path(), room, length());
    case 36: return list();
    case 37: return access(path(), below(8));
    case 38: return lgetxattr(path(), ANY(attributes), room, length());
    case 39: return llistxattr(path(), room, length());
    case 40: return lsetxattr(path(), ANY(attributes), ANY(values), (size_t)below(2), below(3));
    case 41: return lremovexattr(path(), ANY(attributes));
    default: return close(dup(fd));
  }
}

static int is_broken(int failed)
{
  static const int broken[] = { EIO, ENOSYS, ENOTCONN, ECONNABORTED, EFAULT, EPROTO, ETIMEDOUT, EUCLEAN, ENOMEM, EMFILE, ENFILE,
                                ECANCELED, EREMOTEIO, ENOSPC };
  for (size_t index = 0; index < sizeof broken / sizeof *broken; index++)
    if (broken[index] == failed) return 1;
  return 0;
}

int main(int argc, char *argv[])
{
  char line[5000], whole[10000];
  if (argc != 4) return 2;
  alarm(PATIENCE);
  // Links of a layer must lead nowhere else.
  if (chroot(argv[1]) < 0 || chdir("/") < 0) return 1;
  seed = (unsigned)atoi(argv[2]);
  while (count < PATHS && fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    kept[count] = line[0] == '!';
    snprintf(whole, sizeof whole, "/%s", line + kept[count]);
    paths[count++] = strdup(whole);
  }
  for (int index = 0; index < FILES; index++) files[index] = -1;
  memset(room, 'x', ROOM);
  for (int done = 0; done < atoi(argv[3]); done++) {
    int choice = below(43), fd = files[below(FILES)], other = files[below(FILES)];
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    errno = 0;
    int failed = make(choice, fd, other) < 0 ? errno : 0;
    clock_gettime(CLOCK_MONOTONIC, &after);
    if (is_broken(failed)) printf("call %d, choice %d: %s\n", done, choice, strerrorname_np(failed));
    if (after.tv_sec - before.tv_sec > LONGEST) printf("call %d, choice %d: %ld s\n", done, choice, after.tv_sec - before.tv_sec);
  }
  printf("%s calls\n", argv[3]);
  return 0;
}
